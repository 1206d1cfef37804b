"""Profile files: the shipped ones mean what their sources say, and bad ones are refused, every fault at its line."""

from pathlib import Path

import pytest

from shared.devices.blocks import plan_device
from shared.devices.columns import ScanDecoder
from shared.devices.decoder import decode_channel, decode_raw
from shared.devices.frame import Block, Frame
from shared.devices.profile import Profile, Table
from shared.domain.units import NoData, Unit
from shared.runtime.profiles import load_profile, profile_schema, shipped_profiles

HERE = Path()


def shipped(name: str) -> Profile:
    """A shipped profile, which has no faults."""
    profile, faults = load_profile(name, HERE)
    assert profile is not None and not faults
    return profile


def written(folder: Path, text: str) -> tuple[Profile | None, list[str]]:
    """A profile file of this text, and its faults as lines without the folder."""
    (folder / "x.yaml").write_text(text)
    profile, faults = load_profile("./x.yaml", folder)
    return profile, [str(fault).replace(f"{folder}/", "") for fault in faults]


def value(profile: Profile, name: str, *words: int) -> int | NoData:
    """What a channel of the profile makes of these registers at its address."""
    channel = profile.channel(name)
    assert channel is not None
    data = b"".join(word.to_bytes(2, "big") for word in words)
    block = Block(channel.table, channel.address, len(words), data)
    return decode_channel(channel, Frame("d", "b", 1, 0, 0, bool(words), NoData.PRESENT, "", (block,)))


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_loads_and_is_read_in_blocks(name: str) -> None:
    """No shipped profile has a fault, and each says where its addresses come from."""
    profile = shipped(name)
    assert profile.source and profile.title
    extra = [one for group in profile.groups for short in group.channels if (one := group.channel(1, short.name))]
    device = plan_device(profile, device_id="d", bus="b", unit=1, every_ms=500, rooms=["r"], extra=extra)
    assert device.blocks and len(device.channels) == len(profile.channels) + len(extra)


def test_the_bacs_map_is_the_public_one() -> None:
    """Flags at 1000 to 1002, counts at 1003 and 1004, strings from 1010 in fives; modules are marked as assumed."""
    bacs = shipped("bacs")
    found = {name: channel.address for name in ("general_flags", "string_count", "s1_current", "s2_voltage", "s10_ac")
             if (channel := bacs.channel(name))}  # fmt: skip
    assert found == {
        "general_flags": 1000,
        "string_count": 1003,
        "s1_current": 1010,
        "s2_voltage": 1016,
        "s10_ac": 1058,
    }
    assert value(bacs, "general_flags", 0) is NoData.OFF
    assert value(bacs, "s1_current", 0xFFFE) == -2_000
    module = bacs.channel("module330_voltage")
    assert module is not None and module.assumed and not bacs.channel("s1_current").assumed  # type: ignore[union-attr]
    assert bacs.channel("module331_voltage") is None and bacs.channel("module0_voltage") is None


def test_gas_heads_tell_concentration_state_and_heartbeat() -> None:
    """The PT495's tenths of a percent and status bits, the Midas's float, state nibble and heartbeat bit."""
    pemtech, midas = shipped("pemtech-pt495"), shipped("honeywell-midas")
    assert (value(pemtech, "h2", 10), value(pemtech, "h2", 65_535)) == (10_000, NoData.OFF)
    assert value(pemtech, "status", 0x0601) == 0 and value(pemtech, "status", 0x0604) == 2
    assert value(midas, "h2", 0x3F80, 0) == 10_000
    assert (value(midas, "status", 0x0801), value(midas, "heartbeat", 0x0801)) == (1, 1)
    assert midas.status is not None and midas.status.warm_up == (0,)
    assert midas.heartbeat is not None and midas.heartbeat.period_ms == 2000


def test_the_relay_module_has_safe_values_read_backs_and_a_watchdog() -> None:
    """Fan and buzzer outputs are safe when on, the charger inhibit when off; each coil has a read-back input."""
    relay = shipped("relay-io")
    assert [(one.channel, one.safe_on, one.read_back) for one in relay.outputs][:3] == [
        ("do0", True, "rb0"),
        ("do1", False, "rb1"),
        ("do2", True, "rb2"),
    ]
    assert relay.watchdog is not None and relay.watchdog.value * relay.watchdog.unit_ms == 5000
    assert relay.assumed


