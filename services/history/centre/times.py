"""When something was: the site's own time, or the broker's where the site's cannot be.

A site's clock may be ten years off, and a record says whatever its site says; tables are partitioned by time, and times
that nobody lived in would make partitions without end. So what is more than BEHIND_MS behind the broker's clock or more
than AHEAD_MS ahead of it counts as of when the broker took it.

>>> moment_at(1767225600000)(1767225000000), moment_at(1767225600000)(946684800000)
(1767225000000, 1767225600000)
"""

from typing import Final

from services.history.tally import Moment

DAY_MS: Final = 86_400_000
BEHIND_MS: Final = 400 * DAY_MS
"""As long as the fleet's events are kept in Kafka; a site that was cut off for longer has lost inputs anyway."""
AHEAD_MS: Final = 2 * DAY_MS


def moment_at(taken_ms: int) -> Moment:
    """For what the broker took at this time."""

    def moment(said_ms: int) -> int:
        return said_ms if taken_ms - BEHIND_MS <= said_ms <= taken_ms + AHEAD_MS else taken_ms

    return moment
