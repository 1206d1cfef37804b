"""What a publisher sends is within its budget of bytes: a backlog of frames waits, alarms and points pass it."""

from services.gateway.fake import FakeViews
from services.gateway.views import PointItem
from services.site.mqtt_publisher import frame_message
from services.uplink.budget import Budget
from tests.bus.brokers import Mosquitto
from tests.bus.publishing import FakeFeed, frame
from tests.bus.test_publisher import Ear, plan, publishing
from tests.services.gateway.samples import event

RATE = 4000
ASKED = 20
"""So often a budget is asked before we believe that somebody waits for it."""


class Standing:
    """A clock that stands, until ``step_s`` is given: then each look at it moves it."""

    def __init__(self) -> None:
        self.asked = 0
        self.step_s = 0.0
        self._now_s = 0.0

    def __call__(self) -> float:
        self.asked += 1
        self._now_s += self.step_s
        return self._now_s


async def test_a_backlog_of_frames_waits_and_an_alarm_passes_it(broker: Mosquitto) -> None:
    """While the bucket is empty no frame goes and an event does; when it fills every frame comes, in order."""
    ear, clock, views, feed = await Ear.open(broker), Standing(), FakeViews(), FakeFeed()
    feed.add_frames(100)
    async with publishing(plan(broker.port), views, feed, Budget(RATE, clock)):
        await ear.until(lambda: len(ear.frames()) == 100 or (ear.frames() and clock.asked > 100 + ASKED))
        assert len(ear.frames()) < 100
        views.add(event(1))
        await ear.until(ear.numbers)
        assert (len(ear.frames()) - 1) * frame_message("demo", "r1", frame(1)).size < RATE
        clock.step_s = 1.0
        await ear.until(lambda: len(ear.frames()) == 100)
    assert ear.frames() == list(range(1, 101))
    await ear.close()


async def test_points_are_within_the_budget_too(broker: Mosquitto) -> None:
    """Values may run a second's worth into debt, then they wait; as it fills all of them come."""
    items = tuple(PointItem(f"demo/r1/p{number}", "1", "V", "good", "", 1) for number in range(100))
    ear, clock, feed = await Ear.open(broker), Standing(), FakeFeed()

    def heard() -> int:
        return sum("/points/" in message.topic for message in ear.heard)

    async with publishing(plan(broker.port), FakeViews(point_items=items), feed, Budget(RATE, clock)):
        await ear.until(lambda: heard() == 100 or clock.asked > 100 + ASKED)
        assert heard() < 100
        clock.step_s = 1.0
        await ear.until(lambda: heard() == 100)
    await ear.close()
