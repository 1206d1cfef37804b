"""Devices and clients that are not ours: a libmodbus server driven by its standard input, and the ``ampward`` command.

Used by the black-box tests: they know the product only by its documented names.
"""

import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.testkit.web import web

HERE = Path(__file__).parent
PATIENCE_S = 60.0
"""For a loaded machine; what takes this long has failed."""
AMPWARD = str(Path(sys.executable).with_name("ampward"))


def build_device(folder: Path) -> Path:
    """The libmodbus device as a program in ``folder``, compiled once a run."""
    program = folder / "foreign_device"
    program.write_bytes(_compiled())
    program.chmod(0o755)
    return program


@functools.cache
def _compiled() -> bytes:
    """A missing compiler or library is a failure, never a skip."""
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libmodbus"], check=True, capture_output=True, text=True
    ).stdout.split()
    compiler = shutil.which("cc") or "gcc"
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "foreign_device"
        subprocess.run([compiler, "-O1", str(HERE / "foreign_device.c"), "-o", str(program), *flags], check=True)
        return program.read_bytes()


class ForeignDevice:
    """One running libmodbus device: set its inputs, read what masters wrote to it."""

    def __init__(self, program: Path, on_coil: Callable[["ForeignDevice", int, int], None] | None = None) -> None:
        self._process = subprocess.Popen(
            [str(program), "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline().split()[1])
        self.coils: dict[int, int] = {}
        self.seen: set[tuple[int, int]] = set()
        """Every coil with every value that masters ever wrote to it: what was may be over before anybody looks."""
        self.registers: dict[int, int] = {}
        self.silences_ms: list[int] = []
        """After which its watchdog has fallen."""
        self._on_coil = on_coil
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            table, address, value = line.split()
            if table == "coil":
                self.coils[int(address)] = int(value)
                self.seen.add((int(address), int(value)))
                if self._on_coil is not None:
                    self._on_coil(self, int(address), int(value))
            elif table == "watchdog":
                self.silences_ms.append(int(value))
            else:
                self.registers[int(address)] = int(value)

    def set(self, table: str, address: int, value: int) -> None:
        """``table``: h holding register, d discrete input, c coil (behind the master's back)."""
        assert self._process.stdin is not None
        if table == "c":
            self.coils[address] = value
        self._process.stdin.write(f"{table} {address} {value}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def wait_for(what: str, probe: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """Ask ``probe`` until it answers something true; a failure says what was waited for and the last answer."""
    end = time.monotonic() + seconds
    answer: Any = None
    while time.monotonic() < end:
        try:
            answer = probe()
        except (OSError, httpx.HTTPError, ValueError, KeyError) as trouble:
            answer = trouble
        else:
            if answer:
                return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain for: {what}; last answer: {answer!r}")


class Site:
    """A running ``ampward run``, seen as an operator sees it."""

    def __init__(self, site_file: Path, data: Path, *more: str, program: tuple[str, ...] = ()) -> None:
        self.data = data
        self._output = (data.parent / f"{data.name}.out").open("a")
        options = ("--data", str(data), "--http", "127.0.0.1:0", "--no-view", *more)
        arguments = [*(program or (AMPWARD,)), "run", str(site_file), *options]
        started = time.time()
        self.process = subprocess.Popen(arguments, stdout=self._output, stderr=subprocess.STDOUT)
        record = data / "run.json"

        def fresh() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"ampward ended with {self.process.returncode}: {self.printed()}")
            return record.exists() and record.stat().st_mtime >= started

        wait_for("DIR/run.json", fresh)
        self.record: dict[str, Any] = json.loads(record.read_text())

    def printed(self) -> str:
        return Path(self._output.name).read_text()

    def get(self, path: str) -> Any:
        record = json.loads((self.data / "run.json").read_text())
        address = record["http"] if str(record["http"]).startswith("http") else f"http://{record['http']}"
        token = (self.data / "token").read_text().strip()
        answer = web().get(f"{address}{path}", headers={"Authorization": f"Bearer {token}"})
        answer.raise_for_status()
        return answer.json()

    def alarms(self) -> dict[str, dict[str, Any]]:
        """Alarms by rule; the tests have one of each."""
        return {item["rule"]: item for item in self.get("/api/v1/alarms")["items"]}

    def outputs(self) -> dict[str, dict[str, Any]]:
        return {item["id"]: item for item in self.get("/api/v1/outputs")["items"]}

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return ampward(*words, "--data", str(self.data))

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE_S)

    def end_everything(self) -> None:
        """For a test's clean-up: the parent, then a guard that outlived it."""
        if self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._output.close()
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError, KeyError):
            os.kill(json.loads((self.data / "run.json").read_text())["guard_pid"], 9)


def ampward(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command and give what it printed and its exit code."""
    return subprocess.run([AMPWARD, *words], capture_output=True, text=True, timeout=2 * PATIENCE_S)


@contextlib.contextmanager
def running(site_file: Path, data: Path, *more: str, program: tuple[str, ...] = ()) -> Iterator[Site]:
    site = Site(site_file, data, *more, program=program)
    try:
        yield site
    finally:
        site.end_everything()
