"""kill -9 at every labelled step of a send: nothing is missed, a message is doubled at most once, and then marked; what
became of it stands in the log once."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from services.notifier.ledger_port import LABELS
from shared.domain.inputs import Report, ReportKind
from shared.log.store import SqliteStore
from tests.services.notifier.crashing import ALARMS, WHY, reports_of

OF_THE_LOG = ("before append", "after inputs", "before commit", "after commit", "before acting")


def run(folder: Path, crash_at: str = "") -> int:
    """One life of the notifier; how it ended."""
    environment = {**os.environ, "AMPWARD_CRASH_AT": crash_at}
    command = [sys.executable, "-m", "tests.services.notifier.crashing", str(folder)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode


def two_lives(folder: Path, crash_at: str) -> int:
    """The first one may be killed; how it ended."""
    (folder / "began").write_text(str(time.time_ns() // 1_000_000))
    first = run(folder, crash_at)
    assert run(folder) == 0
    return first


def logged(folder: Path) -> list[Report]:
    store = SqliteStore(folder, ballast_bytes=0)
    log = store.open().log
    assert log is not None
    found = reports_of(log.reader())
    log.close()
    store.close()
    return found


def judge_log(folder: Path) -> None:
    """Each end of a message once; each trouble once, unless nobody had written it down when the crash came."""
    tries = [line.split() for line in (folder / "tried").read_text().splitlines()]
    said = logged(folder)
    sent = Counter(one.detail.split()[0] for one in said if one.kind == ReportKind.DELIVERY_SENT)
    failed = Counter(one.detail.split()[0] for one in said if one.kind == ReportKind.DELIVERY_FAILED)
    assert sent == dict.fromkeys({message for message, _, _ in tries}, 1)
    assert all(one.detail.endswith(WHY) for one in said if one.kind == ReportKind.DELIVERY_FAILED)
    for message, times in Counter(message for message, _, what in tries if what == "failed").items():
        assert failed[message] in ((1,) if times > 1 else (0, 1)), f"{message} failed {times} times"
    failing = [one.on for one in said if one.kind == ReportKind.DELIVERY_FAILING]
    assert all(one != next_one for one, next_one in pairwise(failing)), "on, off, on, off"
    assert failing[::2] == [True] * (len(failing) // 2)


@pytest.mark.parametrize(
    "label", [f"{label}:{count}" for label in LABELS for count in ((1,) if "plan" in label else (ALARMS, ALARMS + 2))]
)
def test_a_kill_at_any_step_loses_nothing_and_doubles_at_most_what_was_under_way(tmp_path: Path, label: str) -> None:
    """The second life sends what is missing; what may have gone out is sent again marked as a repeat, once. The log has
    each outcome once. Each alarm's first attempt fails, its second arrives: the kill comes in one of either."""
    assert two_lives(tmp_path, label) == -signal.SIGKILL
    tries = [line.split() for line in (tmp_path / "tried").read_text().splitlines()]
    counted = Counter(message for message, _, what in tries if what == "sent")
    assert len(counted) == ALARMS, "each alarm has arrived"
    assert all(times <= 2 for times in counted.values())
    for message in (message for message, times in counted.items() if times > 1):
        marks = [repeat for one, repeat, what in tries if one == message and what == "sent"]
        assert marks == ["False", "True"], "a double is marked"
        assert "plan" not in label, "only a message that was under way can be doubled"
    judge_log(tmp_path)


@pytest.mark.parametrize("label", OF_THE_LOG)
def test_a_kill_at_any_step_of_the_log_leaves_each_outcome_in_it_once(tmp_path: Path, label: str) -> None:
    """What the log had not taken comes at the next start, and what it had taken does not."""
    assert two_lives(tmp_path, f"{label}:3") == -signal.SIGKILL
    judge_log(tmp_path)


def test_a_life_without_a_kill_reports_each_outcome_once(tmp_path: Path) -> None:
    """Three messages that were put off, three that arrived, and the channel's trouble with its end."""
    (tmp_path / "began").write_text(str(time.time_ns() // 1_000_000))
    assert run(tmp_path) == 0
    assert run(tmp_path) == 0, "a start with nothing to tell"
    kinds = Counter(one.kind for one in logged(tmp_path))
    assert kinds == {
        ReportKind.DELIVERY_SENT: ALARMS, ReportKind.DELIVERY_FAILED: ALARMS, ReportKind.DELIVERY_FAILING: 2,
    }  # fmt: skip
    judge_log(tmp_path)
