"""Sites that only speak MQTT: handed in once, numbered by one bridge, seen at the centre like any other site."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.hosted import PATIENCE_S, Hosting, kill_part
from tests.testkit.fleet import KafkaBroker, Mosquitto, Postgres


@pytest.fixture
def hosting(tmp_path: Path, kafka: KafkaBroker, mosquitto: Mosquitto, postgres: Postgres) -> Iterator[Hosting]:
    with Hosting(tmp_path, kafka, mosquitto, postgres.url) as made:
        yield made


def test_what_a_device_hands_in_is_in_the_log_once(hosting: Hosting) -> None:
    """Also what came before any bridge was there, and what comes again over deaths of each part of it."""
    site = hosting.enroll()
    bridge = hosting.bridge()
    device = hosting.device(site)
    bridge.wait_for_line("bridge_connected", within_s=PATIENCE_S)
    for turn in range(3):
        for _ in range(40):
            device.hand_in()
        if turn < 2:
            kill_part(bridge, "services.site")
    hosting.has(site, device.settle())
    numbers = [frame.device_seq for frame in hosting.frames(site)]
    assert numbers == sorted(set(numbers)) == list(range(1, 121))
