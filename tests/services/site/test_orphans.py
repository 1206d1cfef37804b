"""A broker that outlived its parent is ended by the next run of its folder, and nobody else's."""

import subprocess
from pathlib import Path

from services.site.orphans import end_brokers, is_broker_of
from shared.bus.address import parse_url
from shared.bus.broker import find_mosquitto, is_listening, mosquitto_command
from tests.testkit.ports import free_port
from tests.testkit.process import wait_for


def test_only_the_brokers_of_the_folder_are_ended(tmp_path: Path) -> None:
    """Two folders with a Mosquitto each: one is ended, the other goes on."""
    ports = free_port(), free_port()
    commands = [mosquitto_command(find_mosquitto(), port, tmp_path / str(port)) for port in ports]
    mine, other = (subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands)
    try:
        for port in ports:
            address = parse_url(f"mqtt://127.0.0.1:{port}")
            wait_for(lambda address=address: is_listening(address), within_s=60)  # type: ignore[misc]
        assert end_brokers(tmp_path / str(ports[0])) == 1
        mine.wait(5)
        assert other.poll() is None
        assert end_brokers(tmp_path / str(ports[0])) == 0
    finally:
        for process in (mine, other):
            process.kill()
            process.wait()


def test_a_command_that_only_names_the_folder_is_left_alone() -> None:
    """Another folder's broker, an editor that has the configuration open, a status command."""
    data = Path("/var/lib/ampward")
    assert is_broker_of(["/usr/sbin/mosquitto", "-c", "/var/lib/ampward/mosquitto-1883.conf"], data)
    assert is_broker_of(["python3", "-P", "-m", "shared.bus.broker_host", "1883", str(data), "amqtt"], data)
    assert not is_broker_of(["/usr/sbin/mosquitto", "-c", "/var/lib/ampward2/mosquitto-1883.conf"], data)
    assert not is_broker_of(["vi", "/var/lib/ampward/mosquitto-1883.conf"], data)
    assert not is_broker_of(["ampward", "status", "--data", str(data)], data)
    assert not is_broker_of([], data)
