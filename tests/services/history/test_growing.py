"""The history as it grows from a real log: what it says, and that it says the same however it was grown."""

import os
import sqlite3
from itertools import count, pairwise
from pathlib import Path
from shutil import copytree

import pytest

from services.history.answers import Step, TooMuch, UnknownPoint
from services.history.database import HistoryDamaged, NoHistory
from services.history.growing import Growing
from services.history.keeper import Keeper
from services.history.kinds import Kind
from services.history.queries import chosen
from services.history.rebuild import rebuild
from services.history.rolls import HOUR_MS
from services.processor import keeping, runner
from shared.devices.plan import LogLimits
from shared.log import sqlite
from tests.services.history.life import (
    EVERY_MS,
    JAR,
    MINUTE_MS,
    POINT,
    Life,
    an_hour_and_a_half,
    ask,
    begin,
    content,
    expected,
    grow,
)
from tests.services.processor.plant import H2_ALARM, bank, gas
from tests.services.processor.site import on_disk

EVER = (0, 4_102_444_800_000)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Life]:
    """A folder with a log over midnight, and its history."""
    folder = tmp_path_factory.mktemp("lived")
    life = begin(folder)
    an_hour_and_a_half(life)
    life.site.kill()
    grow(folder)
    return folder, life


@pytest.mark.parametrize(("step", "step_ms"), [(Step.MINUTE, MINUTE_MS), (Step.HOUR, 60 * MINUTE_MS)])
def test_roll_ups_are_what_the_readings_say(lived: tuple[Path, Life], step: Step, step_ms: int) -> None:
    """Over a day that was turned round and one that was not, a silent device and a hole."""
    folder, life = lived
    with ask(folder) as queries:
        trend = queries.trend(POINT, *EVER, step)
    assert list(trend.rows) == expected(life.readings, step_ms)
    assert (trend.unit, trend.decimals) == ("%vol", 4)


def test_a_hole_has_no_row_and_silence_has_no_value(lived: tuple[Path, Life]) -> None:
    """Ten minutes without a scan are not there; minutes with timeouts only are there, bad and without a value."""
    folder, _ = lived
    with ask(folder) as queries:
        rows = queries.trend(POINT, *EVER, Step.MINUTE).rows
    gaps = [later.at_ms - row.at_ms for row, later in pairwise(rows)]
    assert max(gaps) >= 10 * MINUTE_MS
    silent = [row for row in rows if row.quality == "bad"]
    assert silent
    assert all((row.low, row.mean, row.last) == (None, None, None) and row.bad for row in silent)


def test_raw_readings_come_from_the_log(lived: tuple[Path, Life]) -> None:
    """Each reading at its own time, those without a value too."""
    folder, life = lived
    with ask(folder) as queries:
        rows = queries.trend(POINT, *(life.readings[0][0], life.readings[-1][0] + 1), Step.RAW).rows
    assert [(row.at_ms, row.last) for row in rows] == life.readings


@pytest.mark.parametrize(
    ("begin_ms", "end_ms", "step"),
    [
        (100, 100 + 15 * MINUTE_MS, Step.RAW),
        (100, 101 + 15 * MINUTE_MS, Step.MINUTE),
        (0, 50, Step.MINUTE),
        (0, 51, Step.RAW),
        (2 * HOUR_MS, 2 * HOUR_MS + 1, Step.MINUTE),
        (0, 48 * HOUR_MS, Step.MINUTE),
        (0, 48 * HOUR_MS + 1, Step.HOUR),
    ],
)
def test_auto_is_readings_for_a_short_time_in_which_there_are_some(begin_ms: int, end_ms: int, step: Step) -> None:
    """They are kept for less long than minutes are: what is older is told in minutes, and not as empty."""
    assert chosen(Step.AUTO, begin_ms, end_ms, (50, 2 * HOUR_MS)) is step


def test_late_readings_are_uncertain(tmp_path: Path) -> None:
    """A frame that came too late to be decided by is in its own minute, and marked."""
    life = begin(tmp_path)
    life.scan(20)
    life.scan(30, late_ms=10_000)
    life.site.kill()
    grow(tmp_path)
    with ask(tmp_path) as queries:
        rows = queries.trend(POINT, *EVER, Step.MINUTE).rows
    assert (sum(row.good for row in rows), sum(row.uncertain for row in rows)) == (1, 1)
    assert "uncertain" in {row.quality for row in rows}


