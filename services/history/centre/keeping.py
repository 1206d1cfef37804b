"""How long the fleet's history is kept: whole months are dropped, and the next month is there before it begins.

    young, minute   until ``minutes`` days have passed since the month's end
    hour, event     ``years`` days; discharges by their begin

Promises: nothing goes before its time, also when a clock steps: what is not sure to be over stays. The time that counts
is the earliest of three: this program's clock, the database's, and the broker's at the newest record; as long as no
record came, nothing is dropped.
"""

from dataclasses import dataclass
from typing import Final

from services.history.centre.writing import Partitions
from shared.runtime.postgres import Pool

DAY_MS: Final = 86_400_000
AHEAD_MS: Final = 8 * DAY_MS
"""So long before it begins a month's partitions are made."""
_NOW: Final = "SELECT (extract(epoch FROM now()) * 1000)::bigint"


@dataclass(frozen=True, slots=True)
class Kept:
    """For how many days; whole months are dropped."""

    minutes: int = 100
    years: int = 3_660
    """Hours and journals."""


async def surest_ms(pool: Pool, wall_ms: int, taken_ms: int) -> int:
    """What is past by every clock; 0 while no record says when the broker took it."""
    database_ms: int = await pool.fetchval(_NOW)
    return min(wall_ms, taken_ms, database_ms)


async def tidy(pool: Pool, partitions: Partitions, now_ms: int, kept: Kept) -> tuple[str, ...]:
    """The names of what was dropped."""
    if not now_ms:
        return ()
    for months in partitions:
        await months.have(now_ms)
        await months.have(now_ms + AHEAD_MS)
    gone = await partitions.minutes.drop_before(now_ms - kept.minutes * DAY_MS)
    gone += await partitions.years.drop_before(now_ms - kept.years * DAY_MS)
    await pool.execute("DELETE FROM discharge WHERE began_at_ms < $1", now_ms - kept.years * DAY_MS)
    return gone
