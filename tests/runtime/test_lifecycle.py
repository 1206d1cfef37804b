"""Processes that end with their parent, signals that can be waited for, systemd's notices."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from shared.runtime.lifecycle import Signals, notify_systemd
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
        assert signals.ended.wait(5)
        signals.drain()
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), before, strict=True):
            signal.signal(number, handler)


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