def test_the_journal_has_every_transition_with_actor_and_reason(lived: tuple[Path, Life]) -> None:
    """In the order of the log, as the site told them."""
    folder, life = lived
    told = [event for event in life.site.events if event.type.startswith("ampward.alarm.")]
    with ask(folder) as queries:
        rows = queries.journal([Kind.ALARM], *EVER)
    assert [(row.site_seq, row.ordinal, row.type, row.subject, row.actor, row.reason) for row in rows] == [
        (event.site_seq, event.ordinal, event.type, event.subject, event.actor, event.reason) for event in told
    ]
    (acked,) = [row for row in rows if row.type == "ampward.alarm.acked.v1"]
    assert (acked.subject, acked.actor, acked.reason) == (H2_ALARM, "cli:anna", "seen")


def test_outputs_are_told_with_their_cause(lived: tuple[Path, Life]) -> None:
    """The fan was demanded, and the journal says by what."""
    folder, _ = lived
    with ask(folder) as queries:
        rows = queries.journal([Kind.OUTPUT], *EVER)
    assert any(
        row.type == "ampward.output.demanded.v1" and row.subject == "s/r1/io1-do0" and row.reason for row in rows
    )


def test_a_history_grown_live_is_the_one_grown_anew(tmp_path: Path) -> None:
    """Row for row, with restarts of its process at any moment, flushed after each step."""
    life, turns = begin(tmp_path), count()
    growing = Growing(tmp_path, tmp_path / "history.db")
    real = life.site.tick

    def tick(after_ms: int = 1000) -> object:
        nonlocal growing
        made = real(after_ms)
        turn = next(turns)
        growing.step()
        if turn % 3 == 0:
            growing.flush()
        if turn % 50 == 49:
            growing.close()
            growing = Growing(tmp_path, tmp_path / "history.db")
        return made

    life.site.tick = tick  # type: ignore[method-assign,assignment]
    an_hour_and_a_half(life)
    growing.step()
    growing.flush()
    growing.close()
    life.site.kill()
    live = content(tmp_path / "history.db")
    made = rebuild(tmp_path)
    anew = content(tmp_path / "history.db")
    assert made.kept_days == 0
    assert live["minutes"]
    assert live["young"]
    assert len(live["events"]) > 10
    assert anew == live


def test_a_lost_or_damaged_history_grows_again(tmp_path: Path) -> None:
    """The file is a projection: without it, or with other bytes in it, the log gives the same one."""
    life = begin(tmp_path)
    an_hour_and_a_half(life)
    life.site.kill()
    grow(tmp_path)
    whole = content(tmp_path / "history.db")
    (tmp_path / "history.db").unlink()
    with pytest.raises(NoHistory):
        ask(tmp_path)
    grow(tmp_path)
    assert content(tmp_path / "history.db") == whole
    (tmp_path / "history.db").write_bytes(os.urandom(8192))
    with pytest.raises(HistoryDamaged):
        ask(tmp_path)
    with pytest.raises(HistoryDamaged):
        grow(tmp_path)


