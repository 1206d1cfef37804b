"""Sites that only speak MQTT: handed in once, numbered by one bridge, by another one when it dies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.log.port import EventRow
from shared.log.store import open_reader
from shared.wire.events import decode_event
from tests.fleet.hosted import PATIENCE_S, Hosting, part_of
from tests.testkit.fleet import KafkaBroker, Mosquitto, Postgres
from tests.testkit.process import wait_for


@pytest.fixture
def hosting(tmp_path: Path, kafka: KafkaBroker, mosquitto: Mosquitto, postgres: Postgres) -> Iterator[Hosting]:
    with Hosting(tmp_path, kafka, mosquitto, postgres.url) as made:
        yield made


def events(hosting: Hosting, site: str) -> list[EventRow]:
    reader = open_reader(hosting.data(site))
    try:
        return [row for _, row in reader.events(None, 1 << 20)]
    finally:
        reader.close()


def test_another_bridge_goes_on_where_one_died(hosting: Hosting) -> None:
    """What came before, meanwhile and after is in one log, once; poison among it is a dead letter with its reason.

    A bridge without that log leaves the site alone and says why; TERM ends one with everything that it has started.
    """
    site = hosting.enroll()
    first, device = hosting.bridge(), hosting.device(site)
    first.wait_for_line("bridge_connected", within_s=PATIENCE_S)
    second = hosting.bridge()
    for _ in range(40):
        device.hand_in()
    device.give(b"\x00 hostile")
    second.wait_for_line("bridge_begins", within_s=PATIENCE_S)
    first.kill()
    for _ in range(40):
        device.hand_in()
    hosting.has(site, device.settle())
    second.wait_for_line("hosting_begins", within_s=PATIENCE_S)
    assert [frame.device_seq for frame in hosting.frames(site)] == list(range(1, 81))
    told = [decode_event(row.data) for row in events(hosting, site) if "undecodable" in row.type]
    assert ["no frame in JSON" in event.reason for event in told] == [True]

    other = hosting.bridge("elsewhere")
    other.wait_for_line("its log is not in", within_s=PATIENCE_S)
    assert part_of(other, "services.site") == 0

    site_process = part_of(second, "services.site")
    second.signal(15)
    assert second.wait(within_s=PATIENCE_S) == 0
    wait_for(lambda: not Path(f"/proc/{site_process}").exists(), within_s=PATIENCE_S, name="the end of the site")
