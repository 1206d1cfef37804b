"""What a battery is doing, from each of its signals."""

import pytest

from shared.domain.plan import NONE, Mode
from shared.domain.units import NoData
from tests.domain.driver import Room, Value
from tests.domain.plans import battery_room

CONTACT = {"flags": NONE, "contact": 0}
FLAGS = {"flags": 0, "contact": NONE}
VOLTS = {"flags": NONE, "contact": NONE, "voltage": 2}


def _mode(room: Room) -> Mode:
    return room.state.batteries[0].mode


@pytest.mark.parametrize(
    ("flags", "mode"),
    [
        (0x0000, Mode.UNKNOWN),
        (0x0001, Mode.UNKNOWN),
        (0x0041, Mode.FLOAT),
        (0x0051, Mode.FLOAT),
        (0x0011, Mode.BOOST),
        (0x0081, Mode.BOOST),
        (0x00C1, Mode.BOOST),
        (0x0009, Mode.DISCHARGE),
        (0x0049, Mode.DISCHARGE),
        (NoData.TIMEOUT, Mode.UNKNOWN),
    ],
)
def test_the_general_flags_say_the_mode(flags: Value, mode: Mode) -> None:
    """BACS general flags; zero is a dead bus and not a healthy battery."""
    room = Room(battery_room(hold_ms=0, **FLAGS))
    room.scan("io1", 0x0041)
    room.scan("io1", flags, after_ms=100)
    assert _mode(room) is mode


@pytest.mark.parametrize(
    ("contact", "current", "mode"),
    [
        (1, 0, Mode.BOOST),
        (0, 0, Mode.FLOAT),
        (0, -501, Mode.DISCHARGE),
        (1, -501, Mode.DISCHARGE),
        (0, -500, Mode.FLOAT),
        (1, NoData.TIMEOUT, Mode.BOOST),
        (NoData.TIMEOUT, 0, Mode.UNKNOWN),
    ],
)
def test_a_contact_says_boost_and_the_current_discharge(contact: Value, current: Value, mode: Mode) -> None:
    """The contact is the signal; a current out of the battery is discharge whatever it says."""
    room = Room(battery_room(hold_ms=0, **CONTACT))
    room.scan("bacs", current, 13_500)
    room.scan("io1", contact, after_ms=100)
    assert _mode(room) is mode


@pytest.mark.parametrize(
    ("current", "voltage", "mode"),
    [
        (0, 14_099, Mode.FLOAT),
        (0, 14_100, Mode.BOOST),
        (-501, 14_100, Mode.DISCHARGE),
        (NoData.TIMEOUT, 13_500, Mode.UNKNOWN),
        (0, NoData.TIMEOUT, Mode.UNKNOWN),
    ],
)
def test_without_other_signals_current_and_volts_per_cell_say_it(current: Value, voltage: Value, mode: Mode) -> None:
    """2.35 V in each of six cells, charging, is boost."""
    room = Room(battery_room(hold_ms=0, **VOLTS))
    room.scan("bacs", current, voltage)
    assert _mode(room) is mode


def test_a_new_mode_must_hold() -> None:
    """A signal that comes and goes within the hold time changes nothing; missing, it makes the mode unknown."""
    room = Room(battery_room(hold_ms=2_000, **CONTACT))
    room.scan("io1", 0)
    room.scan("io1", 0, after_ms=2_000)
    assert _mode(room) is Mode.FLOAT
    room.scan("io1", 1, after_ms=500)
    room.scan("io1", 0, after_ms=1_500)
    room.scan("io1", 1, after_ms=500)
    room.tick(1_999)
    assert _mode(room) is Mode.FLOAT
    room.tick(1)
    assert _mode(room) is Mode.BOOST
    room.tick(3_000)
    room.tick(2_000)
    assert _mode(room) is Mode.UNKNOWN, "the contact went stale, and stayed so for the hold time"


def test_recovery_follows_discharge_for_its_time() -> None:
    """Float after discharge is recovery for twelve hours; boost in between stays boost."""
    hour_ms = 3_600_000
    room = Room(battery_room(hold_ms=0, **CONTACT))
    room.scan("io1", 0)
    room.scan("bacs", -9_000, 12_000)
    assert _mode(room) is Mode.DISCHARGE
    room.scan("bacs", 900, 13_000, after_ms=500)
    assert _mode(room) is Mode.RECOVERY
    room.scan("io1", 1, after_ms=500)
    assert _mode(room) is Mode.BOOST
    room.scan("io1", 0, after_ms=500)
    assert _mode(room) is Mode.RECOVERY
    for _ in range(11):
        room.tick(hour_ms)
        room.scan("io1", 0)
    assert _mode(room) is Mode.RECOVERY
    room.tick(hour_ms)
    room.scan("io1", 0)
    room.scan("bacs", 900, 13_000)
    assert _mode(room) is Mode.FLOAT


def test_a_mode_change_is_an_event_with_what_was() -> None:
    """The battery's path, the new mode and the old one."""
    room = Room(battery_room(hold_ms=0, **CONTACT))
    event = room.scan("io1", 1)[0]
    assert (event.type, event.subject, event.state, event.reason) == (
        "ampward.mode.changed.v1", "s/r/bat1", "boost", "was unknown",
    )  # fmt: skip
