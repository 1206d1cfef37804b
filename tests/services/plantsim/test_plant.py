"""The room's physics and the script: gas by the balance, fans that prove themselves, the story of the demo."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.plantsim.devices_file import PlantSpec, load_devices
from services.plantsim.plant import Plant
from services.plantsim.room import gas_after
from shared.devices.profile import Table
from shared.fieldbus.device_side import Request
from tests.services.plantsim.test_device import Time

DEMO = Path("infra/sites/demo/devices.yaml")


def demo() -> PlantSpec:
    """The demo's devices, on a port and a terminal of no importance."""
    spec, faults = load_devices(DEMO, {})
    assert spec is not None and not faults
    return spec


def written(folder: Path, text: str) -> tuple[PlantSpec | None, list[str]]:
    """A devices file of this text, and its faults."""
    (folder / "d.yaml").write_text(text)
    spec, faults = load_devices(folder / "d.yaml", {})
    return spec, [str(fault).replace(f"{folder}/", "") for fault in faults]


def run(plant: Plant, time: Time, seconds: float) -> None:
    """Lets the plant live in steps of 100 ms, its relay modules polled all the while."""
    for _ in range(round(seconds * 10)):
        time.now += 0.1
        for name in ("io1", "io2"):
            if name in plant.devices:
                plant.devices[name].handle(Request(3, Table.COIL, 0, 1, ()))
        plant.advance()


def test_boost_charge_without_air_reaches_one_percent_in_five_hours() -> None:
    """120 vented cells of 100 Ah in 50 m³: 1 %vol after 5.0 hours of boost charge, after 19.8 of float [DOMAIN 4]."""
    boost = 0.42e-3 * 120 * 100 * 20 / 1000
    assert gas_after(0, boost, 0, 50, 5.0) == pytest.approx(1.0, abs=0.01)
    assert gas_after(0, boost / 4, 0, 50, 19.8) == pytest.approx(1.0, abs=0.01)


def test_the_required_airflow_holds_the_room_under_one_percent() -> None:
    """With Q = 0.05 n I C a room settles at 0.83 %vol, whatever its size."""
    cells, current, capacity = 120, 20, 100
    made, airflow = 0.42e-3 * cells * capacity * current / 1000, 0.05 * cells * current * capacity * 1e-3
    assert gas_after(0, made, airflow, 50, 1000) == pytest.approx(0.84, abs=0.01)


@given(st.floats(0, 4), st.floats(0, 1), st.floats(0, 200), st.floats(0.01, 2))
def test_the_balance_is_the_same_in_one_step_or_in_many(c: float, made: float, air: float, hours: float) -> None:
    """The solution is exact: ten steps of a tenth give what one step gives."""
    stepped = c
    for _ in range(10):
        stepped = gas_after(stepped, made, air, 50, hours / 10)
    assert stepped == pytest.approx(gas_after(c, made, air, 50, hours), rel=1e-6, abs=1e-9)


def test_the_demo_tells_its_story_within_two_minutes() -> None:
    """Boost, a belt that breaks, 1 % and then 2 %vol, a drifting jar, yellow and red, and clean air in the end."""
    time = Time()
    plant = Plant(demo(), time)
    gas, relay, bacs, els = (plant.devices[name] for name in ("gas1", "io1", "bacs1", "els1"))
    assert gas.get("status") == 0, "the head warms up"
    run(plant, time, 22)
    assert gas.get("status") == 1 and gas.get("h2") < 0.2
    assert relay.get("di2") == 1 and bacs.get("general_flags") == 0x91
    assert bacs.get("module7_voltage") == pytest.approx(2.40, abs=0.01)
    run(plant, time, 5)
    assert relay.get("do0") == 1 and relay.get("di2") == 0, "commanded, but no air"
    crossed = {limit: _when(plant, time, limit) for limit in (1.0, 2.0)}
    assert 35 < crossed[1.0] < 55 < crossed[2.0] < 75, crossed
    contacts = plant.devices["h2c1"]
    assert (contacts.get("contact_1pct"), contacts.get("contact_2pct")) == (1, 1)
    run(plant, time, 75 - time.now)
    assert bacs.get("module7_voltage") == pytest.approx(2.10) and els.get("module12_level") == 2
    run(plant, time, 118 - time.now)
    assert gas.get("h2") < 0.2 and relay.get("di2") == 1 and els.get("module12_level") == 0
    assert bacs.get("module7_voltage") > 2.2


def _when(plant: Plant, time: Time, limit: float) -> float:
    while plant.devices["gas1"].get("h2") < limit:
        run(plant, time, 0.1)
        assert time.now < 120, "never reached"
    return time.now


def test_a_charger_that_is_inhibited_stops_to_boost() -> None:
    """With the inhibit output on, boost charge ends: float flags, float volts, a quarter of the gas."""
    time = Time()
    plant = Plant(demo(), time)
    run(plant, time, 20)
    room = plant.rooms["r1"]
    gassing = room.gassing_m3h()
    plant.devices["io1"].handle(Request(3, Table.COIL, 1, 1, (1,)))
    run(plant, time, 2)
    assert room.mode == "float" and plant.devices["bacs1"].get("general_flags") == 0x51
    assert room.gassing_m3h() == pytest.approx(gassing / 4)


