"""Probe: what a device answers, shown raw and decoded, without writing anything."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.collector.probe import probe, probe_all
from shared.devices.blocks import plan_device
from shared.devices.profile import DevicePlan, Identity, Table
from shared.fieldbus.simulated import SimulatedBus
from shared.runtime.clocks import ManualClock
from shared.runtime.profiles import load_profile
from tests.fieldbus.slave import DEAD_UNIT, Slave


def planned(name: str, unit: int, identity: Identity | None = None) -> DevicePlan:
    """A gas head of the shipped profile at this unit."""
    profile, _ = load_profile("pemtech-pt495", Path())
    assert profile is not None
    plan = plan_device(profile, device_id=name, bus="b1", unit=unit, every_ms=500, rooms=["r1"])
    return DevicePlan(**{field: getattr(plan, field) for field in plan.__slots__} | {"identity": identity})


@pytest.fixture
async def slave() -> AsyncIterator[Slave]:
    """A slave with 12 in register 0 and the status word of a hydrogen head in register 1."""
    slave = Slave()
    slave.holding[0:2] = [12, 0x0600]
    yield slave


async def test_a_device_is_shown_raw_and_decoded(slave: Slave) -> None:
    """Words in hexadecimal, values with unit and label, the identity, and nothing but reads on the line."""
    identity = Identity(Table.HOLDING, 1, (0x0600,))
    found = await probe(planned("gas1", 1, identity), SimulatedBus(slave.handle), ManualClock())
    assert found.is_ok and found.identity == "right" and found.round_trip_ms >= 0
    assert found.blocks[0].words == "000c 0600"
    assert [(one.channel, one.raw, one.value, one.unit, one.label) for one in found.values] == [
        ("h2", "000c", "1.2", "%vol", ""),
        ("status", "0600", "0", "state", "normal"),
        ("own_alarm", "0600", "0", "state", ""),
    ]
    assert not any(request.is_write for request in slave.requests)


async def test_a_failure_is_shown_where_it_happened(slave: Slave) -> None:
    """A dead device has its reason in every value, and another one on the same bus is shown all the same."""
    plans = [planned("dead", DEAD_UNIT), planned("gas1", 1, Identity(Table.HOLDING, 0, (5,)))]
    dead, other = await probe_all(plans, {"b1": SimulatedBus(slave.handle, 20)}, ManualClock())
    assert not dead.is_ok and dead.round_trip_ms == -1
    assert {one.no_data for one in dead.values} == {"timeout"} and dead.blocks[0].failure.startswith("timeout: ")
    assert other.values[0].value == "1.2"
    assert not other.is_ok and other.identity == "expected [5], found [12]"
