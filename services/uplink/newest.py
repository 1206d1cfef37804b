"""What the fleet was told of points, alarms and outputs, and what it has to be told now.

The first telling of a connection, and one each five minutes, is anew: it has everything, and what was known before is
over. Between them only what has changed is told. What was not taken is forgotten as a whole: the next telling is anew.
Limits: POINTS_MAX points, PARTS_MAX alarms and as many outputs a record, some 300 KiB.
"""

from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple, TypeVar

from shared.wire.live import LiveAlarm, LiveOutput, LivePoint

POINTS_MAX = 1_000
PARTS_MAX = 100
ANEW_S = 300.0


class Told(NamedTuple):
    """What the site shows of itself."""

    points: tuple[LivePoint, ...] = ()
    alarms: tuple[LiveAlarm, ...] = ()
    outputs: tuple[LiveOutput, ...] = ()


class Part(NamedTuple):
    """What goes into one record."""

    points: tuple[LivePoint, ...] = ()
    alarms: tuple[LiveAlarm, ...] = ()
    alarms_gone: tuple[str, ...] = ()
    outputs: tuple[LiveOutput, ...] = ()
    anew: bool = False


class Newest:
    """One site, one connection after another."""

    def __init__(self) -> None:
        self._known: Told | None = None
        self._anew_at = 0.0

    def forget(self) -> None:
        """Something of it did not arrive."""
        self._known = None

    def parts(self, now: Told, now_s: float) -> tuple[Part, ...]:
        """What has changed since the last telling, or everything; empty when nothing has. Taken for told."""
        known = self._known
        self._known = now
        if known is None or now_s - self._anew_at >= ANEW_S:
            self._anew_at = now_s
            return tuple(_cut(Part(now.points, now.alarms, (), now.outputs, anew=True)))
        points = {point.id: _shown(point) for point in known.points}
        changed = tuple(point for point in now.points if points.get(point.id) != _shown(point))
        alarms, outputs = set(known.alarms), set(known.outputs)
        there = {alarm.id for alarm in now.alarms}
        gone = tuple(alarm.id for alarm in known.alarms if alarm.id not in there)
        raised = tuple(alarm for alarm in now.alarms if alarm not in alarms)
        switched = tuple(output for output in now.outputs if output not in outputs)
        if changed or raised or gone or switched:
            return tuple(_cut(Part(changed, raised, gone, switched)))
        return ()


def _shown(point: LivePoint) -> tuple[str, str, str]:
    """A value that is measured again and is the same is no news."""
    return point.value, point.quality, point.no_data


T = TypeVar("T")


def _cut(part: Part) -> Iterator[Part]:
    """As many records as it takes; the first begins anew, when it does."""
    lists = zip_longest(
        _slices(part.points, POINTS_MAX),
        _slices(part.alarms, PARTS_MAX),
        _slices(part.alarms_gone, POINTS_MAX),
        _slices(part.outputs, PARTS_MAX),
        fillvalue=(),
    )
    for number, (points, alarms, gone, outputs) in enumerate(lists):
        yield Part(points, alarms, gone, outputs, anew=part.anew and number == 0)


def _slices(items: tuple[T, ...], most: int) -> Iterator[tuple[T, ...]]:
    """At least one, which may be empty."""
    for start in range(0, max(len(items), 1), most):
        yield items[start : start + most]
