"""What a start may rely on without a check, and where the demo's devices stand."""

import socket
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.site.compile import check_instead, compile_site
from services.site.housekeeping import next_night
from services.site.start import DEMO_PORT, DEMO_PTY, demo_environment, read_start

EXAMPLE = Path(__file__).parents[3] / "infra" / "sites" / "examples"


def copied(folder: Path) -> Path:
    for name in ("first-site.yaml", "io.yaml"):
        (folder / name).write_bytes((EXAMPLE / name).read_bytes())
    return folder / "first-site.yaml"


def test_a_checked_site_file_leaves_the_plans_and_what_they_were_made_from(tmp_path: Path) -> None:
    """guard.json, site.json, start.json; the files behind them are known by their bytes."""
    source = copied(tmp_path)
    answer = compile_site(source, tmp_path)
    assert answer["ok"] is True
    start = read_start(tmp_path)
    assert start is not None
    assert start.site == "substation-7"
    assert start.unchanged(source, start.environment)
    assert (tmp_path / "guard.json").exists()
    assert (tmp_path / "site.json").exists()


def test_a_change_in_any_file_behind_the_plan_is_noticed(tmp_path: Path) -> None:
    """The profile counts as well as the site file."""
    source = copied(tmp_path)
    compile_site(source, tmp_path)
    start = read_start(tmp_path)
    assert start is not None
    profile = tmp_path / "io.yaml"
    profile.write_text(profile.read_text() + "# changed\n")
    assert not start.unchanged(source, start.environment)


def test_a_bad_site_file_touches_nothing(tmp_path: Path) -> None:
    """The last good plan stays in force for the next start."""
    source = copied(tmp_path)
    compile_site(source, tmp_path)
    before = (tmp_path / "guard.json").read_bytes()
    source.write_text("version: 1\n")
    answer = compile_site(source, tmp_path)
    assert answer["ok"] is False
    assert answer["faults"]
    assert (tmp_path / "guard.json").read_bytes() == before


def test_of_a_bad_file_only_the_errors_are_told(tmp_path: Path) -> None:
    """A warning does not take the room of what has to be mended; of a good file it is told."""
    source, bad = copied(tmp_path), tmp_path / "bad.yaml"
    (warning,) = check_instead(source, source, source)["faults"]
    assert "is assumed" in warning
    bad.write_text(source.read_text().replace("limit: 1.0", "limit: 7.0"))
    for answer in (check_instead(source, source, bad), compile_site(bad, tmp_path)):
        assert answer["faults"]
        assert not any("is assumed" in line for line in answer["faults"])


def test_a_damaged_record_is_no_start(tmp_path: Path) -> None:
    """Then the site file is checked first."""
    source = copied(tmp_path)
    compile_site(source, tmp_path)
    (tmp_path / "start.json").write_text('{"hash": 1')
    assert read_start(tmp_path) is None


@pytest.mark.parametrize("name", ["start.json", "guard.json", "site.json"])
@pytest.mark.parametrize("torn", [b"", b"\xff\x00{", b"{}"])
def test_a_torn_plan_is_no_start(tmp_path: Path, name: str, torn: bytes) -> None:
    """guard would never start from it: the site file is checked and all three are written anew."""
    source = copied(tmp_path)
    compile_site(source, tmp_path)
    (tmp_path / name).write_bytes(torn)
    assert read_start(tmp_path) is None
    compile_site(source, tmp_path)
    assert read_start(tmp_path) is not None


def test_the_demo_moves_when_its_port_is_taken(tmp_path: Path) -> None:
    """Two demos beside one another; what is given stays."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        given = demo_environment(tmp_path, None, {DEMO_PORT: taken})
        assert given == {DEMO_PORT: taken, DEMO_PTY: str(tmp_path / "demo-rtu")}
    assert demo_environment(tmp_path, None, {DEMO_PTY: "/dev/x"})[DEMO_PTY] == "/dev/x"


def test_the_night_comes_once_a_day() -> None:
    """At three by the site's clock, also over the change to summer time."""
    zone = ZoneInfo("Europe/Berlin")
    assert next_night(datetime(2026, 1, 1, 2, 59, tzinfo=zone)) == datetime(2026, 1, 1, 3, 0, tzinfo=zone)
    assert next_night(datetime(2026, 1, 1, 3, 0, tzinfo=zone)) == datetime(2026, 1, 2, 3, 0, tzinfo=zone)
    assert next_night(datetime(2026, 3, 29, 1, 30, tzinfo=zone)).day == 29
