"""Processes that end with their parent, signals that can be waited for, systemd's notices."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared.runtime.lifecycle import End, Signals, notify_systemd
from tests.testkit.process import is_alive, wait_for

CHILD = (
    "from shared.runtime.lifecycle import *; end_with_parent(); import time; print('up', flush=True); time.sleep(60)"
)
PARENT = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], env=dict(os.environ, AMPWARD_PARENT=str(os.getpid())))
print(child.pid, flush=True)
child.wait()
"""


SIGNALLED = """
from shared.runtime.lifecycle import Signals
signals = Signals()
signals.install()
print("up", flush=True)
asked = False
while not signals.ended.wait(1e-6):
    asked |= signals.take_reload()
    signals.drain()
print(asked)
"""


def test_a_child_ends_when_its_parent_is_killed() -> None:
    """kill -9 of the parent leaves no site process behind."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "up\n"
    parent.kill()
    parent.wait()
    wait_for(lambda: not is_alive(child), within_s=60)
    parent.stdout.close()


def test_a_child_whose_parent_has_gone_already_does_not_begin() -> None:
    """The kernel's notice would never come: the pid says so."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env={**os.environ, "AMPWARD_PARENT": "1"}, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "the parent has gone" in done.stderr


def test_signals_set_flags_and_wake_who_waits() -> None:
    """TERM ends, HUP asks for a reload, once."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    signals = Signals()
    try:
        signals.install()
        os.kill(os.getpid(), signal.SIGHUP)
        assert os.read(signals.descriptor, 10) == b"."
        assert (signals.take_reload(), signals.take_reload()) == (True, False)
        assert not signals.ended.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.ended.wait(60)
        signals.drain()
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), before, strict=True):
            signal.signal(number, handler)


def test_a_signal_at_any_moment_stops_nobody() -> None:
    """The handler runs between two instructions of the main thread, also while that waits, looks or takes a reload."""
    with subprocess.Popen([sys.executable, "-c", SIGNALLED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        for _ in range(20_000):
            process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()
        assert process.stdout.read() == "True\n"


def test_an_end_lets_everyone_through_who_waits() -> None:
    """Threads that wait without limit, one that comes later, and one whose time was over before."""
    end = End()
    assert not end.wait(0)
    assert not end.wait(0.001)
    threads = [threading.Thread(target=end.wait, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    end.set()
    end.set()
    for thread in threads:
        thread.join(60)
    assert [thread.is_alive() for thread in threads] == [False] * 8
    assert (end.wait(), end.wait(0), end.is_set()) == (True, True, True)


def test_systemd_is_told_on_its_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY and WATCHDOG arrive as datagrams; without systemd nothing happens."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify_systemd("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        address = os.path.relpath(tmp_path / "n")
        systemd.bind(address if len(address) < 100 else "\0ampward-test-notify")
        monkeypatch.setenv("NOTIFY_SOCKET", address if len(address) < 100 else "@ampward-test-notify")
        notify_systemd("READY=1")
        assert systemd.recv(100) == b"READY=1"
