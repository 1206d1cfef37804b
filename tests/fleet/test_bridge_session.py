"""What devices hand in, on a real broker: acknowledged when it is safe, handed on once, poison among it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event

import pytest

from services.bridge.pulse import UNKNOWN_MS
from services.bridge.seen import Seen
from services.bridge.session import UNKNOWN, Broker, Poison, Session
from shared.bus.address import Credentials, parse_url
from shared.devices.frame import Frame
from shared.runtime.clocks import ManualClock
from tests.fleet.hosted import PATIENCE_S, Device
from tests.testkit.fleet import Mosquitto, unique
from tests.testkit.process import wait_for


@dataclass
class Log:
    """Stands for a log: what it was given, and by which number. ``is_slow``: nothing is safe until it is said."""

    is_slow: bool = False
    is_open: Event = field(default_factory=Event)
    """While it is not set, who hands in waits."""
    taken: list[tuple[int, Frame | Poison]] = field(default_factory=list)
    session: Session | None = None

    def take(self, body: Frame | Poison, n: int) -> None:
        self.taken.append((n, body))
        self.is_open.wait(PATIENCE_S)
        if not self.is_slow and self.session is not None:
            self.session.safe(n)

    def __post_init__(self) -> None:
        self.is_open.set()

    def numbers(self) -> list[int]:
        return [body.device_seq for _, body in self.taken if isinstance(body, Frame)]

    def frames(self) -> list[Frame]:
        return [body for _, body in self.taken if isinstance(body, Frame)]


@dataclass
class Rig:
    """One site's session over its lives, and a device."""

    mosquitto: Mosquitto
    site: str = field(default_factory=lambda: unique("far"))
    living: list[Session] = field(default_factory=list)
    clock: ManualClock = field(default_factory=ManualClock)

    def begin(self, log: Log, before: Log | None = None) -> Session:
        """One life; ``before`` is the log of the life before it."""
        seen = Seen()
        seen.remember(before.frames() if before is not None else ())
        broker = Broker(parse_url(self.mosquitto.url), Credentials)
        made = Session(self.site, broker, log, seen, self.clock, "boot", lambda: frozenset({"gas1", "gas2"}))
        log.session = made
        made.start()
        self.living.append(made)
        wait_for(lambda: made.is_up, within_s=PATIENCE_S, name="the session")
        return made


@pytest.fixture
def rig(mosquitto: Mosquitto) -> Iterator[Rig]:
    made = Rig(mosquitto)
    yield made
    for session in made.living:
        session.end()


@pytest.fixture
def device(rig: Rig) -> Iterator[Device]:
    made = Device(rig.mosquitto.url, rig.site)
    yield made
    made.close()


def test_what_was_not_safe_comes_again_and_is_handed_on_once(rig: Rig, device: Device) -> None:
    """A bridge that ends between its log's commit and PUBACK: the next one finds it in the log, and forgets nothing."""
    first, second = Log(is_slow=True), Log()
    session = rig.begin(first)
    for _ in range(6):
        device.hand_in()
    wait_for(lambda: first.numbers() == [1, 2, 3, 4, 5, 6], within_s=PATIENCE_S, name="six frames")
    session.safe(2)
    session.end()
    device.hand_in()
    had = Log(taken=first.taken[:4])
    rig.begin(second, before=had)
    wait_for(lambda: 7 in second.numbers(), within_s=PATIENCE_S, name="the frame of meanwhile")
    assert second.numbers() == [5, 6, 7]


def test_a_repeat_is_not_acknowledged_before_the_frame_is_safe(rig: Rig, device: Device) -> None:
    """A device that sends a frame twice while the disk takes nothing has not handed it in by that."""
    first, second = Log(is_slow=True), Log()
    session = rig.begin(first)
    device.give(device.payload(0, 1))
    device.give(device.payload(0, 1))
    device.give(device.payload(0, 2))
    wait_for(lambda: first.numbers() == [1, 2], within_s=PATIENCE_S, name="two frames")
    session.end()
    rig.begin(second)
    wait_for(lambda: second.numbers() == [1, 2], within_s=PATIENCE_S, name="both again")


