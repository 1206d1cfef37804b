"""Sites that only speak MQTT: handed in once, numbered by one bridge, by another one when it dies; new or late."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.bridge.pulse import UNKNOWN_MS
from shared.domain.events import EventType
from shared.log.port import EventRow
from shared.log.store import open_reader
from shared.wire.events import decode_event
from tests.fleet.hosted import PATIENCE_S, Hosting, part_of
from tests.fleet.traffic import check_mqtt, heard
from tests.testkit.fleet import KafkaBroker, Mosquitto, Postgres
from tests.testkit.process import Running, is_alive, wait_for


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


def until(hosting: Hosting, site: str, kind: EventType, act: Callable[[], object]) -> None:
    """Act again and again, until one more event of this kind is in the log."""
    had = sum(row.type == kind for row in events(hosting, site))

    def has_one_more() -> bool:
        act()
        return sum(row.type == kind for row in events(hosting, site)) > had

    wait_for(has_one_more, within_s=PATIENCE_S, every_s=0.2, name=kind)


def is_lost(hosting: Hosting, site: str) -> bool:
    """Whether the device's silence was told last."""
    told = [row.type for row in events(hosting, site) if row.type in (EventType.SIGNAL_LOST, EventType.SIGNAL_RESTORED)]
    return told[-1:] == [EventType.SIGNAL_LOST]


def deaths(bridge: Running) -> int:
    """How often its site's process was killed."""
    return sum("services.site ended with -9" in line for line in bridge.lines)


def ends(pid: int) -> None:
    wait_for(lambda: not is_alive(pid), within_s=PATIENCE_S, name="the end of the site's process")


def test_another_bridge_goes_on_where_one_died(hosting: Hosting) -> None:
    """What came before, meanwhile and after is in one log, once; poison among it is a dead letter with its reason.

    What waited for a bridge is late: good values of that time end no alarm and no silence, the next frame does.
    A bridge without that log leaves the site alone and says why; TERM ends one with everything that it has started.
    """
    site = hosting.enroll()
    first, device = hosting.bridge(), hosting.device(site)
    first.wait_for_line("bridge_connected", within_s=PATIENCE_S)
    second = hosting.bridge()
    until(hosting, site, EventType.ALARM_RAISED, lambda: device.hand_in(15))
    device.give(b"\x00 hostile")
    hosting.has(site, device.settle())
    second.wait_for_line("bridge_begins", within_s=PATIENCE_S)
    site_process = part_of(first, "services.site")
    first.kill()
    ends(site_process)
    before, waited = len(events(hosting, site)), [device.hand_in() for _ in range(40)]
    hosting.has(site, device.settle())
    second.wait_for_line("hosting_begins", within_s=PATIENCE_S)
    wait_for(lambda: is_lost(hosting, site), within_s=PATIENCE_S, every_s=0.2, name="the loss of the device")
    assert {frame.age_ms for frame in hosting.frames(site) if frame.device_seq in waited} == {UNKNOWN_MS}
    meanwhile = events(hosting, site)[before:]
    ends_something = (EventType.SIGNAL_RESTORED, EventType.ALARM_RETURNED, EventType.ALARM_CLEARED)
    assert not [row for row in meanwhile if row.type in ends_something]
    late = [decode_event(row.data).reason for row in meanwhile if row.type == EventType.INPUT_LATE]
    assert f"age {UNKNOWN_MS} ms is over 4000 ms" in late[0]

    until(hosting, site, EventType.SIGNAL_RESTORED, device.hand_in)
    hosting.has(site, device.settle())
    assert [frame.device_seq for frame in hosting.frames(site)] == list(range(1, device.seq + 1))
    told = [decode_event(row.data) for row in events(hosting, site) if "undecodable" in row.type]
    assert ["no frame in JSON" in event.reason for event in told] == [True]

    other = hosting.bridge("elsewhere")
    other.wait_for_line("its log is not in", within_s=PATIENCE_S)
    assert part_of(other, "services.site") == 0

    site_process = part_of(second, "services.site")
    second.signal(15)
    assert second.wait(within_s=PATIENCE_S) == 0
    ends(site_process)


def test_a_death_between_the_disk_and_puback_loses_and_doubles_nothing(hosting: Hosting, tmp_path: Path) -> None:
    """kill -9 of the real process there: the broker gives the message again, and the log has it once.

    What goes through the broker by the way is what the AsyncAPI document says, the bridge's own pulse among it."""
    site = hosting.enroll()
    with heard(hosting.mosquitto.url, f"ampward/v1/{site}/#", tmp_path / "heard") as told:
        dying, device = hosting.bridge(crash_at="before puback"), hosting.device(site)
        dying.wait_for_line("bridge_connected", within_s=PATIENCE_S)
        device.hand_in()
        device.settle()
        # A second life dies there by the same message, come again: no other one was ever sent.
        wait_for(lambda: deaths(dying) > 1, within_s=PATIENCE_S, name="two deaths")
        assert [frame.device_seq for frame in hosting.frames(site)] == [1]
        wait_for(lambda: b"/pulse " in told.read_bytes(), within_s=PATIENCE_S, every_s=0.1, name="the pulse")
    assert set(check_mqtt(told.read_bytes())) >= {"handed_in", "pulse"}
