"""A day that is over, turned round: minutes of a device become a day a point, and hours.

    young: a row a minute and device  ->  minute: a row a day and point, packed;  hour: a row an hour and point

One device's day at a time, its arithmetic in a thread: a site of 1,320 points takes a second or two of a processor, and
meanwhile blocks are taken in between. What comes later for such a day is joined to it the same way.
Promises: one transaction a device and day, under the claim; a crash before it changes nothing.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import numpy as np

from services.history.centre.schema import HOUR_COLUMNS
from services.history.centre.writing import Move, Partitions, hold
from services.history.minutes import young_columns
from services.history.rolls import (
    DAY_MINUTES,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Rolls,
    hours,
    merged,
    pack_rolls,
    unpack_rolls,
)
from shared.log.kafka.records import Place
from shared.log.steps import Step
from shared.runtime.postgres import Pool

_LAYOUTS: Final = """
SELECT layout FROM young WHERE site = $1 AND at_ms >= $2 AND at_ms < $3 ORDER BY layout LIMIT 1
"""
_MINUTE: Final = """
INSERT INTO minute (site, series, at_ms, data) VALUES ($1, $2, $3, $4)
ON CONFLICT (site, series, at_ms) DO UPDATE SET data = excluded.data
"""
Stored = list[tuple[int, bytes]]
"""(number of the minute or series, packed columns)."""


async def turn(
    pool: Pool, partitions: Partitions, moves: Mapping[Place, Move], site: int, day: int, step: Step
) -> bool:
    """One device's day; False when the day has none left. Raises Fenced, and what the database raises."""
    begin_ms, end_ms = day * DAY_MS, (day + 1) * DAY_MS
    layout = await pool.fetchval(_LAYOUTS, site, begin_ms, end_ms)
    if layout is None:
        return False
    keys = (site, layout, begin_ms, end_ms)
    rows = await pool.fetch(
        "SELECT at_ms, data FROM young WHERE site = $1 AND layout = $2 AND at_ms >= $3 AND at_ms < $4 ORDER BY at_ms",
        *keys,
    )
    packed = await pool.fetchval("SELECT series FROM layout WHERE site = $1 AND no = $2", site, layout)
    series = np.frombuffer(packed, "<i4").tolist()
    stored = await pool.fetch(
        "SELECT series, data FROM minute WHERE site = $1 AND at_ms = $2 AND series = ANY ($3)",
        site, begin_ms, series,
    )  # fmt: skip
    young = [(at_ms // MINUTE_MS, data) for at_ms, data in rows]
    days, by_hour = await asyncio.to_thread(turned, day, series, young, [(no, data) for no, data in stored])
    await partitions.minutes.have(begin_ms)
    await partitions.years.have(begin_ms)
    async with pool.acquire() as connection, connection.transaction():
        await hold(connection, moves)
        await connection.execute(
            "DELETE FROM young WHERE site = $1 AND layout = $2 AND at_ms >= $3 AND at_ms < $4", *keys
        )
        await connection.executemany(_MINUTE, [(site, no, begin_ms, data) for no, data in days])
        await connection.execute(
            "DELETE FROM hour WHERE site = $1 AND series = ANY ($2) AND at_ms >= $3 AND at_ms < $4",
            site, series, begin_ms, end_ms,
        )  # fmt: skip
        step("in turn")
        await connection.copy_records_to_table("hour", columns=HOUR_COLUMNS, records=[(site, *row) for row in by_hour])
    step("turned")
    return True


def turned(day: int, series: list[int], young: Stored, stored: Stored) -> tuple[Stored, list[tuple[int, ...]]]:
    """Days by series, packed, and rows of hours (series, at_ms, ...), with what was stored of the day."""
    at, base, before = np.array([minute for minute, _ in young], np.int64), day * DAY_MINUTES, dict(stored)
    block = np.empty((7, len(series), len(young)), np.int64)
    for n, (_, data) in enumerate(young):
        for column, values in enumerate(young_columns(data)):
            block[column, :, n] = values
    by_hour: dict[int, list[tuple[int, ...]]] = {}
    for n, number in enumerate(series):
        good, uncertain, bad, low, high, excess, last = block[:, n]
        found = Rolls(at, good, uncertain, bad, low, high, excess, last)
        if number in before:
            found = merged([unpack_rolls(before[number], base), found])
        before[number] = pack_rolls(found, base)
        by_hour[number] = [(number, *row) for row in _hour_rows(hours(found))]
    return [(number, before[number]) for number in by_hour], [row for rows in by_hour.values() for row in rows]


def _hour_rows(rolls: Rolls) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in (rolls.at * HOUR_MS, *rolls[1:])), strict=True))
