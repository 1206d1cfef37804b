"""fsync answers EIO: closed, opened again, looked at, and nothing is lost or written twice."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.devices.frame import Frame
from shared.log.sqlite_read import SqliteReader
from shared.wire.inputs import decode_input
from tests.testkit.faults import failing

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("when", ["14..20", "15", "22..40+2"])
def test_a_failing_fsync_costs_nothing(tmp_path: Path, when: str) -> None:
    """Once, for a while, or every other time: each scan is in the log once, in order, and the log is sound."""
    command = failing([sys.executable, "-m", "tests.services.processor.eio", tmp_path], when=when)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-2:] == ["end durable", "sound True True"]
    assert sum("ampward.alarm.raised.v1" in line for line in lines) >= 1
    reader = SqliteReader.open(tmp_path / "log.db")
    bodies = [decode_input(row.data).body for row in reader.inputs(0, 10_000)]
    reader.close()
    assert [body.device_seq for body in bodies if isinstance(body, Frame)] == list(range(1, 31))


def test_a_disk_that_never_syncs_is_told_and_marked(tmp_path: Path) -> None:
    """From some moment on nothing is durable any more, and every later answer says so."""
    command = failing([sys.executable, "-m", "tests.services.processor.eio", tmp_path], when="14+")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line.split() for line in done.stdout.splitlines()]
    told = [line[1] for line in lines if line[0].isdigit()]
    assert len(told) == 30
    assert told[-1] == "undurable"
    assert told == sorted(told)
    assert ["end", "undurable"] in lines
    raised = next(line for line in lines if "ampward.alarm.raised.v1" in line[2:] and line[0] == "13")
    assert raised[1] == "undurable"
