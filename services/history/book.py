"""Numbers for what has long names: points have a series, the points of a device's frame a layout, log_ids a number.

Numbers are given in the order in which the log names things, so that a history grown anew has the same ones. Where they
are stored is the caller's: he gives what is known, and takes what is ``new`` with the rows that use it.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from services.history.layouts import PointName, points_of, renames
from shared.devices.plan import DecisionPlan


class New(NamedTuple):
    """One number that was given."""

    table: str
    """points, series, layouts, logs"""
    row: tuple[object, ...]


class Book:
    """What is numbered so far."""

    def __init__(
        self,
        points: Iterable[tuple[str, str, int]] = (),
        layouts: Iterable[tuple[int, str, bytes]] = (),
        logs: Iterable[tuple[int, str]] = (),
        series: int = 0,
    ) -> None:
        """Rows as they are stored: (point, unit, series), (number, device, series), (number, log_id); ``series`` is the
        highest number of one."""
        self._points = {(point, unit): number for point, unit, number in points}
        self._layouts = {(device, bytes(packed)): number for number, device, packed in layouts}
        self._logs = {log_id: number for number, log_id in logs}
        self._series = series
        self.new: list[New] = []
        """Not stored yet, in order; a point may be there again with another series."""

    def log(self, log_id: str) -> int:
        """The number of a log_id."""
        known = self._logs.get(log_id)
        if known is None:
            known = self._logs[log_id] = len(self._logs) + 1
            self.new.append(New("logs", (known, log_id)))
        return known

    def layouts(self, decision: DecisionPlan) -> dict[str, int]:
        """The layout of each device from here on."""
        before = renames(decision, frozenset(point for point, _ in self._points))
        return {
            device: self._layout(device, [self._serial(name, before) for name in names])
            for device, names in points_of(decision).items()
            if names
        }

    def _serial(self, name: PointName, before: dict[str, str]) -> int:
        unit = str(name.unit)
        candidates = [*name.ids, *(before[point] for point in name.ids if point in before)]
        series = next((self._points[point, unit] for point in candidates if (point, unit) in self._points), 0)
        if not series:
            self._series = series = self._series + 1
            self.new.append(New("series", (series, unit)))
        for point in name.ids:
            if self._points.get((point, unit)) != series:
                self._points[point, unit] = series
                self.new.append(New("points", (point, unit, series)))
        return series

    def _layout(self, device: str, series: list[int]) -> int:
        packed = np.array(series, "<i4").tobytes()
        known = self._layouts.get((device, packed))
        if known is None:
            known = self._layouts[device, packed] = len(self._layouts) + 1
            self.new.append(New("layouts", (known, device, packed)))
        return known

    def written(self) -> None:
        """What was new is stored."""
        self.new.clear()