def test_a_kill_between_records_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and place are one transaction: what was cut off is read again, and nothing twice."""
    life = begin(tmp_path)
    an_hour_and_a_half(life)
    life.site.kill()
    grow(tmp_path, "whole.db")
    growing = Growing(tmp_path, tmp_path / "history.db")
    for reached in growing.follower.read(growing.tally):
        if reached > 200:
            break
    growing.flush()

    def cut(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    growing.step()
    monkeypatch.setattr(growing.tally, "state", cut)
    with pytest.raises(Exception, match="disk I/O error"):
        growing.flush()
    growing.close()
    grow(tmp_path)
    assert content(tmp_path / "history.db") == content(tmp_path / "whole.db")


def test_what_was_rolled_up_stays_when_frames_are_folded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log deletes old frames; the history keeps their roll-ups, and takes them over when it is grown anew."""
    monkeypatch.setattr(keeping, "DAY_MS", 10 * MINUTE_MS)
    monkeypatch.setattr(runner, "SNAPSHOT_MS", MINUTE_MS)
    monkeypatch.setattr(keeping, "AGE_CHECK_MS", MINUTE_MS)
    monkeypatch.setattr(sqlite, "YOUNG_INPUTS", 64)
    limits = LogLimits(frames_days=1, disk_low_mib=0, keep_around_alarm_ms=10_000)
    life = Life(on_disk(tmp_path, limits=limits))
    life.site.clock.wall += 86_400_000 - 30 * MINUTE_MS
    life.site.open()
    for n in range(200):
        life.scan(20 + n % 5)
        if n % 10 == 9:
            grow(tmp_path)
    life.site.kill()
    with ask(tmp_path) as queries:
        before = queries.trend(POINT, *EVER, Step.MINUTE).rows
        first_ms = life.readings[0][0]
        raw = queries.trend(POINT, first_ms, first_ms + MINUTE_MS, Step.RAW).rows
    assert list(before) == expected(life.readings, MINUTE_MS)
    assert raw == ()
    assert rebuild(tmp_path).kept_days == 2
    with ask(tmp_path) as queries:
        assert queries.trend(POINT, *EVER, Step.MINUTE).rows == before


def test_an_older_log_put_back_is_gone_on_with(tmp_path: Path) -> None:
    """Numbers come again under another log_id: what was rolled up stays, what is new is taken, and the hole is told."""
    (tmp_path / "site").mkdir()
    life = begin(tmp_path / "site")
    for n in range(20):
        life.scan(20 + n % 5)
    life.site.kill()
    copytree(tmp_path / "site", tmp_path / "older")
    life.site.open()
    for _ in range(10):
        life.scan(50)
    life.site.kill()
    grow(tmp_path / "site")
    (tmp_path / "site" / "history.db").rename(tmp_path / "older" / "history.db")
    put_back = Life(on_disk(tmp_path / "older"), life.number, life.readings)
    put_back.site.clock = life.site.clock
    put_back.site.starts = count(900)
    put_back.site.open()
    for _ in range(10):
        put_back.scan(60)
    put_back.site.kill()
    grow(tmp_path / "older")
    with ask(tmp_path / "older") as queries:
        rows = queries.trend(POINT, *EVER, Step.MINUTE).rows
    assert sum(row.good for row in rows) == len(life.readings)
    assert content(tmp_path / "older" / "history.db")["holes"]


def test_a_clock_set_back_by_a_day_joins_the_day_that_was_turned(tmp_path: Path) -> None:
    """Readings that say a day that is over are added to its rows."""
    life = begin(tmp_path)
    for n in range(200):
        life.scan(20 + n % 5)
    grow(tmp_path)
    late = life.readings[3][0]
    life.number += 1
    frame = gas(life.number, 90)._replace(sampled_at_ms=late)
    life.commit(frame, bank(life.number)._replace(sampled_at_ms=life.site.clock.wall))
    life.readings.insert(4, (late, 9_000))
    grow(tmp_path)
    life.site.kill()
    with ask(tmp_path) as queries:
        rows = queries.trend(POINT, *EVER, Step.MINUTE).rows
    minute = late // MINUTE_MS * MINUTE_MS
    (row,) = [row for row in rows if row.at_ms == minute]
    assert (row.high, row.last, row.good) == (9_000, 9_000, MINUTE_MS // EVERY_MS + 1)


def test_questions_that_have_no_answer_are_refused(lived: tuple[Path, Life]) -> None:
    """An unknown point, and raw readings of more than a day."""
    folder, _ = lived
    with ask(folder) as queries:
        with pytest.raises(UnknownPoint):
            queries.trend("s/r1/nothing", *EVER, Step.HOUR)
        with pytest.raises(TooMuch, match="24 hours"):
            queries.trend(JAR, *EVER, Step.RAW)


def test_two_writers_of_a_history_exclude_each_other(tmp_path: Path) -> None:
    """Whoever rebuilds beside a rebuild is told."""
    from services.history.rebuild import REBUILD_LOCK, held
    from shared.domain.errors import Busy

    life = begin(tmp_path)
    life.scan(20)
    life.site.kill()
    with held(tmp_path, REBUILD_LOCK), pytest.raises(Busy):
        rebuild(tmp_path)
    Keeper(tmp_path / "history.db").close()
