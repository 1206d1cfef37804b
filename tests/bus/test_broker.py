"""Which broker a site gets: one that runs, Mosquitto, one to be installed, amqtt, or none; and that it works."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.bus import broker as brokers
from shared.bus import broker_host
from shared.bus.address import parse_url
from shared.bus.broker import find_broker, is_listening
from shared.domain.errors import ConfigError
from tests.bus.brokers import Mosquitto
from tests.testkit.ports import free_port
from tests.testkit.process import wait_for


def test_a_broker_that_listens_is_used(broker: Mosquitto, tmp_path: Path) -> None:
    """Nothing is started beside a broker that is there."""
    found = find_broker(f"mqtt://127.0.0.1:{broker.port}", tmp_path)
    assert found.command == ()
    assert found.told == f"MQTT: the broker that listens at mqtt://127.0.0.1:{broker.port}"


@pytest.mark.parametrize("url", ["mqtt://broker.example", "mqtts://127.0.0.1:8883"])
def test_a_broker_elsewhere_is_not_ours_to_start(url: str, tmp_path: Path) -> None:
    """An address in the network, or one with TLS, belongs to somebody else."""
    assert find_broker(url, tmp_path).command == ()


@pytest.mark.parametrize("url", ["mqtt://127.0.0.1:0", ""])
def test_mosquitto_is_started_and_named(url: str, tmp_path: Path) -> None:
    """The command runs a Mosquitto on loopback, on the given port or a free one, and says which."""
    url = url or f"mqtt://127.0.0.1:{free_port()}"
    found = find_broker(url, tmp_path)
    address = parse_url(found.url)
    assert found.told.startswith("MQTT: Mosquitto ")
    assert found.told.endswith(f"at {found.url}")
    process = subprocess.Popen(found.command, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: is_listening(address), within_s=60)
        assert find_broker(found.url, tmp_path).command == ()
    finally:
        process.terminate()
        process.wait()


def test_what_mosquitto_is_told(tmp_path: Path) -> None:
    """Loopback only, nothing on disk, queues that do not drop; and without a disk it still runs."""
    (_, _, file) = brokers.mosquitto_command("/usr/sbin/mosquitto", 1883, tmp_path)
    lines = Path(file).read_text().splitlines()
    assert {"listener 1883 127.0.0.1", "persistence false", "max_queued_messages 100000"} <= set(lines)
    (tmp_path / "file").touch()
    assert brokers.mosquitto_command("m", 1883, tmp_path / "file") == ("m", "-p", "1883")


def test_without_mosquitto_it_is_installed_where_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root on Debian the helper installs it; when that is forbidden, amqtt; without it, the log waits."""
    monkeypatch.setattr(brokers, "find_mosquitto", lambda: "")
    monkeypatch.setattr(brokers, "_can_install", lambda: True)
    url = f"mqtt://127.0.0.1:{free_port()}"
    found = find_broker(url, tmp_path)
    assert found.command[-1] == "install"
    assert "being installed" in found.told
    found = find_broker(url, tmp_path, may_install=False)
    assert found.command[-1] == "amqtt"
    assert "MQTT 3.1.1 only" in found.told
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    found = find_broker(url, tmp_path, may_install=False)
    assert found.command == ()
    assert "events wait in the log" in found.told


def test_the_package_manager_is_asked_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install, and when that fails refresh the lists and install again; never a service of the package's own."""
    asked: list[list[str]] = []

    def ask(command: list[str], *, env: dict[str, str], **_more: object) -> None:
        assert env["RUNLEVEL"] == "1"
        asked.append(command)

    monkeypatch.setattr("subprocess.run", ask)
    monkeypatch.setattr(broker_host, "find_mosquitto", lambda: "/usr/sbin/mosquitto" if len(asked) == 3 else "")
    assert broker_host.install_mosquitto() == "/usr/sbin/mosquitto"
    assert [command[1] for command in asked] == ["install", "update", "install"]


def test_when_nothing_can_be_had_the_helper_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3 with one line."""
    monkeypatch.setattr(broker_host, "find_mosquitto", lambda: "")
    monkeypatch.setattr(broker_host, "install_mosquitto", lambda: "")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert broker_host.main(["1883", ".", "install"]) == broker_host.ABSENT
    assert capsys.readouterr().err.count("\n") == 1


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    """The site file's check has refused it before; here it is an error too."""
    with pytest.raises(ConfigError):
        find_broker("tcp://127.0.0.1", tmp_path)


def test_looking_for_a_broker_loads_no_client() -> None:
    """The parent of the processes asks, and stays small."""
    code = "import sys, shared.bus.broker; print([m for m in ('paho', 'asyncio', 'amqtt') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
