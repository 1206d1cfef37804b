"""stock and due from a real log on disk: what was recorded, and when it is due again."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from services.site.command import stock
from shared.domain.inputs import Command, What
from shared.runtime.site_file import check_site
from tests.services.command.conftest import Run
from tests.services.processor.site import Site, on_disk

FILE = Path(__file__).parents[2] / "runtime" / "site_file" / "good" / "full.yaml"
JAR, GAS = "full/r1/bat1/1S1", "full/r1/gas1-h2"
DAY_MS = 86_400_000


def _act(what: What, subject: str, **said: Any) -> Command:
    given = {"reason": "why", "actor": "cli:anna", **said}
    return Command(f"{what}-{subject}", what, subject, "", None, for_ms=0, **given)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site of the whole plant, in its first minute."""
    plan = check_site(FILE, {}).plan
    assert plan is not None
    made = on_disk(tmp_path, plan=plan.decision)
    made.open()
    return made


def _stopped(site: Site, monkeypatch: pytest.MonkeyPatch, days: int = 0) -> None:
    """The site has ended, and somebody looks so many days later."""
    now_ms = site.clock.wall_ms() + days * DAY_MS
    site.runner.close()
    site.store.close()
    monkeypatch.setattr(stock, "now_ms", lambda: now_ms)


def _items(run: Run, *words: object) -> dict[str, dict[str, Any]]:
    ran = run(*words, "--json")
    assert ran.err == ""
    return {one.get("part") or one["subject"]: one for one in json.loads(ran.out)["items"]}


def test_stock_lists_every_part_with_what_was_recorded(
    run: Run, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serials and baselines of the log go over those of the site file; who replaced it, and why, stand beside them."""
    known = next(part for room in site.plan.rooms for part in room.parts if part.id == JAR)
    site.commit(_act(What.REPLACE, JAR, old_serial=known.serial, new_serial="N-1", value=4_125))
    _stopped(site, monkeypatch)
    items = _items(run, "stock", "--data", tmp_path)
    assert set(items) == {part.id for room in site.plan.rooms for part in room.parts}
    jar = items[JAR]
    assert (jar["kind"], jar["serial"], jar["site_file_serial"], jar["times"]) == ("jar", "N-1", known.serial, 1)
    assert (jar["baseline_mohm"], jar["replaced_by"], jar["reason"]) == ("4.125", "cli:anna", "why")
    assert jar["replaced_at"] == jar["baseline_at"] != ""
    assert items[GAS]["due_at"] != ""


def test_stock_is_a_spreadsheet_too(run: Run, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--csv has a line a part with every column; a text that looks like a formula stays a text."""
    site.commit(_act(What.REPLACE, GAS, new_serial="=1+1"))
    _stopped(site, monkeypatch)
    ran = run("stock", "--csv", "--kind", "gas_head", "--data", tmp_path)
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert {row["kind"] for row in rows} == {"gas_head"}
    assert next(row for row in rows if row["part"] == GAS)["serial"] == "'=1+1"


def test_a_measurement_that_runs_is_shown(
    run: Run, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the good values have come the table says how many are still wanted."""
    site.commit(_act(What.BASELINE, JAR))
    _stopped(site, monkeypatch)
    line = next(line for line in run("stock", "--data", tmp_path).out.splitlines() if line.startswith(f"{JAR} "))
    assert "measuring, 9 to go" in line


def test_due_lists_the_next_first(run: Run, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A calibration that was done twenty days ago comes before those whose time begins only now."""
    site.commit(_act(What.CALIBRATED, GAS, age_ms=20 * DAY_MS))
    _stopped(site, monkeypatch)
    ran = run("due", "--data", tmp_path, "--json")
    items = json.loads(ran.out)["items"]
    assert ran.code == 0
    assert [one["due_at"] for one in items] == sorted(one["due_at"] for one in items)
    assert (items[0]["subject"], items[0]["days_left"], items[0]["by"]) == (GAS, 160, "cli:anna")
    assert len(items) == sum(len(room.dues) for room in site.plan.rooms)
    assert run("due", "--data", tmp_path).out.splitlines()[1].split()[1:4] == ["in", "160", "d"]


def test_what_is_overdue_is_exit_1(run: Run, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time counts from the log's last record on, whether the site runs or not."""
    _stopped(site, monkeypatch, days=200)
    ran = run("due", "--data", tmp_path)
    assert ran.code == 1
    assert "20 d overdue" in ran.out.splitlines()[1]


@pytest.mark.parametrize("words", [("stock",), ("due",), ("stock", "--csv")])
def test_a_folder_without_a_log_is_told(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Exit 3 with what is allowed."""
    ran = run(*words, "--data", tmp_path)
    assert (ran.code, ran.out) == (3, "")
    assert "there is no log" in ran.err


def test_a_kind_that_there_is_not_is_told(
    run: Run, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong usage, with the kinds that this plant has."""
    _stopped(site, monkeypatch)
    ran = run("stock", "--kind", "jarr", "--data", tmp_path)
    assert ran.code == 2
    assert "jar" in ran.err
