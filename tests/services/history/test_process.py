"""The history's process on a real folder: it follows, it ends, it gets over a lost file and a rebuild beside it."""

import signal
import time
from pathlib import Path

import pytest

from services.history.answers import Step
from services.history.database import HistoryBroken
from services.history.rebuild import rebuild
from tests.services.history.life import POINT, Life, ask, begin, content, grow
from tests.services.history.test_growing import EVER
from tests.testkit.process import Running

WAIT_S = 60.0


def readings_of(folder: Path) -> int:
    """How many readings of the point the history has; 0 while it cannot be asked."""
    try:
        with ask(folder) as queries:
            return sum(row.good for row in queries.trend(POINT, *EVER, Step.MINUTE).rows)
    except Exception as fault:
        if isinstance(fault, HistoryBroken) or "no point" in str(fault):
            return 0
        raise


def wait_for(folder: Path, count: int) -> int:
    """Until so many are there, or the time is over."""
    for _ in range(int(WAIT_S / 0.1)):
        if readings_of(folder) >= count:
            break
        time.sleep(0.1)
    return readings_of(folder)


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return begin(tmp_path)


def test_it_follows_the_log_and_ends_with_term(life: Life, tmp_path: Path) -> None:
    """What comes later is there later; TERM writes what was read and exits 0."""
    for _ in range(10):
        life.scan(20)
    with Running.python("services.history", tmp_path) as process:
        assert wait_for(tmp_path, 10) == 10
        for _ in range(10):
            life.scan(30)
        assert wait_for(tmp_path, 20) == 20
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    life.site.kill()


def test_a_file_that_is_taken_away_or_damaged_is_grown_anew(life: Life, tmp_path: Path) -> None:
    """Deleting it while the process runs is how a person asks for it; damage is found at the next start."""
    for _ in range(10):
        life.scan(20)
    with Running.python("services.history", tmp_path):
        assert wait_for(tmp_path, 10) == 10
        (tmp_path / "history.db").unlink()
        assert wait_for(tmp_path, 10) == 10
    (tmp_path / "history.db").write_bytes(b"no database at all" * 500)
    with Running.python("services.history", tmp_path):
        assert wait_for(tmp_path, 10) == 10
    life.site.kill()


def test_a_rebuild_beside_the_process_is_taken_over(life: Life, tmp_path: Path) -> None:
    """The command grows a new file, the process puts it in the old one's place and goes on with it."""
    for _ in range(10):
        life.scan(20)
    with Running.python("services.history", tmp_path):
        assert wait_for(tmp_path, 10) == 10
        before = (tmp_path / "history.db").stat().st_ino
        rebuild(tmp_path)
        assert (tmp_path / "history.db").stat().st_ino != before
        life.scan(50)
        assert wait_for(tmp_path, 11) == 11
    life.site.kill()
    whole = content(tmp_path / "history.db")
    grow(tmp_path, "again.db")
    assert content(tmp_path / "again.db") == whole
