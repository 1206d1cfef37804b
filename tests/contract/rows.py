"""Rows and groups for the tests of the log: real encoded inputs and events of a made-up room."""

from collections.abc import Sequence

from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain.events import Event, EventType
from shared.domain.ids import event_id
from shared.domain.inputs import Start, Tick
from shared.domain.units import NoData
from shared.log.port import EventRow, Group, InputRow
from shared.wire.events import encode_event
from shared.wire.inputs import KINDS, WireBody, encode_input

LOG_ID = "a" * 32
WALL_MS = 1_767_225_600_000


def row(seq: int, body: WireBody, log_id: str = LOG_ID) -> InputRow:
    """An input at 100 ms a number."""
    return InputRow(seq, KINDS[type(body)], encode_input(log_id, seq, seq * 100, WALL_MS + seq * 100, body))


def frame(seq: int, value: int = 7) -> Frame:
    """A scan of four registers."""
    words = value.to_bytes(2, "big") * 4
    block = Block(Table.HOLDING, 0, 4, words)
    return Frame(
        device="gas1",
        boot="b1",
        device_seq=seq,
        sampled_at_ms=WALL_MS + seq * 100,
        age_ms=12,
        synced=True,
        outcome=NoData.PRESENT,
        detail="",
        blocks=(block,),
    )


def event(seq: int, ordinal: int, room_no: int, *, type: EventType = EventType.ALARM_RAISED) -> EventRow:  # noqa: A002
    """An event of the room r1."""
    made = Event(
        type=type.value,
        id=event_id(LOG_ID, seq, "r1", ordinal),
        site="s",
        room="r1",
        room_no=room_no,
        log_id=LOG_ID,
        site_seq=seq,
        ordinal=ordinal,
        tick_ms=seq * 100,
        at_ms=WALL_MS + seq * 100,
        version="v",
        subject="s/r1/gas1-h2/h2_alarm",
        occurrence="o",
        rule="h2_alarm",
        severity="critical",
        state="B",
        value="2.1",
        unit="%vol",
        limit="2",
        quality="good",
        reason="",
        actor="",
        until_ms=0,
    )
    return EventRow(seq, ordinal, "r1", room_no, made.type, encode_event(made))


def start(seq: int = 1, log_id: str = LOG_ID) -> Group:
    """The group that gives a log its name."""
    body = Start(log_id, "", seq - 1, clean=True, boot="b")
    return Group((row(seq, body, log_id),), (), log_id=log_id)


def frames(first: int, count: int, events: Sequence[EventRow] = ()) -> Group:
    return Group(tuple(row(seq, frame(seq)) for seq in range(first, first + count)), tuple(events))


def tick(seq: int) -> Group:
    return Group((row(seq, Tick("r1")),), ())
