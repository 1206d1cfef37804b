"""An uplink that is killed at any step loses nothing, and its epoch never goes back."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from services.uplink.place import read_place
from tests.services.processor.site import on_disk
from tests.services.uplink.centre import made_of
from tests.services.uplink.driver import FRAMES, read_fleet
from tests.services.uplink.running import recorded
from tests.services.uplink.test_lane import live

KILLS = [
    ("after read", 1, 0),
    ("after read", 3, 0),
    ("after rule set", 1, 0),
    ("after hand-over", 1, 0),
    ("after hand-over", 4, 0),
    ("after acknowledgement", 1, 0),
    ("after acknowledgement", 3, 0),
    ("before place", 2, 0),
    ("after place", 2, 0),
    ("before epoch", 1, 30),
    ("after epoch", 1, 30),
    ("after hand-over", 2, 30),
]
"""(label, the time it is come to, the number that the fleet asks again from, or 0)."""

SCANS = 3 * FRAMES
"""Two frames each: six blocks and more."""


def run(folder: Path, fleet: Path, from_seq: int, crash: str = "") -> int:
    command = [sys.executable, "-m", "tests.services.uplink.driver", str(folder), str(fleet), str(from_seq)]
    done = subprocess.run(command, env={**os.environ, "AMPWARD_CRASH_AT": crash}, timeout=60, check=False)
    return done.returncode


def test_a_kill_at_each_step_loses_nothing(tmp_path: Path) -> None:
    """After each kill the next uplink goes on; at the end the fleet has the log, in order, without a hole."""
    folder, fleet = tmp_path / "data", tmp_path / "fleet"
    folder.mkdir()
    site = on_disk(folder)
    site.open()
    epoch, first = 0, 1
    for label, times, from_seq in KILLS:
        live(site, SCANS, first=first)
        first += SCANS
        assert run(folder, fleet, from_seq, f"{label}:{times}") == -signal.SIGKILL, label
        place = read_place(folder)
        assert place is None or place.epoch >= epoch
        epoch = place.epoch if place is not None else epoch
        known = set(read_fleet(fleet))
        assert run(tmp_path / "data", fleet, 0) == 0
        centre = made_of(read_fleet(fleet))
        assert [row.data for row in centre.inputs.values()] == recorded(folder), label
        assert (centre.holes, centre.order) == ([], sorted(centre.order)), label
        assert known <= set(read_fleet(fleet))
    site.kill()


def test_a_label_that_is_none_is_refused(tmp_path: Path) -> None:
    """A misspelt step cannot pass for a kill."""
    assert run(tmp_path, tmp_path / "fleet", 0, "after nothing") == 1
