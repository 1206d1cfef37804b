"""Orders of the fleet: what becomes of each, and that none is done late or by who it is not for."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from services.uplink.budget import Budget
from services.uplink.fake import FakeFleet
from services.uplink.lane import Again, Lane
from services.uplink.live import LiveLane
from services.uplink.orders import Orders
from services.uplink.port import Order
from services.uplink.site_door import DoorShut
from shared.domain.inputs import What
from shared.runtime.bell import Bell
from shared.runtime.clocks import ManualClock
from shared.wire.live import LiveAnswer, decode_live
from shared.wire.orders import CommandOrder, OutputLease, Resend, encode_order
from shared.wire.orders import Order as Wanted
from tests.services.uplink.centre import KEY, KEYS
from tests.services.uplink.running import lane_of

WITHIN_S = 60.0


class Door:
    """The site's door: away so many times, then it accepts or refuses."""

    clock: ManualClock
    is_mute = False
    """It takes a command and does not answer before its time is over."""

    def __init__(self, *, away: int = 0, accepts: bool = True) -> None:
        self.away = away
        self.accepts = accepts
        self.given: list[str] = []
        self.taken: list[CommandOrder] = []
        self.asked = 0

    def command(self, order: CommandOrder) -> LiveAnswer:
        self.asked += 1
        if self.asked <= self.away:
            raise DoorShut("away")
        self.given.append(order.id)
        self.taken.append(order)
        if self.is_mute:
            self.clock.advance(order.ttl_ms + 1)
            raise DoorShut("it was taken, and then nothing was said")
        return LiveAnswer(order.id, self.accepts, "" if self.accepts else "already")

    def decided(self, command_id: str) -> LiveAnswer | None:
        return LiveAnswer(command_id, self.accepts) if command_id in self.given else None


class MuteDoor(Door):
    """See ``is_mute``."""

    is_mute = True

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock


def command(name: str, clock: ManualClock, *, age_ms: int = 0, site: str = "s") -> CommandOrder:
    sent_at_ms = clock.wall - age_ms
    return CommandOrder(
        id=name, site=site, sent_at_ms=sent_at_ms, ttl_ms=10_000, what=What.ACK, subject="s/r1", actor="anna"
    )


async def run(
    folder: Path, door: Door, clock: ManualClock, *orders: Wanted | bytes, fleet: FakeFleet | None = None
) -> Lane:
    """All of these, one after the other, until the last is noted as done."""
    fleet = fleet or FakeFleet()
    for number, order in enumerate(orders, 1):
        fleet.orders.append(Order(order if isinstance(order, bytes) else encode_order(order), number))
    lane = lane_of(folder)
    centre = await fleet.connect(0)
    live = LiveLane(folder, "s", KEY, Budget(0), door, clock, Bell(folder))  # type: ignore[arg-type]
    running = asyncio.create_task(Orders("s", lane, live, door, clock).run(centre))  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(WITHIN_S):
            while lane.place.orders < len(orders):
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await centre.close()
    return lane


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_commands_are_handed_in_in_order(tmp_path: Path, clock: ManualClock) -> None:
    """Each once, in the order in which the fleet gave them."""
    door = Door()
    await run(tmp_path, door, clock, *(command(f"c{n}", clock) for n in range(5)))
    assert door.given == [f"c{n}" for n in range(5)]


async def test_a_site_that_does_not_take_it_now_is_asked_again(tmp_path: Path, clock: ManualClock) -> None:
    """While the site's own process starts or is busy the command waits, and is not lost."""
    door = Door(away=2)
    await run(tmp_path, door, clock, command("c1", clock))
    assert (door.given, door.asked) == (["c1"], 3)


@pytest.mark.parametrize("accepts", [True, False])
async def test_the_answer_of_the_site_is_seen_at_once(tmp_path: Path, clock: ManualClock, *, accepts: bool) -> None:
    """Accepted or refused: it is on the live lane before the order is noted as done, and not handed in again."""
    door, fleet = Door(accepts=accepts), FakeFleet()
    await run(tmp_path, door, clock, command("c1", clock), fleet=fleet)
    assert door.asked == 1
    answers = [answer for data in fleet.live for answer in decode_live(data, KEYS).answers]
    assert [(answer.id, answer.accepted) for answer in answers] == [("c1", accepts)]


async def test_a_command_that_was_taken_is_answered_also_when_its_time_is_over(
    tmp_path: Path, clock: ManualClock
) -> None:
    """A busy site took it and did not say so in time: what it has decided is told, and it is not handed in again."""
    door, fleet = MuteDoor(clock), FakeFleet()
    await run(tmp_path, door, clock, command("c1", clock), fleet=fleet)
    assert door.given == ["c1"]
    answers = [answer for data in fleet.live for answer in decode_live(data, KEYS).answers]
    assert [(answer.id, answer.accepted) for answer in answers] == [("c1", True)]


