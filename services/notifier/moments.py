"""Time as the notifier's decisions see it: an instant as a value, and the site's calendar over it. No clock is here.

Repeats, escalations, back-off and the limit of messages a minute go by ``steady_ms``, which never falls and which no
step of the wall clock moves. Quiet hours, schedules and the daily test go by the wall clock in the site's zone.

A time of the day that the clocks skip is the instant of the change; one that comes twice is its first coming. So two
schedules that meet at an hour always meet, no hour of the day begins twice, and quiet hours never begin anew because
the clock was put back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.domain.notify_plan import DAY_MINUTES, Hours
from shared.wire.instants import instant

_DAY = timedelta(days=1)
_SEARCH_UNTIL = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant."""

    steady_ms: int
    wall_ms: int
    """UTC milliseconds since 1970."""


def local(wall_ms: int, zone: ZoneInfo) -> datetime:
    """What the clock on the site's wall says."""
    return instant(wall_ms).astimezone(zone)


def stamp(wall_ms: int, zone: ZoneInfo) -> str:
    """The instant as people of the site read it.

    >>> stamp(1767225600123, ZoneInfo("Europe/Berlin"))
    '2026-01-01 01:00:00 CET'
    """
    return f"{local(wall_ms, zone):%Y-%m-%d %H:%M:%S %Z}"


@lru_cache(maxsize=4096)
def instant_ms(day: date, minute: int, zone: ZoneInfo) -> int:
    """When ``minute`` of ``day`` begins in the zone; minutes from 1440 on are those of the next day."""
    days, rest = divmod(minute, DAY_MINUTES)
    whole = day + days * _DAY
    naive = datetime(whole.year, whole.month, whole.day, rest // 60, rest % 60)  # noqa: DTZ001  made aware below
    first = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) != naive:
        first = _change(naive.replace(tzinfo=zone, fold=1).astimezone(UTC), first, zone)
    return int(first.timestamp()) * 1000


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant between these two from which on the zone has another offset."""
    old = before.astimezone(zone).utcoffset()
    while after - before > _SEARCH_UNTIL:
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def within(hours: Iterable[Hours], wall_ms: int, zone: ZoneInfo) -> bool:
    """Whether the instant lies in any of these hours."""
    today = local(wall_ms, zone).date()
    return any(_covers(one, day, wall_ms, zone) for one in hours for day in (today - _DAY, today))


def _covers(hours: Hours, day: date, wall_ms: int, zone: ZoneInfo) -> bool:
    if day.weekday() not in hours.days:
        return False
    end = hours.end if hours.end > hours.begin else hours.end + DAY_MINUTES
    return instant_ms(day, hours.begin, zone) <= wall_ms < instant_ms(day, end, zone)


def passed_today(minute: int, wall_ms: int, zone: ZoneInfo) -> str:
    """The site's date (2026-03-29) when that minute of the day has come already, else ""."""
    today = local(wall_ms, zone).date()
    return today.isoformat() if wall_ms >= instant_ms(today, minute, zone) else ""
