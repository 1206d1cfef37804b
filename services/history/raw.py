"""Raw readings, straight from the log's own frames: for as long as the log keeps those, and without a second copy.

The history only knows in which records a minute's frames stand. A frame is decoded under the rule set it was taken
under, also when the point had another place, or another id, then.
"""

import sqlite3
from pathlib import Path

from services.history.answers import ROWS_MAX, TooMuch, TrendRow
from services.history.database import translated
from services.history.layouts import late_ms_of, points_of
from services.history.rolls import MINUTE_MS
from shared.devices.columns import ScanDecoder
from shared.devices.frame import Frame
from shared.domain.errors import WireError
from shared.log.sqlite_read import SqliteReader
from shared.log.store import open_reader
from shared.wire.inputs import RuleSet, decode_input
from shared.wire.plans import decode_decision

RANGE_MS_MAX = 24 * 3_600_000
"""Readings of one day: every record of the time has to be looked at, of every device."""


def readings(
    directory: Path, history: sqlite3.Connection, series: int, begin_ms: int, end_ms: int
) -> tuple[TrendRow, ...]:
    """In the order of their sampling. Raises TooMuch, LogBroken, LogDamaged."""
    check_range(begin_ms, end_ms)
    with translated():
        query = "SELECT min(first_seq), max(last_seq) FROM places WHERE minute BETWEEN ? AND ?"
        first, last = history.execute(query, (begin_ms // MINUTE_MS, (end_ms - 1) // MINUTE_MS)).fetchone()
        if first is None:
            return ()
        names = frozenset(row[0] for row in history.execute("SELECT point FROM points WHERE series = ?", (series,)))
    log = open_reader(directory)
    try:
        return _Reading(log, names, begin_ms, end_ms).read(first, last, _version_at(history, first))
    finally:
        log.close()


def check_range(begin_ms: int, end_ms: int) -> None:
    """Raises TooMuch."""
    if end_ms - begin_ms > RANGE_MS_MAX:
        raise TooMuch(f"raw readings of {RANGE_MS_MAX // 3_600_000} hours at most are given at once: ask for less")


def too_many_readings() -> TooMuch:
    """What to raise for more than an answer may have."""
    return TooMuch(f"more than {ROWS_MAX} readings: ask for less, or for minutes")


def reading_row(at_ms: int, value: int, *, has_value: bool, is_late: bool) -> TrendRow:
    """One reading as an answer has it."""
    if not has_value:
        return TrendRow(at_ms, None, None, None, None, 0, 0, 1)
    return TrendRow(at_ms, value, value, value, value, int(not is_late), int(is_late), 0)


def _version_at(history: sqlite3.Connection, seq: int) -> str:
    """The decision version before a record."""
    query = "SELECT version FROM rules WHERE site_seq < ? ORDER BY log DESC, site_seq DESC LIMIT 1"
    with translated():
        row = history.execute(query, (seq,)).fetchone()
    return row[0] if row else ""


class _Reading:
    """One answer being made."""

    def __init__(self, log: SqliteReader, names: frozenset[str], begin_ms: int, end_ms: int) -> None:
        self._log, self._names = log, names
        self._range = range(begin_ms, end_ms)
        self._channel = -1
        self._device = ""
        self._late_ms = 0
        self._decoder: ScanDecoder | None = None
        self._found: list[TrendRow] = []

    def read(self, first: int, last: int, version: str) -> tuple[TrendRow, ...]:
        """Everything from ``first`` to ``last``; ``version`` is in force before."""
        self._use(version)
        for reached, inside in self._log.records(first - 1):
            for row in inside.inputs:
                if first <= row.site_seq <= last and row.kind in ("frame", "ruleset"):
                    self._input(row.data)
            if reached >= last:
                break
        self._found.sort(key=lambda row: row.at_ms)
        return tuple(self._found)

    def _use(self, version: str) -> None:
        self._decoder = None
        body = self._log.ruleset(version) if version else None
        if body is None:
            return
        decision = decode_decision(body)
        for device, names in points_of(decision).items():
            for n, name in enumerate(names):
                if not self._names.isdisjoint(name.ids):
                    plan = next(each for each in decision.devices if each.id == device)
                    self._device, self._channel, self._decoder = device, n, ScanDecoder(plan)
                    self._late_ms = late_ms_of(decision).get(device, 0)

    def _input(self, data: bytes) -> None:
        try:
            body = decode_input(data).body
        except WireError:
            return
        if isinstance(body, RuleSet):
            self._use(body.version)
        elif isinstance(body, Frame) and body.device == self._device and self._decoder is not None:
            self._frame(body, self._decoder)

    def _frame(self, frame: Frame, decoder: ScanDecoder) -> None:
        if frame.sampled_at_ms not in self._range:
            return
        if len(self._found) >= ROWS_MAX:
            raise too_many_readings()
        scan = decoder.decode(frame)
        value, has_value = int(scan.values[self._channel]), not scan.reasons[self._channel]
        is_late = not 0 <= frame.age_ms <= self._late_ms
        self._found.append(reading_row(frame.sampled_at_ms, value, has_value=has_value, is_late=is_late))
