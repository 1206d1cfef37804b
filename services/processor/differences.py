"""What other rules would have done: alarms gained, lost, earlier or later, told by when each occurrence began.

An occurrence lasts from its raise to its close (cleared, superseded, retired). Two occurrences of one alarm, one under
each rule set, are the same when they overlap in time.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shared.domain.events import Event, EventType
from shared.wire.events import stamp

_RAISED = EventType.ALARM_RAISED.value
_CLOSED = {EventType.ALARM_CLEARED.value, EventType.ALARM_SUPERSEDED.value, EventType.ALARM_RETIRED.value}
_OPEN = 1 << 62


class Change(NamedTuple):
    """``at_ms`` under the other rules, ``was_at_ms`` under the log's; 0 where there is none."""

    alarm: str
    change: str
    """gained, lost, earlier, later"""
    at_ms: int
    was_at_ms: int

    def data(self) -> dict[str, Any]:
        """The JSON form: instants as text, "" where there is none."""
        at, was = (stamp(ms) if ms else "" for ms in (self.at_ms, self.was_at_ms))
        return {"alarm": self.alarm, "change": self.change, "at": at, "was_at": was}


@dataclass(slots=True)
class _Occurrence:
    from_tick: int
    to_tick: int
    at_ms: int


@dataclass(slots=True)
class Alarms:
    """The occurrences of each alarm in order."""

    by_alarm: dict[str, list[_Occurrence]] = field(default_factory=dict)

    def note(self, event: Event) -> None:
        if event.type == _RAISED:
            self.by_alarm.setdefault(event.subject, []).append(_Occurrence(event.tick_ms, _OPEN, event.at_ms))
        elif event.type in _CLOSED:
            for occurrence in self.by_alarm.get(event.subject, [])[-1:]:
                occurrence.to_tick = min(occurrence.to_tick, event.tick_ms)


def differences(before: Alarms, after: Alarms) -> list[Change]:
    """In order of time, then alarm."""
    found: list[Change] = []
    for alarm in before.by_alarm.keys() | after.by_alarm.keys():
        found += _of_one(alarm, before.by_alarm.get(alarm, []), after.by_alarm.get(alarm, []))
    return sorted(found, key=lambda change: (change.at_ms or change.was_at_ms, change.alarm))


def _of_one(alarm: str, before: list[_Occurrence], after: list[_Occurrence]) -> list[Change]:
    found = []
    rest = list(after)
    for was in before:
        same = next((now for now in rest if now.from_tick <= was.to_tick and was.from_tick <= now.to_tick), None)
        if same is None:
            found.append(Change(alarm, "lost", 0, was.at_ms))
            continue
        rest.remove(same)
        if same.from_tick != was.from_tick:
            change = "earlier" if same.from_tick < was.from_tick else "later"
            found.append(Change(alarm, change, same.at_ms, was.at_ms))
    return found + [Change(alarm, "gained", now.at_ms, 0) for now in rest]
