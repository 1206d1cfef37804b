"""Questions that commissioning asks at a terminal: asked until they are answered, and broken off without an answer."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from select import select

import pytest

from services.site.command import files
from tests.testkit.ports import free_port

EXAMPLE = Path("infra/sites/examples/first-site.yaml")
WITHIN_S = 60.0


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """(the person's end, the program's end)."""
    ends = os.openpty()
    yield ends
    for each in ends:
        os.close(each)


@pytest.mark.parametrize(("typed", "answer"), [("y", True), ("YES", True), ("n", False), ("no", False), ("", False)])
def test_a_question_is_asked_until_it_is_answered(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, *,
    answer: bool,
) -> None:  # fmt: skip
    """What is neither yes nor no is none; who just presses Enter has not said yes."""
    with os.fdopen(os.dup(terminal[1]), encoding="utf-8") as source:
        monkeypatch.setattr(sys, "stdin", source)
        os.write(terminal[0], f"perhaps\n{typed}\n".encode())
        assert files._ask("Is it on?") is answer
    assert capsys.readouterr().err == "Is it on? [y/N]: " * 2


def _until(asked: "subprocess.Popen[bytes]", words: bytes) -> None:
    """Reads what the program says up to these words."""
    assert asked.stderr is not None
    told = b""
    while words not in told:
        assert select([asked.stderr], [], [], WITHIN_S)[0], told
        data = os.read(asked.stderr.fileno(), 4096)
        assert data, told
        told += data


def test_ctrl_c_at_a_question_ends_the_program(terminal: tuple[int, int], tmp_path: Path) -> None:
    """Nobody has to answer it first, and it ends in order, also when its standard output is a file."""
    # A test run in the background of a shell hands on a SIGINT that is ignored.
    hears = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{hears}; from services.site.command import main; main()"
    asked = subprocess.Popen(
        [sys.executable, "-c", program, "commission", str(EXAMPLE), "--data", str(tmp_path / "data")],
        stdin=terminal[1], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "GATEWAY": f"127.0.0.1:{free_port()}"},
    )  # fmt: skip
    with asked:
        try:
            _until(asked, b"[y/N]: ")
            asked.send_signal(signal.SIGINT)
            code = asked.wait(WITHIN_S)
        finally:
            asked.kill()
    assert code == 130
