"""How long the fleet's history is kept: whole months (of readings days) are dropped, and made before they begin.

    reading         until ``readings`` days have passed since the day's end
    young, minute   ``minutes`` days since the month's end
    hour, event     ``years`` days; discharges by their begin

Promises: nothing goes before its time, also when a clock steps: what is not sure to be over stays. The time that counts
is the earliest of three: this program's clock, the database's, and the broker's at the newest record; as long as no
record came, nothing is dropped.
"""

from dataclasses import dataclass
from typing import Final

from services.history.centre.writing import Partitions
from shared.runtime.postgres import Pool, sure_ms

DAY_MS: Final = 86_400_000
AHEAD_MS: Final = 8 * DAY_MS
"""So long before it begins a month's partitions are made."""


@dataclass(frozen=True, slots=True)
class Kept:
    """For how many days; whole months are dropped, of readings whole days."""

    readings: int = 3
    """0: none are stored."""
    minutes: int = 100
    years: int = 3_660
    """Hours and journals."""


async def tidy(pool: Pool, partitions: Partitions, kept: Kept, *, wall_ms: int, taken_ms: int) -> tuple[str, ...]:
    """The names of what was dropped. ``taken_ms``: when the broker took the newest record, 0 as long as none came."""
    if not taken_ms:
        return ()
    now_ms = await sure_ms(pool, wall_ms, taken_ms)
    for months in (partitions.minutes, partitions.years):
        await months.have(now_ms)
        await months.have(now_ms + AHEAD_MS)
    for at_ms in (now_ms, now_ms + DAY_MS) if kept.readings else ():
        await partitions.readings.have(at_ms)
    gone = await partitions.readings.drop_before(now_ms - kept.readings * DAY_MS)
    gone += await partitions.minutes.drop_before(now_ms - kept.minutes * DAY_MS)
    gone += await partitions.years.drop_before(now_ms - kept.years * DAY_MS)
    await pool.execute("DELETE FROM discharge WHERE began_at_ms < $1", now_ms - kept.years * DAY_MS)
    return gone
