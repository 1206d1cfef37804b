"""The site's calendar: hours of the day, and both clock changes of Europe/Berlin."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.moments import instant_ms, local, passed_today, stamp, within
from shared.domain.notify_plan import Hours

BERLIN = ZoneInfo("Europe/Berlin")
EVERY_DAY = tuple(range(7))
NIGHT = Hours(EVERY_DAY, 22 * 60, 6 * 60)
SPRING = date(2026, 3, 29)
"""At 02:00 the clock is put to 03:00."""
AUTUMN = date(2026, 10, 25)
"""At 03:00 the clock is put back to 02:00."""


def utc(text: str) -> int:
    """Milliseconds of an ISO instant in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("at", "is_night"),
    [
        ("2026-06-01T19:59:59", False),
        ("2026-06-01T20:00:00", True),
        ("2026-06-02T03:59:59", True),
        ("2026-06-02T04:00:00", False),
        # The night of spring is an hour shorter and still ends at six by the wall.
        ("2026-03-28T20:59:59", False),
        ("2026-03-28T21:00:00", True),
        ("2026-03-29T03:59:59", True),
        ("2026-03-29T04:00:00", False),
        # The night of autumn is an hour longer.
        ("2026-10-24T20:00:00", True),
        ("2026-10-25T04:59:59", True),
        ("2026-10-25T05:00:00", False),
    ],
)
def test_quiet_hours_go_by_the_clock_on_the_wall(at: str, is_night: bool) -> None:
    """From 22:00 to 06:00 of the site's zone, whatever the clocks do in between."""
    assert within([NIGHT], utc(at), BERLIN) is is_night


def test_an_hour_that_is_skipped_begins_at_the_change() -> None:
    """02:30 does not exist on that day: what begins then begins when the clock is put on."""
    assert instant_ms(SPRING, 150, BERLIN) == utc("2026-03-29T01:00:00")
    assert passed_today(150, utc("2026-03-29T00:59:59"), BERLIN) == ""
    assert passed_today(150, utc("2026-03-29T01:00:00"), BERLIN) == "2026-03-29"


def test_an_hour_that_comes_twice_counts_once() -> None:
    """Quiet hours that end at 02:30 end at its first coming and do not begin again."""
    early = Hours(EVERY_DAY, 22 * 60, 150)
    assert instant_ms(AUTUMN, 150, BERLIN) == utc("2026-10-25T00:30:00")
    assert within([early], utc("2026-10-25T00:29:59"), BERLIN)
    for at in ("2026-10-25T00:30:00", "2026-10-25T01:00:00", "2026-10-25T01:29:59", "2026-10-25T02:00:00"):
        assert not within([early], utc(at), BERLIN)


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_shifts_that_meet_at_a_changed_hour_always_meet(day: date) -> None:
    """At each minute of a day with a change exactly one of two shifts is on duty."""
    shifts = [Hours(EVERY_DAY, 150, 14 * 60), Hours(EVERY_DAY, 14 * 60, 150)]
    begin = instant_ms(day, 0, BERLIN)
    for minute in range(25 * 60):
        on_duty = [within([shift], begin + minute * 60_000, BERLIN) for shift in shifts]
        assert on_duty.count(True) == 1, f"minute {minute} after midnight"


def test_a_whole_day_is_from_midnight_to_midnight() -> None:
    """0 to 1440 is the whole day, on the days that are named and on no other."""
    monday = Hours((0,), 0, 1440)
    assert within([monday], utc("2026-06-01T12:00:00"), BERLIN)
    assert not within([monday], utc("2026-06-01T22:00:00"), BERLIN)
    assert not within([monday], utc("2026-05-31T21:59:59"), BERLIN)


def test_people_read_the_time_of_their_site() -> None:
    """The stamp names the zone that is in force, in both halves of the hour that comes twice."""
    assert stamp(utc("2026-10-25T00:30:00"), BERLIN) == "2026-10-25 02:30:00 CEST"
    assert stamp(utc("2026-10-25T01:30:00"), BERLIN) == "2026-10-25 02:30:00 CET"


@given(
    at=st.integers(utc("2020-01-01T00:00:00"), utc("2035-01-01T00:00:00")),
    begin=st.integers(0, 1439),
    end=st.integers(0, 1440),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]),
)
def test_away_from_a_change_hours_are_what_the_clock_says(at: int, begin: int, end: int, zone: str) -> None:
    """On days without a change the calendar is plain arithmetic on the local minute."""
    where = ZoneInfo(zone)
    here = local(at, where)
    offsets = {local(at + hours * 3_600_000, where).utcoffset() for hours in range(-50, 51, 2)}
    if len(offsets) > 1:
        return
    minute = here.hour * 60 + here.minute
    plain = begin <= minute < end if end > begin else minute >= begin or minute < end
    assert within([Hours(EVERY_DAY, begin, end)], at, where) is plain


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_a_stamp_that_no_calendar_has_can_be_told(zone: str) -> None:
    """A record says whatever its site says: who tells of it does not end by that."""
    assert stamp(1 << 62, ZoneInfo(zone)).startswith("9999-12-3")
    assert stamp(-(1 << 62), ZoneInfo(zone)).startswith(("0001-01-0", "1-01-0"))
