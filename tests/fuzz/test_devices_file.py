"""Fuzz target of the devices file of simulated plants."""

import tempfile
from pathlib import Path

from hypothesis import given

from services.plantsim.devices_file import load_devices
from tests.fuzz.harness import bad, held

DEVICES = b"""devices:
  gas1: {modbus_tcp: "127.0.0.1:${PORT:-5020}", unit: 1, profile: honeywell-midas, values: {h2: 0.1}, warm_up: 5s}
  io1: {modbus_tcp: "127.0.0.1:5020", unit: 3, profile: relay-io}
rooms:
  r1:
    volume_m3: 50
    h2: [gas1.h2]
    fans: [{output: io1.do0, airflow: io1.di2, capacity_m3h: 100}]
    battery: {type: vented_lead, capacity_ah: 100, strings: [24]}
script:
  - {at: 5s, say: "gas", set: {gas1.h2: 1.2}}
  - {at: 9s, mute: gas1}
"""


def _load(raw: bytes) -> tuple[bool, list[str]]:
    """Whether there is a plant, and the faults that are errors."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "devices.yaml")
        path.write_bytes(raw)
        got = held(lambda: load_devices(path, {}))
    assert got is not None
    plant, faults = got
    assert all(fault.line >= 1 and fault.what for fault in faults)
    return plant is not None, [str(fault) for fault in faults if fault.severity == "error"]


def test_the_good_devices_file_is_good() -> None:
    """A sample that is refused would fuzz nothing."""
    assert _load(DEVICES) == (True, [])


@given(bad((DEVICES,)))
def test_a_devices_file_is_read_or_every_fault_has_its_place(raw: bytes) -> None:
    """Whatever the bytes: a plant, or errors with file and line, never both."""
    is_read, errors = _load(raw)
    assert is_read != bool(errors)
