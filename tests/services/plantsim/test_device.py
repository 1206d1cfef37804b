"""Simulated devices: values go in and come out by the profile, modules fall back by themselves, faults misbehave."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.plantsim.device import SimulatedDevice
from services.plantsim.encode import decoded, encode
from shared.devices.profile import Channel, Table, ValueType
from shared.domain.units import DECIMALS, Unit
from shared.fieldbus.device_side import Answer, Request
from shared.runtime.profiles import load_profile


class Time:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def device(name: str, time: Time) -> SimulatedDevice:
    """A simulated device of a shipped profile."""
    profile, _ = load_profile(name, Path())
    assert profile is not None
    return SimulatedDevice(name, profile, time)


def read(one: SimulatedDevice, table: Table, address: int, size: int = 1) -> Answer:
    """What a master would read."""
    return one.handle(Request(1, table, address, size, ()))


def write(one: SimulatedDevice, table: Table, address: int, value: int) -> Answer:
    """What a master would write."""
    return one.handle(Request(1, table, address, 1, (value,)))


@given(st.sampled_from([ValueType.U16, ValueType.S16, ValueType.U32, ValueType.S32]), st.integers(0, 60_000),
       st.sampled_from([(1, 1), (100, 1), (1, 10), (7, 3)]))  # fmt: skip
def test_what_is_encoded_decodes_to_itself(kind: ValueType, raw: int, ratio: tuple[int, int]) -> None:
    """Any raw word, decoded and encoded again, decodes to the same value."""
    one = Channel("x", Table.HOLDING, 0, kind, Unit.VOLT, multiply=ratio[0], divide=ratio[1], add=-5)
    raw &= 0xFFFF_FFFF if one.words == 2 else 0xFFFF
    value = decoded(one, raw)
    text = str(Fraction(int(value), 10 ** DECIMALS[one.unit]))
    assert decoded(one, encode(one, text)) == value


def test_people_write_values_labels_states_and_raw_words() -> None:
    """A level by its colour, a contact by closed, a missing value by no_data, and nonsense is refused."""
    time = Time()
    els, gas = device("els", time), device("pemtech-pt495", time)
    els.put("module3_level", "yellow")
    els.put("module3_level_temperature", -3.5)
    assert read(els, Table.HOLDING, 4, 2).values == (1, 0xFFFF & -35)
    gas.put("h2", "no_data")
    gas.put("own_alarm", "on")
    assert read(gas, Table.HOLDING, 0, 2).values == (65_535, 1)
    for point, value in (("h2", "lots"), ("h2", -1), ("own_alarm", 2), ("own_alarm", "no_data"), ("h2", 70_000)):
        with pytest.raises(ValueError, match=point):
            gas.put(point, value)
    with pytest.raises(KeyError, match="no point h3"):
        gas.put("h3", 1)


def test_an_address_that_nobody_uses_is_an_exception() -> None:
    """Reading outside the map answers exception 2, as the real thing does."""
    gas = device("pemtech-pt495", Time())
    assert read(gas, Table.HOLDING, 2).exception == 2
    assert read(gas, Table.INPUT, 0).exception == 2
    assert write(gas, Table.COIL, 0, 1).exception == 2


def test_a_relay_module_falls_to_its_safe_values_when_it_hears_nothing() -> None:
    """Five seconds without any request and the outputs stand as on power-up; any request keeps them as written."""
    time = Time()
    relay = device("relay-io", time)
    write(relay, Table.COIL, 0, 0)
    write(relay, Table.COIL, 1, 1)
    for _ in range(10):
        time.now += 4.0
        read(relay, Table.DISCRETE, 0)
        relay.tick()
    assert read(relay, Table.COIL, 0, 2).values == (0, 1)
    time.now += 5.1
    relay.tick()
    assert read(relay, Table.COIL, 0, 4).values == (1, 0, 1, 0)
    assert read(relay, Table.DISCRETE, 4, 4).values == (1, 0, 1, 0), "the read-backs follow"


def test_a_watchdog_that_is_switched_off_or_set_anew_does_as_told() -> None:
    """With enable 0 the outputs stay; with another time and other safe bits it falls then and to those."""
    time = Time()
    relay = device("relay-io", time)
    write(relay, Table.COIL, 0, 0)
    write(relay, Table.HOLDING, 101, 0)
    time.now += 100
    relay.tick()
    assert read(relay, Table.COIL, 0).values == (0,)
    write(relay, Table.HOLDING, 101, 1)
    write(relay, Table.HOLDING, 100, 10)
    write(relay, Table.HOLDING, 102, 0b1000)
    time.now += 1.1
    relay.tick()
    assert read(relay, Table.COIL, 0, 4).values == (0, 0, 0, 1)


def test_a_contact_that_sticks_no_longer_follows_its_coil() -> None:
    """The coil reads back as written, the read-back input shows the welded contact."""
    relay = device("relay-io", Time())
    relay.faults.stuck["do0"] = True
    write(relay, Table.COIL, 0, 0)
    assert read(relay, Table.COIL, 0).values == (0,)
    assert read(relay, Table.DISCRETE, 4).values == (1,)
    assert relay.contact("do0")


def test_a_heartbeat_toggles_until_it_is_frozen() -> None:
    """The Midas's bit 11 changes every two seconds, and stays when the script freezes it."""
    time = Time()
    midas = device("honeywell-midas", time)
    midas.put("status", "monitoring")
    seen = []
    for _ in range(8):
        time.now += 1.0
        midas.tick()
        seen.append(read(midas, Table.HOLDING, 0).values[0])
    assert seen == [1, 0x801, 0x801, 1, 1, 0x801, 0x801, 1]
    midas.faults.is_frozen = True
    time.now += 60
    midas.tick()
    assert read(midas, Table.HOLDING, 0).values == (1,)


def test_misbehaviour_is_what_the_script_asked_for() -> None:
    """Silence, an exception, a late answer and another unit's answer reach the line as such."""
    gas = device("pemtech-pt495", Time())
    gas.faults.delay_s, gas.faults.answers_as = 0.4, 7
    assert read(gas, Table.HOLDING, 0) == Answer((0,), delay_s=0.4, unit=7)
    gas.faults.exception = 6
    assert read(gas, Table.HOLDING, 0).exception == 6
    gas.faults.is_mute = True
    assert read(gas, Table.HOLDING, 0).silent
