"""Events for the gateway's tests."""

from shared.domain.events import Event, EventType
from shared.domain.ids import event_id


def event(
    seq: int,
    *,
    kind: str = EventType.ALARM_RAISED,
    room: str = "r1",
    severity: str = "warning",
    log_id: str = "0" * 32,
    ordinal: int = 0,
) -> Event:
    """The ``seq``-th event of a quiet site."""
    return Event(
        type=str(kind),
        id=event_id(log_id, seq, room, ordinal),
        site="demo",
        room=room,
        room_no=seq,
        log_id=log_id,
        site_seq=seq,
        ordinal=ordinal,
        tick_ms=seq * 1000,
        at_ms=1_767_225_600_000 + seq,
        version="v" * 64,
        subject="demo/r1/gas1-h2/h2_prealarm",
        occurrence="a" * 32,
        rule="h2_prealarm",
        severity=severity,
        state="B",
        value="1.05",
        unit="%vol",
        limit="1",
        quality="good",
        reason="",
        actor="",
        until_ms=0,
    )
