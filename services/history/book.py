"""Numbers for what has long names: points have a series, the points of a device's frame a layout, log_ids a number.

Numbers are given in the order in which the log names things, so that a history grown anew has the same ones.
"""

import sqlite3

import numpy as np

from services.history.layouts import PointName, points_of, renames
from shared.devices.plan import DecisionPlan


class Book:
    """What is numbered so far. ``write`` stores what is new."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._points: dict[tuple[str, str], int] = {
            (point, unit): series
            for point, unit, series in connection.execute("SELECT point, unit, series FROM points")
        }
        self._layouts: dict[tuple[str, bytes], int] = {
            (device, bytes(series)): no for no, device, series in connection.execute("SELECT * FROM layouts")
        }
        self._logs: dict[str, int] = {log_id: no for no, log_id in connection.execute("SELECT no, log_id FROM logs")}
        self._series = connection.execute("SELECT coalesce(max(id), 0) FROM series").fetchone()[0]
        self._new: list[tuple[str, tuple[object, ...]]] = []

    def log(self, log_id: str) -> int:
        """The number of a log_id."""
        known = self._logs.get(log_id)
        if known is None:
            known = self._logs[log_id] = len(self._logs) + 1
            self._new.append(("INSERT INTO logs VALUES(?, ?)", (known, log_id)))
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
            self._new.append(("INSERT INTO series VALUES(?, ?)", (series, unit)))
        for point in name.ids:
            if self._points.get((point, unit)) != series:
                self._points[point, unit] = series
                self._new.append(("INSERT OR REPLACE INTO points VALUES(?, ?, ?)", (point, unit, series)))
        return series

    def _layout(self, device: str, series: list[int]) -> int:
        packed = np.array(series, "<i4").tobytes()
        known = self._layouts.get((device, packed))
        if known is None:
            known = self._layouts[device, packed] = len(self._layouts) + 1
            self._new.append(("INSERT INTO layouts VALUES(?, ?, ?)", (known, device, packed)))
        return known

    def write(self, connection: sqlite3.Connection) -> None:
        """Inside the caller's transaction."""
        for statement, values in self._new:
            connection.execute(statement, values)

    def written(self) -> None:
        """The transaction was committed."""
        self._new.clear()
