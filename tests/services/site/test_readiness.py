"""What systemd hears, on a real datagram socket: fed while guard and the site process live, silent otherwise."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.site import readiness
from services.site.readiness import SITE_SILENT_S, START_S, Readiness


class Systemd:
    """The other end of NOTIFY_SOCKET, and the clock of who speaks to it."""

    def __init__(self, path: Path) -> None:
        self.now = 1000.0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0)

    def heard(self) -> list[str]:
        """Every line since the last look."""
        lines: list[str] = []
        while True:
            try:
                lines += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    made = Systemd(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    monkeypatch.setattr(readiness, "monotonic", lambda: made.now)
    yield made
    made.close()


def fed(systemd: Systemd, told: Readiness, *, guard_alive: bool = True, site_alive_at: float = 0.0) -> bool:
    """Whether the watchdog is fed ten seconds later."""
    systemd.now += 10
    systemd.heard()
    told.look(guard_alive=guard_alive, site_alive_at=site_alive_at)
    return "WATCHDOG=1" in systemd.heard()


def test_ready_is_said_when_the_trip_is(systemd: Systemd) -> None:
    """Type=notify: the service counts as started from here on."""
    Readiness().ready()
    assert systemd.heard()[0] == "READY=1"


def test_the_watchdog_is_fed_while_guard_and_the_site_process_live(systemd: Systemd) -> None:
    """A sign of life a moment ago is enough."""
    assert fed(systemd, Readiness(), site_alive_at=systemd.now)


def test_a_guard_that_does_not_answer_is_not_fed_for(systemd: Systemd) -> None:
    """Then the parent alone proves nothing; it is fed again when guard is back."""
    told = Readiness()
    assert not fed(systemd, told, guard_alive=False, site_alive_at=systemd.now)
    assert fed(systemd, told, site_alive_at=systemd.now)


def test_a_site_process_without_a_sign_of_life_is_not_fed_for(systemd: Systemd) -> None:
    """Within the parent's own patience it is, beyond it is not."""
    told = Readiness()
    assert fed(systemd, told, site_alive_at=systemd.now + 10 - SITE_SILENT_S)
    assert not fed(systemd, told, site_alive_at=systemd.now + 9 - SITE_SILENT_S)


def test_a_site_process_that_starts_has_its_time(systemd: Systemd) -> None:
    """A long log may take a while; one that never comes is no living site."""
    told = Readiness()
    assert fed(systemd, told)
    systemd.now += START_S
    assert not fed(systemd, told)
    told.site_begins()
    assert fed(systemd, told)


def test_a_short_watchdog_of_the_unit_is_kept(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times within WatchdogSec, whatever an administrator has set."""
    monkeypatch.setenv("WATCHDOG_USEC", "6000000")
    told, beats = Readiness(), 0
    for _ in range(60):
        systemd.now += 0.5
        told.look(guard_alive=True, site_alive_at=systemd.now)
        beats += systemd.heard().count("WATCHDOG=1")
    assert beats >= 12
