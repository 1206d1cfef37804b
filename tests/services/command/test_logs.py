"""events, verify and replay on a real log on disk, sound and damaged."""

import json
import sqlite3
from pathlib import Path

import pytest

from services.site.command import logs
from tests.services.command.conftest import Run
from tests.services.processor.plant import bank, gas
from tests.services.processor.site import on_disk

PAGE = 4096


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site that saw gas rise over both limits, and was stopped."""
    site = on_disk(tmp_path)
    site.open()
    for number, value in enumerate([20, 20, 20, 120, 250, 250, 20, 20], start=1):
        site.commit(gas(number, value))
    site.runner.close()
    site.store.close()
    return tmp_path


def _events(run: Run, folder: Path, *more: object) -> list[dict[str, object]]:
    ran = run("events", folder, "--json", *more)
    assert ran.code == 0, ran.err
    return [json.loads(line) for line in ran.out.splitlines()]


def test_events_are_the_log_s_in_order(run: Run, folder: Path) -> None:
    """Every event once, as CloudEvents, in the order of their causes."""
    told = _events(run, folder)
    assert len({one["id"] for one in told}) == len(told) > 3
    causes = [int(str(one["causationid"]).rpartition("/")[2]) for one in told]
    assert causes == sorted(causes)
    assert "ampward.alarm.raised.v1" in {one["type"] for one in told}


def test_every_cursor_gives_exactly_the_rest(run: Run, folder: Path) -> None:
    """Reading in two parts, cut anywhere, gives what reading at once gives."""
    told = _events(run, folder)
    for place, one in enumerate(told):
        assert _events(run, folder, "--since", one["cursor"]) == told[place + 1 :]


def test_a_type_prefix_narrows(run: Run, folder: Path) -> None:
    """Only the types that begin with the prefix are printed."""
    told = _events(run, folder)
    alarms = [one for one in told if str(one["type"]).startswith("ampward.alarm.")]
    assert _events(run, folder, "--type", "ampward.alarm.") == alarms != told


def test_a_cursor_of_another_log_begins_again(run: Run, folder: Path) -> None:
    """The reader is told, and gets everything there is."""
    from services.gateway.cursors import encode_cursor
    from shared.log.port import Cursor

    ran = run("events", folder, "--json", "--since", encode_cursor(Cursor("f" * 32, 3, 0)))
    assert "going on from the oldest event" in ran.err
    assert len(ran.out.splitlines()) == len(_events(run, folder))


def test_an_event_is_a_sentence_for_people(run: Run, folder: Path) -> None:
    """On a terminal an event says when, what, where, how grave and how much."""
    raised = next(one for one in _events(run, folder) if one["type"] == "ampward.alarm.raised.v1")
    line = logs.event_line(raised)
    assert line.split("  ")[1:3] == ["alarm.raised", raised["subject"]]
    assert str(raised["data"]["severity"]) in line  # type: ignore[index]
    assert "%vol" in line


@pytest.mark.parametrize("cursor", ["x", "AAAA", "é", "=" * 10])
def test_a_bad_cursor_is_wrong_usage(run: Run, folder: Path, cursor: str) -> None:
    """A cursor that was never given is refused before anything is read."""
    ran = run("events", folder, "--since", cursor)
    assert ran.code == 2
    assert "not a cursor" in ran.err


def test_a_type_that_there_is_not_is_wrong_usage(run: Run, folder: Path) -> None:
    """Silence would be taken for good news: what types begin with is said instead."""
    ran = run("events", folder, "--type", "nope")
    assert ran.code == 2
    assert "--type nope: no event's type begins so, allowed: ampward.alarm, " in ran.err
    assert run("events", folder, "--type", "ampward.alarm.r").code == 0


def test_verify_says_sound(run: Run, folder: Path) -> None:
    """For people a sentence, for machines the published fields."""
    assert run("verify", folder).out.startswith("sound: ")
    ran = run("verify", folder, "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["ok"], told["bad_record"]) == (0, True, None)
    assert {"records", "head", "replay_from"} <= set(told)


def test_replay_says_equal(run: Run, folder: Path) -> None:
    """The events are derived again byte for byte."""
    ran = run("replay", folder, "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["equal"], told["first_difference"]) == (0, True, None)
    assert run("replay", folder).out.rstrip().endswith("equal")


def test_a_file_that_is_no_log_has_no_records(run: Run, folder: Path) -> None:
    """verify says what is wrong with the file, and numbers no record that nobody could read."""
    (folder / "log.db").write_bytes(b"This is no database. " * 1000)
    ran = run("verify", folder)
    assert (ran.code, ran.out.startswith("not sound: ")) == (1, True)
    assert "record" not in ran.out
    told = json.loads(run("verify", folder, "--json").out)
    assert (told["ok"], told["records"]) == (False, 0)


def test_a_damaged_log_is_refused_with_its_record(run: Run, folder: Path) -> None:
    """verify answers no, replay and events refuse; each names the record, none prints a changed event as true."""
    connection = sqlite3.connect(folder / "log.db")
    (seq, data) = connection.execute("SELECT last_seq, data FROM rows ORDER BY last_seq LIMIT 1 OFFSET 5").fetchone()
    changed = bytearray(data)
    changed[len(changed) // 2] ^= 1
    with connection:
        connection.execute("UPDATE rows SET data = ? WHERE last_seq = ?", (bytes(changed), seq))
    connection.close()
    told = json.loads(run("verify", folder, "--json").out)
    assert (told["ok"], told["bad_record"]) == (False, seq)
    ran = run("verify", folder)
    assert (ran.code, ran.out.count(f"record {seq}")) == (1, 1)
    for command in ("replay", "events"):
        ran = run(command, folder, "--json")
        assert ran.code == 1, command
        assert f"record {seq}" in ran.err, command
        assert ran.err.count("\n") == 1, command


@pytest.mark.parametrize("place", [0.4, 0.6, 0.8])
def test_a_broken_page_of_the_file_is_refused_with_the_record_that_verify_names(
    run: Run, tmp_path: Path, place: float
) -> None:
    """The disk lost a page: good records stand before it, and replay and events name the first that cannot be read."""
    site = on_disk(tmp_path)
    site.open()
    for number in range(1, 150):
        site.commit(gas(number, 20), bank(number, low=frozenset(range(number % 3))))
    site.runner.close()
    site.store.close()
    path = tmp_path / "log.db"
    data = path.read_bytes()
    at = int(len(data) * place) // PAGE * PAGE
    path.write_bytes(data[:at] + b"\xff" * PAGE + data[at + PAGE :])
    told = json.loads(run("verify", tmp_path, "--json").out)
    assert (told["ok"], told["records"] > 0) == (False, True)
    for command in ("replay", "events"):
        ran = run(command, tmp_path)
        assert ran.code == 1, command
        assert ran.err.count(f"record {told['bad_record']}: ") == 1, command


def test_a_folder_without_a_log_is_exit_3(run: Run, tmp_path: Path) -> None:
    """There is nothing to read, and that is said."""
    for command in ("verify", "replay", "events"):
        ran = run(command, tmp_path)
        assert (ran.code, ran.out) == (3, "")
        assert "no log in" in ran.err


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["kpi", "--data", "{}"], "GET /api/v1/kpis of its gateway"),
        (["route", "h2_alarm", "--data", "{}"], "stands in the file that notify: names"),
        (["verify", "{}"], "GET /api/v1/sites of its gateway"),
        (["replay", "{}"], "GET /api/v1/sites of its gateway"),
        (["export", "a.csv", "--point", "north/r1/p", "--data", "{}"], "--config {}/fleet.yaml"),
    ],
)
def test_in_a_fleets_folder_one_is_told_where_its_figures_are(
    run: Run, tmp_path: Path, words: list[str], where: str
) -> None:
    """What asks of one site's log or history has a site's folder; those of the demo's sites are named."""
    (tmp_path / "fleet.yaml").touch()
    (tmp_path / "demo" / "north").mkdir(parents=True)
    (tmp_path / "demo" / "north" / "site.json").touch()
    ran = run(*(word.format(tmp_path) for word in words))
    assert ran.code == 3
    assert f"{tmp_path} is a fleet's folder, and this is asked of one site's ({tmp_path / 'demo' / 'north'})" in ran.err
    assert where.format(tmp_path) in ran.err