def test_levels_are_green_yellow_or_red_and_nothing_else() -> None:
    """A level register holds 0, 1 or 2; any other word is out of range."""
    els = shipped("els")
    assert [value(els, "module12_level", word) for word in (0, 1, 2, 3, 65_535)] == [
        0, 1, 2, NoData.OUT_OF_RANGE, NoData.NOT_PRESENT,
    ]  # fmt: skip


def test_units_of_makers_are_converted(tmp_path: Path) -> None:
    """%LFL and ppm become %vol, mV becomes V: 25 %LFL and 10,000 ppm are both 1 %vol."""
    profile, faults = written(
        tmp_path,
        """points:
  a: {table: input, address: 0, unit: "%LFL"}
  b: {table: input, address: 1, unit: ppm}
  c: {table: input, address: 2, unit: mV, type: s16, scale: 0.5, offset: "-10"}
""",
    )
    assert profile is not None and not faults
    assert (value(profile, "a", 25), value(profile, "b", 10_000), value(profile, "c", 30)) == (10_000, 10_000, 5)


def test_the_example_of_the_interface_loads(tmp_path: Path) -> None:
    """The points of the documented io.yaml mean what they say there."""
    profile, faults = written(
        tmp_path,
        """points: {di0: {table: discrete, address: 0, closed: 0}, do0: {table: coil, address: 0, on: 1, safe: on},
         h2: {table: holding, address: 0, type: u16, scale: "0.1", unit: "%vol", no_data: [65535]}}
watchdog: {table: holding, address: 100, unit: 100ms, value: 30}
source: assumed
""",
    )
    assert profile is not None and not faults
    assert profile.channels[0].invert and profile.outputs[0].safe_on and profile.channels[2].unit is Unit.H2_VOL
    assert profile.watchdog is not None and profile.watchdog.unit_ms * profile.watchdog.value == 3000
    assert profile.channels[1].table is Table.COIL and profile.assumed


@pytest.mark.parametrize("on", [0, 1])
def test_an_output_reads_1_while_it_is_on_in_either_sense(on: int, tmp_path: Path) -> None:
    """Energise-to-stop: the fan is on at 0, and its point, which proves it as read-back, says 1 for on all the same."""
    profile, faults = written(tmp_path, f"points: {{do0: {{table: coil, address: 0, on: {on}, safe: on}}}}\n")
    assert profile is not None and not faults
    assert profile.outputs[0].read_back == "do0"
    channel = profile.channels[0]
    assert [decode_raw(channel, raw) for raw in (on, 1 - on)] == [1, 0]
    device = plan_device(profile, device_id="io1", bus="b1", unit=1, every_ms=200, rooms=("r1",))
    for raw, value in ((on, 1), (1 - on, 0)):
        block = Block(channel.table, 0, 1, bytes((raw,)))
        frame = Frame("io1", "b", 1, 0, 0, synced=False, outcome=NoData.PRESENT, detail="", blocks=(block,))
        assert ScanDecoder(device).decode(frame).values.tolist() == [value]


def test_every_fault_of_a_file_is_reported_at_once(tmp_path: Path) -> None:
    """A file with many faults gives one line for each, with line, column, key, what is wrong and what is allowed."""
    profile, faults = written(
        tmp_path,
        """points:
  a: {table: holding, adress: 3}
  b: {table: holdings, address: 1}
  b: {table: coil, address: 1}
  c: {table: coil, address: 70000}
  d: {table: holding, address: 5, unit: 3, scale: x}
watchdog: soon
""",
    )
    assert profile is None
    assert [fault.split(": ")[0] + " " + fault.split(": ")[1] for fault in faults] == [
        "x.yaml:4:3 points.b",
        "x.yaml:2:6 points.a.address",
        "x.yaml:2:23 points.a.adress",
        "x.yaml:3:14 points.b.table",
        "x.yaml:5:29 points.c.address",
        "x.yaml:6:41 points.d.unit",
        "x.yaml:6:51 points.d.scale",
        "x.yaml:7:11 watchdog",
    ]
    assert "did you mean address" in faults[2]