def test_poison_is_handed_on_with_its_reason_and_costs_no_neighbour(rig: Rig, device: Device) -> None:
    """Its exact bytes; what comes before and behind it is taken as ever, and none of it comes again."""
    first, second = Log(), Log()
    session = rig.begin(first)
    device.hand_in()
    device.give(b"\x00not json")
    device.give(device.payload(0, 9), name="stranger")
    device.give(device.payload(0, 9), name="gas2")
    device.hand_in()
    wait_for(lambda: first.numbers() == [1, 2], within_s=PATIENCE_S, name="two frames")
    wrong, unknown, other = (body for _, body in first.taken if isinstance(body, Poison))
    at = f"ampward/v1/{rig.site}/in"
    assert (wrong.data, wrong.source) == (b"\x00not json", f"{at}/gas1")
    assert "no frame in JSON" in wrong.reason
    assert (unknown.source, unknown.reason) == (f"{at}/stranger", UNKNOWN)
    assert other.reason == f"it names /gas1, the topic {rig.site}/gas2"
    session.end()
    device.hand_in()
    rig.begin(second)
    wait_for(lambda: second.numbers() == [3], within_s=PATIENCE_S, name="the frame of meanwhile")
    assert [body for _, body in second.taken if isinstance(body, Poison)] == []


def test_a_second_session_of_the_site_ends_the_first_ones_link(rig: Rig, device: Device) -> None:
    """The session is the site's: of two bridges one at a time has it, and nothing is handed to both."""
    first, second = Log(is_slow=True), Log()
    asleep = rig.begin(first)
    device.hand_in()
    wait_for(lambda: first.numbers() == [1], within_s=PATIENCE_S, name="the first frame")
    asleep.end()
    rig.begin(second)
    wait_for(lambda: second.numbers() == [1], within_s=PATIENCE_S, name="the frame again")
    asleep.safe(1)
    device.hand_in()
    wait_for(lambda: second.numbers() == [1, 2], within_s=PATIENCE_S, name="the next frame")
    assert first.numbers() == [1]


def test_what_waited_at_the_broker_for_nobody_knows_how_long_is_late(rig: Rig, device: Device) -> None:
    """What was retained, and what came while no session was there; the next frame after it counts again."""
    first, second = Log(), Log()
    device.hand_in(retain=True)
    device.settle()
    session = rig.begin(first)
    device.hand_in()
    wait_for(lambda: first.numbers() == [1, 2], within_s=PATIENCE_S, name="two frames")
    session.end()
    for _ in range(3):
        device.hand_in()
    device.settle()
    rig.begin(second, before=first)
    device.hand_in()
    wait_for(lambda: second.numbers() == [3, 4, 5, 6], within_s=PATIENCE_S, name="the frames of meanwhile")
    assert [frame.age_ms for frame in first.frames()] == [UNKNOWN_MS, 0]
    assert [frame.age_ms for frame in second.frames()] == [UNKNOWN_MS, UNKNOWN_MS, UNKNOWN_MS, 0]


def test_what_waited_because_nobody_took_it_is_as_old_as_that(rig: Rig, device: Device) -> None:
    """A link that is up says nothing by itself: a log that takes nothing for a minute finds frames of that minute."""
    log = Log()
    rig.begin(log)
    log.is_open.clear()
    device.hand_in()
    wait_for(lambda: log.numbers() == [1], within_s=PATIENCE_S, name="the first frame")
    for _ in range(3):
        device.hand_in()
    device.settle()
    rig.clock.advance(60_000)
    log.is_open.set()
    wait_for(lambda: log.numbers() == [1, 2, 3, 4], within_s=PATIENCE_S, name="all frames")
    assert [frame.age_ms for frame in log.frames()] == [0, 60_000, 60_000, 60_000]

    def is_new_again() -> bool:
        device.hand_in()
        return log.frames()[-1].age_ms == 0

    wait_for(is_new_again, within_s=PATIENCE_S, every_s=0.1, name="a frame that did not wait")