def test_the_same_seed_plays_the_same_plant() -> None:
    """Two runs of one file give the same registers, noise and all."""
    seen = []
    for _ in range(2):
        time = Time()
        plant = Plant(demo(), time)
        run(plant, time, 5)
        seen.append([plant.devices["bacs1"].get(f"module{n}_voltage") for n in range(1, 49)])
    assert seen[0] == seen[1] and len(set(seen[0])) > 5


def test_the_script_sets_ramps_holds_and_releases(tmp_path: Path) -> None:
    """A value set by the script stays against the physics until it is released."""
    spec, faults = written(
        tmp_path,
        """devices:
  g: {modbus_tcp: "127.0.0.1:0", profile: h2-4-20ma}
  io1: {modbus_tcp: "127.0.0.1:0", unit: 2, profile: relay-io, values: {di0: closed, t0: 31.5}}
rooms: {r: {volume_m3: 10, h2: g.h2}}
script:
  - {at: 2s, ramp: {g.h2: 2}, over: 4s}
  - {at: 1s, set: {g.h2: 1.0}, stick: {io1.do0: off}, mute: g, delay: {io1: 50ms}}
  - {at: 10s, release: g.h2, unstick: io1.do0, unmute: g, delay: {io1: 0}, exception: {io1: 4}}
""",
    )
    assert spec is not None, faults
    time = Time()
    plant = Plant(spec, time)
    gas, relay = plant.devices["g"], plant.devices["io1"]
    assert relay.get("di0") == 1 and relay.get("t0") == 31.5
    run(plant, time, 1.5)
    assert gas.get("h2") == 1.0 and gas.faults.is_mute and not relay.contact("do0")
    run(plant, time, 2.5)
    assert gas.get("h2") == pytest.approx(1.5, abs=0.05)
    run(plant, time, 5)
    assert gas.get("h2") == 2.0
    run(plant, time, 3)
    assert gas.get("h2") == 0.0 and not gas.faults.is_mute and relay.contact("do0")
    assert relay.faults.delay_s == 0 and relay.faults.exception == 4


BAD: list[tuple[str, str, str]] = [
    ("no devices", "devices: {}", "devices"),
    ("an address of another machine", 'devices: {a: {modbus_tcp: "10.0.0.7:502", profile: els}}',
     "devices.a.modbus_tcp: 10.0.0.7 is not of this machine"),
    ("every address", 'devices: {a: {modbus_tcp: "0.0.0.0:502", profile: els}}', "is not of this machine"),
    ("a name that may be anywhere", 'devices: {a: {modbus_tcp: "plc:502", profile: els}}', "is not an address"),
    ("no place", "devices: {a: {profile: els}}", "needs one place"),
    ("two places", 'devices: {a: {modbus_tcp: "127.0.0.1:1", pty: x, profile: els}}', "needs one place"),
    ("an unknown profile", 'devices: {a: {pty: x, profile: elz}}', "is not a shipped profile"),
    ("a unit twice", 'devices: {a: {pty: x, profile: els}, b: {pty: x, profile: els}}', "has the place and unit of a"),
    ("an unknown key", "devices: {a: {pty: x, profile: els, speed: 3}}", "devices.a.speed: unknown key"),
    ("a value of no point", "devices: {a: {pty: x, profile: els, values: {h2: 1}}}", "a has no point 'h2'"),
    ("a value that does not fit", "devices: {a: {pty: x, profile: els, values: {module1_level: blue}}}", "blue"),
    ("a script without time", "devices: {a: {pty: x, profile: els}}\nscript: [{mute: a}]", "script[0].at: is missing"),
    ("a script of nobody", "devices: {a: {pty: x, profile: els}}\nscript: [{at: 1s, mute: b}]", "no device 'b'"),
    ("a fan that is a sensor", "devices: {a: {pty: x, profile: airflow-switch}}\n"
     "script: [{at: 1s, fail: a.airflow}]", "a.airflow is not an output"),
    ("a mode of no room", "devices: {a: {pty: x, profile: els}}\nscript: [{at: 1s, mode: {r: boost}}]", "no room 'r'"),
    ("a room that holds nothing", "devices: {a: {pty: x, profile: els}}\nrooms: {r: {volume_m3: 0}}",
     "rooms.r.volume_m3"),
    ("too many jars", "devices: {a: {pty: x, profile: els}}\nrooms: {r: {volume_m3: 9, battery: {type: vrla,"
     " capacity_ah: 9, strings: [330, 1], levels: a}}}", "no point 'module331_level'"),
]  # fmt: skip


@pytest.mark.parametrize(("about", "text", "expected"), BAD, ids=[case[0] for case in BAD])
def test_a_bad_devices_file_is_refused_with_its_fault(about: str, text: str, expected: str, tmp_path: Path) -> None:
    """Each bad file gives no plant and a fault that names the key and what is wrong."""
    spec, faults = written(tmp_path, text)
    assert spec is None, about
    assert any(expected in fault for fault in faults), faults