BAD_PROFILES: list[tuple[str, str, str]] = [
    ("no points at all", "title: x", "has no points"),
    ("an unknown unit", "points: {a: {table: input, address: 0, unit: bar}}", "points.a.unit: 'bar' is not a unit"),
    ("a coil with a type", "points: {a: {table: coil, address: 0, type: u16}}", "points.a: a coil is one bit"),
    ("a bit without a number", "points: {a: {table: input, address: 0, type: bit}}", "go together"),
    ("a bit with a scale", "points: {a: {table: input, address: 0, bit: 1, scale: 2}}", "means nothing for a bit"),
    ("a scale of zero", "points: {a: {table: input, address: 0, scale: 0}}", "points.a.scale: is zero"),
    ("a scale too fine", 'points: {a: {table: input, address: 0, scale: "0.00000000001"}}', "too fine"),
    ("a scale that explodes", 'points: {a: {table: input, address: 0, scale: "1e99999999"}}', "is not a number"),
    ("a scale that is true", "points: {a: {table: input, address: 0, scale: true}}", "is not a number"),
    ("an offset finer than its unit", 'points: {a: {table: input, address: 0, offset: "0.5"}}', "more decimals"),
    ("a register over the end", "points: {a: {table: input, address: 65535, type: u32}}", "ends outside the table"),
    ("a loop without range", "points: {a: {table: input, address: 0, type: ma_4_20}}", "has no range"),
    ("a loop that falls", "points: {a: {table: input, address: 0, type: ma_4_20, range: [4, 0]}}", "does not rise"),
    ("a range of no loop", "points: {a: {table: input, address: 0, range: [0, 4]}}", "means nothing for a u16"),
    ("a word that does not fit", "points: {a: {table: input, address: 0, no_data: [70000]}}", "is not a raw u16"),
    ("max below min", "points: {a: {table: input, address: 0, min: 5, max: 4}}", "is below min"),
    ("an output without safe value", "points: {a: {table: coil, address: 0, on: 1}}", "without safe value"),
    ("an output in a register", "points: {a: {table: holding, address: 0, safe: on}}", "is not an output"),
    ("a safe value of maybe", "points: {a: {table: coil, address: 0, safe: maybe}}", "on or off"),
    ("a read-back that is not there", "points: {a: {table: coil, address: 0, safe: on, read_back: b}}", "no point b"),
    ("a heartbeat that is not there", "points: {a: {table: coil, address: 0}}\nheartbeat: {point: b, period: 2s}",
     "heartbeat.point: there is no point b"),
    ("a heartbeat without a unit of time", "points: {a: {table: coil, address: 0}}\nheartbeat: {point: a, period: 2}",
     "is not a duration"),
    ("a status without good values", "points: {a: {table: input, address: 0}}\nstatus: {point: a, good: []}",
     "status.good"),
    ("a watchdog on coils", "points: {a: {table: coil, address: 0}}\n"
     "watchdog: {table: coil, address: 1, unit: 1s, value: 1}", "table: holding"),
    ("a group over the end", "groups: {m: {count: 330, address: 65000, stride: 8, points: {v: {table: input,"
     " address: 0}}}}", "ends at address"),
    ("a group with an output", "groups: {m: {count: 3, address: 0, stride: 8, points: {v: {table: coil,"
     " address: 0, safe: on}}}}", "holds an output"),
    ("a group that ends with a digit", "groups: {m1: {count: 3, address: 0, stride: 8, points: {v: {table:"
     " input, address: 0}}}}", "ends with a digit"),
    ("a point named like a group's channel", "points: {m2_v: {table: input, address: 9}}\n"
     "groups: {m: {count: 3, address: 0, stride: 8, points: {v: {table: input, address: 0}}}}", "also a name"),
    ("a name with capitals", "points: {Volt: {table: input, address: 0}}", "is not a name"),
    ("a label that is no number", "points: {a: {table: input, address: 0, labels: {x: red}}}", "is not a number"),
    ("a broken document", "points: {a: ", "is not YAML"),
    ("a list", "- points", "is not a mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("about", "text", "expected"), BAD_PROFILES, ids=[case[0] for case in BAD_PROFILES])
def test_a_bad_profile_is_refused_with_its_fault(about: str, text: str, expected: str, tmp_path: Path) -> None:
    """Each bad file gives no profile and a fault that names the key and what is wrong."""
    profile, faults = written(tmp_path, text)
    assert profile is None, about
    assert any(expected in fault for fault in faults), faults
    assert all(fault.startswith("x.yaml:") for fault in faults)


def test_an_unknown_name_lists_the_shipped_ones(tmp_path: Path) -> None:
    """A profile that is neither shipped nor a file is refused, and the answer says what there is."""
    profile, faults = load_profile("pt496", tmp_path)
    assert profile is None and faults[0].line == 0 and "pemtech-pt495" in faults[0].allowed
    profile, faults = load_profile("./nowhere.yaml", tmp_path)
    assert profile is None and "cannot be read" in faults[0].what


def test_the_schema_of_a_profile_names_its_keys() -> None:
    """Editors get a JSON Schema with the keys of a profile file and no others."""
    schema = profile_schema()
    assert {"points", "groups", "watchdog", "identity", "heartbeat"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False
