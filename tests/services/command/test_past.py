"""export, kpi and history rebuild as a person calls them, on a real folder."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.services.command.conftest import Run
from tests.services.history.life import POINT, an_hour_and_a_half, begin, content, grow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site that has lived an hour and a half, until just now."""
    data = tmp_path / "data"
    data.mkdir()
    life = begin(data)
    life.site.kill()
    life.site.clock.wall = round(datetime.now(UTC).timestamp() * 1000) - 7_200_000
    life.site.open()
    an_hour_and_a_half(life)
    life.site.kill()
    grow(data)
    return data


def test_a_trend_is_exported(run: Run, folder: Path, tmp_path: Path) -> None:
    """One line says how many rows are in the file."""
    target = tmp_path / "gas.csv"
    ran = run("export", target, "--point", POINT, "--step", "hour", "--data", folder)
    assert ran.code == 0
    rows = target.read_text().splitlines()
    assert ran.out == f"{target}: {len(rows) - 1} rows\n"
    assert len(rows) > 2


def test_a_file_that_is_there_stays_as_it_is(run: Run, folder: Path, tmp_path: Path) -> None:
    """It is named, and written over with --force only."""
    target = tmp_path / "gas.csv"
    target.write_text("dear")
    ran = run("export", target, "--point", POINT, "--data", folder)
    assert (ran.code, ran.out, target.read_text()) == (3, "", "dear")
    assert f"{target} is there already, allowed: another name, or --force" in ran.err
    assert run("export", target, "--point", POINT, "--force", "--data", folder).code == 0
    assert target.read_text().startswith("point,unit,at,")


def test_a_time_without_readings_is_said(run: Run, folder: Path, tmp_path: Path) -> None:
    """An empty file is no surprise."""
    words = ("--point", POINT, "--from", "2020-01-01", "--to", "2020-01-02")
    ran = run("export", tmp_path / "gas.csv", *words, "--data", folder)
    assert ran.code == 0
    assert "0 rows\nno readings from 2020-01-01" in ran.out


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("x.xls", "--point", POINT), ".csv, .parquet", 2),
        (("x.csv", "--point", POINT, "--step", "week"), "allowed: raw, minute, hour, auto", 2),
        (("x.csv", "--point", POINT, "--from", "soon"), "not an instant", 2),
        (("x.csv", "--point", POINT, "--from", "2026-01-02", "--to", "2026-01-01"), "not before", 2),
        (("x.csv", "--point", POINT, "--from", "1980-01-01"), "days apart", 2),
        (("x.csv", "--point", "s/r1/none"), "no point s/r1/none", 3),
    ],
)
def test_a_wrong_question_says_what_is_allowed(
    run: Run, folder: Path, words: tuple[str, ...], said: str, code: int
) -> None:
    """In one sentence, with an exit code of its own, and without a file."""
    ran = run("export", *words, "--data", folder)
    assert (ran.code, said in ran.err) == (code, True)
    assert not Path("x.csv").exists()


def test_alarm_figures_are_shown(run: Run, folder: Path) -> None:
    """For people with the targets beside, for machines as JSON."""
    found = json.loads(run("kpi", "--days", "2", "--json", "--data", folder).out)
    assert found["announced"] >= 1
    assert found["persons"]["cli:anna"]["acked"] == 1
    ran = run("kpi", "--days", "2", "--data", folder)
    assert ran.code == 0
    assert "target: at most 150" in ran.out
    assert "cli:anna: told of 0" in ran.out
    assert "acked 1 (median" in ran.out


def test_figures_say_since_when_there_are_any(run: Run, folder: Path) -> None:
    """Ten years are asked for: the site's own begin is the answer, and nothing is spread over days before it."""
    long, short = (json.loads(run("kpi", "--days", days, "--json", "--data", folder).out) for days in ("3650", "3660"))
    assert long["known_since_at_ms"] == short["known_since_at_ms"] > long["begin_at_ms"]
    assert (long["per_day"], long["rate_per_operator_10min"]) == (short["per_day"], short["rate_per_operator_10min"])
    since = datetime.fromtimestamp(long["known_since_at_ms"] // 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    assert f"announced since {since}, when the history begins:" in run("kpi", "--days", "3650", "--data", folder).out


def test_a_rebuild_gives_the_same_history(run: Run, folder: Path) -> None:
    """Also when the old file is gone."""
    before = content(folder / "history.db")
    (folder / "history.db").unlink()
    ran = run("history", "rebuild", folder)
    assert (ran.code, ran.out.startswith("the history reaches to record ")) == (0, True)
    assert content(folder / "history.db") == before


def test_without_a_history_a_question_is_not_tried(run: Run, tmp_path: Path) -> None:
    """A folder that has none says so, and so does one without a log."""
    assert run("kpi", "--data", tmp_path).code == 3
    ran = run("history", "rebuild", tmp_path)
    assert (ran.code, "there is no log" in ran.err) == (3, True)
