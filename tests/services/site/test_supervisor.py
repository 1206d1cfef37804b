"""Children: started again when they end, ended when told, their lines given on whole."""

import os
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from services.site.children import DELAY_MAX_S, Child
from services.site.supervisor import Supervisor
from tests.testkit.process import is_alive

Lines = list[tuple[str, str, bytes]]


class House:
    """A supervisor that notes what it hears."""

    def __init__(self) -> None:
        self.lines: Lines = []
        self.ends: list[str] = []
        self.supervisor = Supervisor(os.environ, self._line, self._end)

    def _line(self, child: Child, stream: str, line: bytes) -> None:
        self.lines.append((child.name, stream, line))

    def _end(self, child: Child, how: str) -> bool:
        self.ends.append(how)
        return bool(child.name)


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    for child in made.supervisor.children:
        made.supervisor.stop(child.name, 5)
    made.supervisor.close()


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def test_a_killed_child_is_started_again(house: House) -> None:
    """kill -9, and another process does its work."""
    child = Child("site", program("import time; time.sleep(60)"))
    house.supervisor.start(child)
    first = child.pid
    os.kill(first, signal.SIGKILL)
    assert house.supervisor.until(lambda: child.is_running and child.pid != first, 60)
    assert house.ends == ["killed by SIGKILL"]
    assert child.starts == 2


def test_a_child_that_dies_again_and_again_is_not_started_without_pause(house: House) -> None:
    """The delay grows to a second and no further: a crash loop neither burns the box nor waits for long."""
    child = Child("site", program("pass"))
    house.supervisor.start(child)
    house.supervisor.until(lambda: child.starts >= 5, 60)
    delays = []
    for _ in range(3):
        house.supervisor.until(lambda: child.restart_at > 0, 60)
        delays.append(child.restart_at - time.monotonic())
        house.supervisor.until(lambda: child.restart_at == 0, 60)
    assert all(delay <= DELAY_MAX_S for delay in delays)
    assert max(delays) > DELAY_MAX_S / 2


def test_a_stopped_child_stays_stopped_even_when_it_ignores_term(house: House) -> None:
    """TERM first, KILL after the time, no start after it."""
    text = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    child = Child("site", program(text), piped=True)
    house.supervisor.start(child)
    house.supervisor.until(lambda: bool(house.lines), 60)
    pid = child.pid
    house.supervisor.stop("site", 0.2)
    assert not is_alive(pid)
    assert house.ends == ["killed by SIGKILL"]
    house.supervisor.turn(0.1)
    assert child.starts == 1


def test_lines_arrive_whole_and_last_words_too(house: House) -> None:
    """A line in two writes is one line; what a dying process said is heard."""
    text = (
        "import sys, time; sys.stdout.write('half '); sys.stdout.flush(); time.sleep(0.2); print('line', flush=True);"
        "sys.stderr.write('last words')"
    )
    child = Child("plantsim", program(text), piped=True)
    house.supervisor.start(child)
    assert house.supervisor.until(lambda: bool(house.ends), 60)
    assert ("plantsim", "stdout", b"half line") in house.lines
    assert ("plantsim", "stderr", b"last words") in house.lines


def test_an_adopted_process_is_watched_like_a_child(house: House) -> None:
    """A guard that outlived its parent: its end starts another."""
    other = Child("other", program("import time; time.sleep(60)"))
    other.start(os.environ)
    adopted = Child("guard", program("import time; time.sleep(60)"), own_session=True)
    house.supervisor.adopt(adopted, other.pid)
    other.send(signal.SIGKILL)
    assert house.supervisor.until(lambda: adopted.starts == 2 and adopted.is_running, 60)
    assert other.process is not None and other.process.stderr is not None
    other.process.stderr.close()
    other.ended()
