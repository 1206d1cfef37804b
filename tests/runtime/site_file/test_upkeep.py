"""What the site file says of upkeep: serials, and how often a calibration or a proof test is due."""

from pathlib import Path

import pytest

from shared.domain.upkeep_plan import DueKind, PartPlan
from shared.runtime.site_file import check_site

FILE = """
version: 1
site: {{id: demo, demo: true}}
buses: {{b1: {{modbus_tcp: "127.0.0.1:9"}}}}
devices:
  gas1: {{bus: b1, unit: 1, profile: pemtech-pt495, every: 500ms, room: r1, serial: T-1}}
  io1: {{bus: b1, unit: 2, profile: relay-io, every: 500ms, room: r1}}
rooms:
  r1:
    volume_m3: 50
    gas: [{{h2: gas1.h2, serial: G-7}}]
    fan: [{{output: io1.do0, airflow: io1.di2, capacity_m3h: 100}}]
    rules: {room}
rules: {site}
"""


def _file(folder: Path, *, room: str = "{}", site: str = "{}") -> Path:
    path = folder / "site.yaml"
    path.write_text(FILE.format(room=room, site=site))
    return path


def _parts(path: Path) -> dict[str, PartPlan]:
    plan = check_site(path, {}).plan
    assert plan is not None
    return {part.id: part for room in plan.decision.rooms for part in room.parts}


def test_serials_of_devices_and_gas_heads_are_the_first_ones(tmp_path: Path) -> None:
    """The transmitter and its head are two parts; a device without a serial is one all the same."""
    parts = _parts(_file(tmp_path))
    assert {name: part.serial for name, part in parts.items()} == {
        "demo/r1/gas1": "T-1",
        "demo/r1/io1": "",
        "demo/r1/gas1-h2": "G-7",
    }
    assert (parts["demo/r1/gas1"].type, parts["demo/r1/gas1"].position) == ("pemtech-pt495", "b1 1")


@pytest.mark.parametrize(
    ("room", "site", "days"),
    [
        ("{}", "{}", {DueKind.CALIBRATION: 180, DueKind.PROOF_TEST: 365}),
        ("{}", "{calibration_overdue: {every: 90d}}", {DueKind.CALIBRATION: 90, DueKind.PROOF_TEST: 365}),
        (
            "{calibration_overdue: {every: 30d}}",
            "{calibration_overdue: {every: 90d}, proof_test_overdue: {enabled: false}}",
            {DueKind.CALIBRATION: 30},
        ),
    ],
)
def test_the_times_are_the_sites_then_the_rooms(tmp_path: Path, room: str, site: str, days: dict[DueKind, int]) -> None:
    """What the room says goes over what the site says; a rule that is switched off is due never."""
    plan = check_site(_file(tmp_path, room=room, site=site), {}).plan
    assert plan is not None
    assert {due.kind: due.every_ms // 86_400_000 for due in plan.decision.rooms[0].dues} == days


@pytest.mark.parametrize("site", ["{h2_fault: {every: 5d}}", "{calibration_overdue: {limit: 3}}"])
def test_a_time_that_means_nothing_is_told(tmp_path: Path, site: str) -> None:
    """``every`` belongs to what is due again and again, and nothing else belongs to it."""
    errors = check_site(_file(tmp_path, site=site), {}).errors
    assert ["means nothing for the rule" in str(fault) for fault in errors] == [True]


def test_a_serial_in_the_file_changes_the_decision_version(tmp_path: Path) -> None:
    """What is built in is part of what is decided by: the log has the change as a new rule set."""
    before = check_site(_file(tmp_path), {}).plan
    path = _file(tmp_path)
    path.write_text(path.read_text().replace("G-7", "G-8"))
    after = check_site(path, {}).plan
    assert before is not None
    assert after is not None
    assert before.decision != after.decision