async def test_a_command_whose_time_is_over_is_never_done(tmp_path: Path, clock: ManualClock) -> None:
    """Not when it comes late, and not when the site opens its door too late."""
    door = Door()
    await run(tmp_path, door, clock, command("old", clock, age_ms=10_001), command("young", clock, age_ms=9_000))
    assert door.given == ["young"]


@pytest.mark.parametrize(("offset_ms", "given"), [(0, ["c1"]), (3_600_000, []), (-3_600_000, ["c1"])])
async def test_time_to_live_goes_by_the_fleets_clock(
    tmp_path: Path, clock: ManualClock, offset_ms: int, given: list[str]
) -> None:
    """A site whose clock is an hour behind the fleet's does not do what is an hour old."""
    door = Door()
    await run(tmp_path, door, clock, command("c1", clock), fleet=FakeFleet(offset_ms=offset_ms))
    assert door.given == given


BAD = {
    "no JSON": b"\xff\x00",
    "nothing": b"",
    "another kind": b'{"v":1,"type":"off","id":"x","site":"s","sent_at_ms":1,"ttl_ms":1}',
    "no time to live": b'{"v":1,"type":"resend","id":"x","site":"s","sent_at_ms":1,"from_seq":1,"epoch":1}',
    "a later form": b'{"v":9,"type":"resend","id":"x","site":"s","sent_at_ms":1,"ttl_ms":5,"from_seq":1,"epoch":1}',
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
async def test_what_is_no_order_delays_nobody(tmp_path: Path, clock: ManualClock, data: bytes) -> None:
    """It is passed over, and what comes behind it is done."""
    door = Door()
    await run(tmp_path, door, clock, data, command("c1", clock))
    assert door.given == ["c1"]


async def test_an_order_for_another_site_is_not_ours(tmp_path: Path, clock: ManualClock) -> None:
    """The key of a record may lie; what is in it counts."""
    door = Door()
    await run(tmp_path, door, clock, command("c1", clock, site="other"))
    assert door.asked == 0


async def test_a_request_for_inputs_goes_to_the_lane(tmp_path: Path, clock: ManualClock) -> None:
    """With what the fleet knows; one that is over does not."""
    wanted = Resend(id="r", site="s", sent_at_ms=clock.wall, ttl_ms=1_000, from_seq=7, epoch=9, state=True)
    over = Resend(id="q", site="s", sent_at_ms=clock.wall - 5_000, ttl_ms=1_000, from_seq=8, epoch=9, state=True)
    lane = await run(tmp_path, Door(), clock, over, wanted)
    assert list(lane._asked) == [Again(7, state=True, epoch=9)]


def lease(name: str, clock: ManualClock, *, age_ms: int = 0, on_ms: int = 60_000, ttl_ms: int = 600_000) -> OutputLease:
    return OutputLease(
        id=name, site="s", sent_at_ms=clock.wall - age_ms, ttl_ms=ttl_ms, output="s/r1/o", epoch=2, number=7,
        on_ms=on_ms, reason="drill", actor="anna",
    )  # fmt: skip


async def test_a_lease_goes_into_the_sites_log_as_a_command(tmp_path: Path, clock: ManualClock) -> None:
    """On, for its own time from now, under its number; the site's answer goes up as that of any command."""
    door, fleet = Door(), FakeFleet()
    await run(tmp_path, door, clock, lease("l1", clock), fleet=fleet)
    [taken] = door.taken
    assert (taken.what, taken.subject, taken.for_ms, taken.actor) == (What.HOLD_ON, "s/r1/o", 60_000, "anna")
    assert taken.occurrence == f"{2:016x}{7:016x}"
    assert [answer.id for data in fleet.live for answer in decode_live(data, KEYS).answers] == ["l1"]


@pytest.mark.parametrize(
    ("age_ms", "on_ms", "ttl_ms", "given"),
    [(60_000, 60_000, 600_000, True), (60_001, 60_000, 600_000, False), (5_001, 60_000, 5_000, False)],
)
async def test_a_lease_that_is_older_than_it_lasts_is_never_given(
    tmp_path: Path, clock: ManualClock, age_ms: int, on_ms: int, ttl_ms: int, *, given: bool
) -> None:
    """By the fleet's clock as the uplink measures it: what was asked for long ago is nobody's wish any more."""
    door = Door()
    await run(tmp_path, door, clock, lease("l1", clock, age_ms=age_ms, on_ms=on_ms, ttl_ms=ttl_ms))
    assert bool(door.given) is given
