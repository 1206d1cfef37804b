"""Questions to the history, by point and time: trend, journal, outputs, deliveries, discharges.

Reads DIR/history.db on a connection of its own, while its process writes; raw readings come from the log's own frames.
Times are UTC milliseconds since 1970, ``end`` is not included. A row that is not there is a hole: nothing is filled in.
Values are integers in the core's scaled units; ``decimals`` of the answer says how many of them are behind the point.

Raises NoHistory, HistoryBroken, HistoryDamaged; UnknownPoint; TooMuch with what is allowed.
Limits: a trend has at most ROWS_MAX rows, a journal gives at most the asked number and says where to go on.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from services.history.answers import ROWS_MAX, DischargeRow, EventRecord, Step, TooMuch, Trend, TrendRow, UnknownPoint
from services.history.database import FILE, KEY_BITS, open_reader, translated
from services.history.kinds import Kind
from services.history.minutes import young_columns
from services.history.raw import readings
from services.history.rolls import (
    DAY_MINUTES,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NONE,
    Rolls,
    hours,
    merged,
    unpack_rolls,
)
from shared.domain.units import DECIMALS, Unit

STEP_MS = {Step.MINUTE: MINUTE_MS, Step.HOUR: HOUR_MS}
AUTO_MINUTES = 2 * DAY_MINUTES
AUTO_RAW_MS = 15 * MINUTE_MS


class Queries:
    """A reader of one data folder. One thread at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._connection = open_reader(directory / FILE)

    def __enter__(self) -> "Queries":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _fault: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def points(self) -> tuple[tuple[str, str], ...]:
        """(id, unit) of every point there ever was."""
        with translated():
            rows = self._connection.execute("SELECT point, unit FROM points ORDER BY point").fetchall()
        return tuple((point, "" if unit == Unit.STATE else unit) for point, unit in rows)

    def trend(self, point: str, begin_ms: int, end_ms: int, step: Step = Step.AUTO) -> Trend:
        """Rows from ``begin_ms`` on, whole minutes or hours; before ``end_ms``."""
        step = chosen(step, begin_ms, end_ms, self.span_ms())
        with translated():
            query = "SELECT series, unit FROM points WHERE point = ? ORDER BY series DESC"
            found = self._connection.execute(query, (point,)).fetchone()
        if found is None:
            raise UnknownPoint(f"no point {point} in the history")
        series, unit = found[0], Unit(found[1])
        if step is Step.RAW:
            rows = readings(self._directory, self._connection, series, begin_ms, end_ms)
        else:
            rows = self._rolled(series, begin_ms, end_ms, step)
        return Trend(point, "" if unit is Unit.STATE else unit.value, DECIMALS[unit], step, rows)

    def _rolled(self, series: int, begin_ms: int, end_ms: int, step: Step) -> tuple[TrendRow, ...]:
        step_ms = STEP_MS[step]
        first, end = begin_ms // step_ms, -(-end_ms // step_ms)
        per_day = DAY_MS // step_ms
        days = range(first // per_day, max(end - 1, first) // per_day + 1)
        with translated():
            stored = self._days(series, days) if step is Step.MINUTE else self._hours(series, days)
            parts = [unpack_rolls(data, day * per_day) for day, data in stored]
            if step is Step.MINUTE:
                parts.append(self._young(series, first, end))
            else:
                young = self._young(series, first * 60, end * 60)
                parts.append(hours(young))
            found = merged(parts).between(first, end)
        if found.rows > ROWS_MAX:
            raise too_many(found.rows)
        return trend_rows(found, step_ms)

    def _days(self, series: int, days: range) -> list[tuple[int, bytes]]:
        """Packed minutes by day; TooMuch for more days than an answer can hold."""
        known = self._connection.execute("SELECT min(key), max(key) FROM minutes").fetchone()
        if known[0] is None:
            return []
        inside = range(max(days.start, known[0] >> KEY_BITS), min(days.stop, (known[1] >> KEY_BITS) + 1))
        query, found = "SELECT data FROM minutes WHERE key = ?", []
        for day in inside:
            row = self._connection.execute(query, (day << KEY_BITS | series,)).fetchone()
            if row is not None:
                found.append((day, row[0]))
                if len(found) > ROWS_MAX // DAY_MINUTES + 2:
                    raise too_many(len(found) * DAY_MINUTES)
        return found

    def _hours(self, series: int, days: range) -> list[tuple[int, bytes]]:
        query = f"SELECT key & {(1 << KEY_BITS) - 1}, data FROM hours WHERE key BETWEEN ? AND ? ORDER BY key"
        keys = (series << KEY_BITS | days.start, series << KEY_BITS | days.stop - 1)
        return self._connection.execute(query, keys).fetchall()

    def _young(self, series: int, first: int, end: int) -> Rolls:
        """Minutes that are not turned round yet."""
        places = {}
        for no, packed in self._connection.execute("SELECT id, series FROM layouts"):
            found = np.flatnonzero(np.frombuffer(packed, "<i4") == series)
            if len(found):
                places[no] = int(found[0])
        query = "SELECT key, data FROM young WHERE key >= ? AND key < ? ORDER BY key"
        rows = []
        for key, data in self._connection.execute(query, (first << KEY_BITS, end << KEY_BITS)):
            place = places.get(key & (1 << KEY_BITS) - 1)
            if place is not None:
                rows.append((key >> KEY_BITS, *(int(column[place]) for column in young_columns(data))))
        if not rows:
            return NONE
        columns = np.array(rows, np.int64).T
        return merged([Rolls(*(column[n : n + 1] for column in columns)) for n in range(len(rows))])

    def journal(
        self,
        kinds: Sequence[Kind],
        begin_ms: int,
        end_ms: int,
        *,
        subject: str = "",
        room: str = "",
        after: int = 0,
        limit: int = 1000,
    ) -> tuple[EventRecord, ...]:
        """Events of these kinds in the history's order, behind the place ``after``.

        ``subject`` takes the thing itself and what is below its path.
        """
        marks = ", ".join("?" * len(kinds))
        query = (
            "SELECT events.rowid, logs.log_id, events.room, events.type, site_seq, ordinal, tick_ms, at_ms, subject,"
            " occurrence, rule, severity, state, value, unit, bound, quality, reason, actor, until_ms"
            f" FROM events JOIN logs ON logs.no = events.log WHERE kind IN ({marks}) AND at_ms >= ? AND at_ms < ?"
            " AND events.rowid > ? AND (? = '' OR room = ?)"
            " AND (? = '' OR subject = ? OR substr(subject, 1, length(?) + 1) = ? || '/')"
            " ORDER BY events.rowid LIMIT ?"
        )
        values = (*map(int, kinds), begin_ms, end_ms, after, room, room, *([subject] * 4), limit)
        with translated():
            return tuple(EventRecord(*row) for row in self._connection.execute(query, values))

    def discharges(
        self, begin_ms: int, end_ms: int, *, battery: str = "", limit: int = 1000
    ) -> tuple[DischargeRow, ...]:
        """Those that were going on in this time, in order of their begin."""
        query = (
            "SELECT battery, began_at_ms, ended_at_ms, lasted_ms, strings, lowest_jar, lowest_mv FROM discharges"
            " WHERE began_at_ms < ? AND (ended_at_ms = 0 OR ended_at_ms >= ?) AND (? = '' OR battery = ?)"
            " ORDER BY began_at_ms, battery LIMIT ?"
        )
        with translated():
            rows = self._connection.execute(query, (end_ms, begin_ms, battery, battery, limit)).fetchall()
            return tuple(
                DischargeRow(row[0], row[1], row[2], row[3], json.loads(row[4]), row[5], row[6]) for row in rows
            )

    def discharged(self) -> tuple[str, ...]:
        """Every battery of which a discharge is known, also under a name that it no longer has."""
        with translated():
            rows = self._connection.execute("SELECT DISTINCT battery FROM discharges ORDER BY battery").fetchall()
        return tuple(battery for (battery,) in rows)

    def since_ms(self) -> int:
        """When the first event of the history was: the first start of the site. 0 while it has none."""
        with translated():
            query = "SELECT min(at_ms) FROM events WHERE kind = ?"
            found = [self._connection.execute(query, (int(kind),)).fetchone()[0] for kind in Kind]
        return min((at_ms for at_ms in found if at_ms is not None), default=0)

    def span_ms(self) -> tuple[int, int]:
        """From the first to the last minute whose readings the log may still have; (0, 0) for none."""
        with translated():
            row = self._connection.execute("SELECT min(minute), max(minute) FROM places").fetchone()
        return (0, 0) if row[0] is None else (row[0] * MINUTE_MS, (row[1] + 1) * MINUTE_MS)


def too_many(rows: int) -> TooMuch:
    """What to raise for so many."""
    return TooMuch(f"{rows} rows or more, at most {ROWS_MAX} are given at once: ask for less, or a longer step")


def chosen(step: Step, begin_ms: int, end_ms: int, readings_ms: tuple[int, int]) -> Step:
    """What ``auto`` is for this range, where single readings are kept from ``readings_ms`` on to there."""
    if step is not Step.AUTO:
        return step
    span_ms = max(0, end_ms - begin_ms)
    if span_ms <= AUTO_RAW_MS and readings_ms[0] < end_ms and begin_ms < readings_ms[1]:
        return Step.RAW
    return Step.MINUTE if span_ms <= AUTO_MINUTES * MINUTE_MS else Step.HOUR


def trend_rows(rolls: Rolls, step_ms: int) -> tuple[TrendRow, ...]:
    """As an answer has them."""
    columns = (
        rolls.at * step_ms,
        rolls.low,
        rolls.high,
        rolls.means(),
        rolls.last,
        rolls.good,
        rolls.uncertain,
        rolls.bad,
    )
    return tuple(
        TrendRow(*row) if row[5] + row[6] else TrendRow(row[0], None, None, None, None, *row[5:])
        for row in zip(*(column.tolist() for column in columns), strict=True)
    )
