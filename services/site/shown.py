"""What the gateway shows, as values made by the writer's thread and read by any other.

The writer makes a new :class:`Shown` after a commit; readers take the newest reference and never see it change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from services.gateway.views import AlarmItem, OutputItem, PointItem
from shared.domain import core
from shared.domain.catalogue import guidance
from shared.domain.plan import DetectorPlan, RoomPlan, Severity
from shared.domain.state import RoomState
from shared.domain.units import DECIMALS, Unit
from shared.domain.views import AlarmView, OutputView, PointView
from shared.wire.guardlink import OutputSeen

States = Mapping[str, RoomState]

LEASE = "lease"
"""guard's word for a demand of the core, which names its causes itself."""
_GRAVEST_FIRST = {severity.label: -severity for severity in Severity}


@dataclass(frozen=True, slots=True)
class Shown:
    """One moment of the site."""

    as_of_ms: int
    log_id: str
    head_seq: int
    decision: str
    undurable: bool
    tick_ms: int = 0
    """The log's own time."""
    alarms: tuple[AlarmItem, ...] = ()
    points: tuple[PointItem, ...] = ()
    outputs: tuple[OutputView, ...] = ()


NOTHING = Shown(as_of_ms=0, log_id="", head_seq=0, decision="", undurable=False)


def alarm_items(states: States, as_of_ms: int, tick_ms: int) -> tuple[AlarmItem, ...]:
    """Gravest first, then the newest."""
    items = [
        _alarm(view, as_of_ms + view.until_ms - tick_ms if view.until_ms else 0)
        for state in states.values()
        for view in core.alarms(state)
    ]
    items.sort(key=lambda item: (_GRAVEST_FIRST[item.severity], -item.since_at_ms, item.id))
    return tuple(items)


def _alarm(view: AlarmView, until_at_ms: int) -> AlarmItem:
    return AlarmItem(
        id=view.id,
        rule=view.rule,
        point=view.subject,
        severity=view.severity,
        state=view.state,
        condition=view.condition,
        override=view.override,
        occurrence=view.occurrence,
        since_at_ms=view.since_at_ms,
        value=view.value,
        unit=view.unit,
        guidance=guidance(view.rule),
        until_at_ms=until_at_ms,
    )


def point_items(states: States) -> tuple[PointItem, ...]:
    return tuple(
        PointItem(view.id, view.value, str(view.unit), str(view.quality), view.no_data, view.at_ms)
        for state in states.values()
        for view in core.points(state)
    )


def output_views(states: States) -> tuple[OutputView, ...]:
    return tuple(view for state in states.values() for view in core.outputs(state))


def output_items(views: Iterable[OutputView], seen: Mapping[str, OutputSeen]) -> tuple[OutputItem, ...]:
    """The core's demand, and where the core demands nothing what guard holds: a local trip is a demand too."""
    items = []
    for view in views:
        held = seen.get(view.id)
        local = tuple(cause for cause in (held.by if held else ()) if cause != LEASE)
        by = view.by if view.on else tuple(dict.fromkeys((*view.by, *local)))
        items.append(
            OutputItem(
                id=view.id,
                kind=str(view.kind),
                demand="on" if view.on or (held is not None and held.wanted) else "off",
                by=by,
                read_back=held.coil if held else view.read_back or "unknown",
                proof=held.proof if held else view.proof,
                armed=held.armed if held else False,
                supervision=held.supervision if held else "guard is not connected",
            )
        )
    return tuple(items)


def gas_at_limit(state: RoomState) -> bool:
    """Whether the last logged gas of the room stood at or over its first limit."""
    plan: RoomPlan = state.plan
    values = core.points(state)
    return any(_at_limit(detector, values) for detector in plan.detectors)


def _at_limit(detector: DetectorPlan, values: tuple[PointView, ...]) -> bool:
    if detector.h2 >= 0:
        text = values[detector.h2].value
        if text is not None and _scaled(text, Unit.H2_VOL) >= detector.limit_1:
            return True
    contacts = (detector.contact_1, detector.contact_2)
    return any(index >= 0 and values[index].value == "1" for index in contacts)


def _scaled(text: str, unit: Unit) -> int:
    return int(Decimal(text).scaleb(DECIMALS[unit]))
