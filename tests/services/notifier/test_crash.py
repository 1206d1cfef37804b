"""kill -9 at every labelled step of a send: nothing is missed, a message is doubled at most once, and then marked."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from services.notifier.ledger import LABELS
from tests.services.notifier.crashing import ALARMS


def run(folder: Path, crash_at: str = "") -> int:
    """One life of the notifier; how it ended."""
    environment = {**os.environ, "AMPWARD_CRASH_AT": crash_at}
    command = [sys.executable, "-m", "tests.services.notifier.crashing", str(folder)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("label", LABELS)
def test_a_kill_at_any_step_loses_nothing_and_doubles_at_most_what_was_under_way(
    tmp_path: Path, label: str, number: int
) -> None:
    """The second life sends what is missing; what may have gone out is sent again marked as a repeat, once."""
    (tmp_path / "began").write_text(str(time.time_ns() // 1_000_000))
    first = run(tmp_path, f"{label}:{number}")
    if "plan" not in label or number == 1:
        assert first == -signal.SIGKILL
    assert run(tmp_path) == 0
    arrived = [line.split() for line in (tmp_path / "arrived").read_text().splitlines()]
    counted = Counter(message for message, _ in arrived)
    assert len(counted) == ALARMS, "each alarm has arrived"
    again = [message for message, times in counted.items() if times > 1]
    assert all(times <= 2 for times in counted.values())
    for message in again:
        assert [repeat for one, repeat in arrived if one == message] == ["False", "True"], "a double is marked"
    if "plan" in label:
        assert not again, "only a message that was under way can be doubled"
    told = Counter((tmp_path / "told").read_text().split())
    assert set(told) == set(counted), "the log was told of each"
