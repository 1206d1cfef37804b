"""kill -9 at every labelled step: no accepted input lost, no event missed or doubled, chain and replay equal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.processor.replay import replay
from services.processor.verify import verify
from shared.devices.frame import Frame
from shared.log.sqlite_read import SqliteReader
from shared.log.steps import LABELS
from shared.runtime.crashpoints import VARIABLE, crash_step
from shared.wire.inputs import decode_input
from tests.contract.forgery import flip_input
from tests.services.processor.driver import LIMITS

ROOT = Path(__file__).parents[3]
COUNT = 60
SET_ASIDE = tuple(label for label in LABELS if "set-aside" in label)
KILLED = -9


def _drive(folder: Path, crash_at: str = "") -> tuple[int, list[int]]:
    """(exit code, numbers that were accepted) of one life of the driver."""
    command = [sys.executable, "-m", "tests.services.processor.driver", str(folder), str(COUNT)]
    environment = {**os.environ, VARIABLE: crash_at}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, KILLED), done.stderr
    return done.returncode, [int(line) for line in done.stdout.split()]


def _frames(folder: Path, *, is_whole: bool = False) -> list[tuple[str, int]]:
    """(device, number) of each; ``is_whole``: only where none are deleted, behind the folded intervals."""
    reader = SqliteReader.open(folder / "log.db")
    after = reader.folded_to() if is_whole else 0
    bodies = [decode_input(row.data).body for row in reader.inputs(after, 1_000_000)]
    reader.close()
    return [(body.device, body.device_seq) for body in bodies if isinstance(body, Frame)]


def _check(folder: Path, accepted: set[int], *, is_whole: bool) -> None:
    found = verify(folder)
    assert found.ok, found
    again = replay(folder)
    assert again.equal, again.first_difference
    frames = _frames(folder)
    assert len(frames) == len(set(frames)), "a scan is in the log twice"
    if is_whole:
        young = sorted(number for device, number in _frames(folder, is_whole=True) if device == "gas1")
        assert young == list(range(young[0], COUNT + 1)), "an accepted scan is not in the log"
        assert {number for number in accepted if number >= young[0]} <= set(young)
    reader = SqliteReader.open(folder / "log.db")
    numbers = [row.room_no for _, row in reader.events(None, 1_000_000) if row.room == "r1"]
    reader.close()
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "an event is missing or there twice"


@pytest.mark.parametrize("label", [label for label in LABELS if label not in SET_ASIDE])
def test_killed_at_a_step_of_the_log_nothing_is_lost_or_doubled(tmp_path: Path, label: str) -> None:
    """Killed there early and late in its life, then let go on: the log is what an undisturbed one would be."""
    accepted: set[int] = set()
    killed = 0
    for crash_at in (f"{label}:2", label, ""):
        code, numbers = _drive(tmp_path, crash_at)
        killed += code == KILLED
        assert not accepted & set(numbers), "a number was accepted twice"
        accepted |= set(numbers)
        assert verify(tmp_path).ok
    assert killed >= 1
    assert max(accepted) == COUNT
    _check(tmp_path, accepted, is_whole=True)
    assert LIMITS.frames_days == 1


@pytest.mark.parametrize("label", [*SET_ASIDE, "after inputs", "before commit", "after commit"])
def test_killed_while_setting_a_damaged_log_aside_the_state_is_not_lost(tmp_path: Path, label: str) -> None:
    """Whatever moment of it: the next start has the new log with its Resyncs, or sets aside again."""
    code, accepted = _drive(tmp_path, "before acting:30")
    assert code == KILLED
    flip_input(tmp_path, verify(tmp_path).site_seq - 6)
    assert _drive(tmp_path, label)[0] == KILLED
    code, more = _drive(tmp_path)
    assert (code, max(more)) == (0, COUNT)
    assert len([path for path in tmp_path.iterdir() if path.name.startswith("damaged-")]) == 1
    _check(tmp_path, set(accepted) | set(more), is_whole=False)
    reader = SqliteReader.open(tmp_path / "log.db")
    kinds = [row.kind for row in reader.inputs(0, 8)]
    reader.close()
    assert kinds[0] == "start"
    assert kinds.count("resync") == 2


def test_an_unknown_label_is_refused() -> None:
    """A misspelt label would never be reached, and the test would prove nothing."""
    with pytest.raises(ValueError, match="after comit"):
        crash_step({VARIABLE: "after comit"})
