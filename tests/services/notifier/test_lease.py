"""Who tells people: the site and the centre over one log, each with a notifier of its own."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.notifier import lease
from services.notifier.fake import FakeChannel
from services.notifier.ledger import NAME
from services.notifier.messages import Item, Kind, Lane
from services.notifier.on_disk import LedgerOnDisk
from services.notifier.picture import Picture
from services.notifier.ports import Channel
from services.notifier.service import MakeChannels, Notifier
from shared.domain.events import Event, EventType
from shared.runtime.clocks import Clock, ManualClock, SystemClock
from tests.services.notifier.fake_site import FakeSite
from tests.services.notifier.lines import World, route, setting
from tests.services.notifier.test_service import until

CENTRE = "notifier"
GAS = "r1/gas1/h2_alarm"


def _always(channels: Mapping[str, Channel]) -> MakeChannels:
    return lambda _: channels


class Both:
    """A log that two notifiers read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock: Clock = SystemClock()
        self.world = World(setting(route("ben")), wall_ms=self.clock.wall_ms())
        self.site = FakeSite(self.world.setting)
        self.sent = {lease.SITE: FakeChannel("email"), CENTRE: FakeChannel("email")}

    @asynccontextmanager
    async def running(self, *senders: str) -> AsyncIterator[None]:
        stop = asyncio.Event()
        tasks = []
        for sender in senders:
            folder = self.folder / (sender or "site")
            folder.mkdir(exist_ok=True)
            channels = {"email": self.sent[sender]}
            made = Notifier(self.site, LedgerOnDisk(folder), self.clock, _always(channels), sender=sender)
            tasks.append(asyncio.create_task(made.run(stop)))
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)

    def lease(self, holder: str) -> None:
        """The log says who tells people from here on."""
        self.site.put(self.report(holder))

    def report(self, holder: str) -> Event:
        event = self.world.event("raised", "_site/notify", occurrence="")
        state, reason = ("on", f"{holder} 1") if holder else ("off", "the lease has ended")
        return event._replace(
            type=EventType.REPORT_RECORDED, rule="notify_lease", severity="", state=state, reason=reason
        )

    def raise_(self, point: str, severity: str = "critical") -> None:
        self.site.put(self.world.event("raised", f"r1/{point}/rule", severity))

    def got(self, sender: str) -> list[tuple[str, bool]]:
        """(point, marked as a repeat) of each message."""
        return [
            (str(message.data[0]["subject"]).split("/")[2], message.repeat)
            for message in self.sent[sender].sent
            if message.data
        ]

    def states(self) -> list[str]:
        """Of the site's messages; none before there is a ledger."""
        return self._asked(lease.SITE, "SELECT state FROM message ORDER BY planned_at_ms, id")

    def waiting(self, sender: str) -> int:
        """How many things one holds back."""
        return len(self._asked(sender, "SELECT key FROM record WHERE key LIKE 'held/%'"))

    def knows(self, sender: str) -> int:
        """How many alarms one has read of that are open."""
        return len(self._asked(sender, "SELECT key FROM record WHERE key LIKE 'open/%'"))

    def _asked(self, sender: str, question: str) -> list[str]:
        db = sqlite3.connect(self.folder / (sender or "site") / NAME)
        try:
            return [found for (found,) in db.execute(question)]
        except sqlite3.OperationalError:
            return []
        finally:
            db.close()


@pytest.fixture
def both(tmp_path: Path) -> Both:
    return Both(tmp_path)


@pytest.fixture
def clock(both: Both) -> ManualClock:
    """Of both, from now on."""
    both.clock = made = ManualClock(wall=both.world.began_ms)
    return made


async def test_each_alarm_is_told_by_who_holds_the_lease_at_its_place_in_the_log(both: Both) -> None:
    """Before, during and after a lease; what is critical the site tells in any case."""
    both.raise_("p1", "critical")
    both.lease(CENTRE)
    both.raise_("p2", "warning")
    both.raise_("p3", "critical")
    async with both.running(lease.SITE, CENTRE):
        await until(lambda: len(both.got(CENTRE)) == 2 and len(both.got(lease.SITE)) == 2)
    assert sorted(both.got(lease.SITE)) == [("p1", False), ("p3", False)]
    assert sorted(both.got(CENTRE)) == [("p2", False), ("p3", False)]


async def test_a_site_tells_what_the_centre_may_not_have_told(both: Both) -> None:
    """The centre fell silent: the lease ends, and what was left to it just before comes from the site, marked."""
    both.lease(CENTRE)
    both.raise_("p1", "warning")
    async with both.running(lease.SITE):
        await until(lambda: both.states() == ["lent"])
        assert both.got(lease.SITE) == []
        both.lease(lease.SITE)
        await until(lambda: both.got(lease.SITE))
        await until(lambda: both.states() == ["sent"])
    assert both.got(lease.SITE) == [("p1", True)]


async def test_what_was_left_to_the_centre_outlives_a_restart(both: Both) -> None:
    """It stands in the ledger as lent."""
    both.lease(CENTRE)
    both.raise_("p1", "warning")
    async with both.running(lease.SITE):
        await until(lambda: both.states() == ["lent"])
    both.lease(lease.SITE)
    async with both.running(lease.SITE):
        await until(lambda: both.got(lease.SITE))
    assert both.got(lease.SITE) == [("p1", True)]


async def test_a_centre_that_went_on_for_long_enough_has_told_it(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time of a loan it is the centre's for good."""
    monkeypatch.setattr("services.notifier.lease.LENT_MS", 100)
    both.lease(CENTRE)
    both.raise_("p1", "warning")
    async with both.running(lease.SITE):
        await until(lambda: both.states() == ["theirs"])
        both.lease(lease.SITE)
        both.raise_("p2", "critical")
        await until(lambda: both.got(lease.SITE))
    assert both.got(lease.SITE) == [("p2", False)]


async def test_what_waits_for_its_minute_is_told_by_whose_it_was_when_it_came(both: Both, clock: ManualClock) -> None:
    """Each by one of them, though the lease changed hands in that minute."""
    both.raise_("p1", "warning")
    async with both.running(lease.SITE, CENTRE):
        await until(lambda: both.got(lease.SITE) and both.knows(CENTRE))
        both.raise_("p2", "warning")
        both.lease(CENTRE)
        both.raise_("p3", "warning")
        await until(lambda: both.waiting(lease.SITE) == both.waiting(CENTRE) == 2)
        clock.advance(61_000)
        await until(lambda: both.got(CENTRE) and not both.waiting(lease.SITE))
    assert both.got(lease.SITE) == [("p1", False), ("p2", False)]
    assert both.got(CENTRE) == [("p3", False)]


async def test_what_waited_while_the_lease_ended_is_told_by_both_of_them_marked(both: Both, clock: ManualClock) -> None:
    """The site does not wait for a centre that may be dead; one that comes back does not know what the site told. What
    came in the same minute and was the site's has no mark."""
    both.lease(CENTRE)
    both.raise_("p1", "warning")
    async with both.running(lease.SITE):
        async with both.running(CENTRE):
            await until(lambda: both.got(CENTRE) and both.knows(lease.SITE))
            both.raise_("p2", "warning")
            await until(lambda: both.waiting(lease.SITE) == both.waiting(CENTRE) == 1)
        clock.advance(16_000)
        await until(lambda: both.states() == ["theirs"])
        both.lease(lease.SITE)
        both.raise_("p3", "warning")
        await until(lambda: both.waiting(lease.SITE) == 2)
        clock.advance(45_000)
        await until(lambda: len(both.got(lease.SITE)) == 2)
        both.lease(CENTRE)
        async with both.running(CENTRE):
            await until(lambda: len(both.got(CENTRE)) == 2)
    assert sorted(both.got(lease.SITE)) == [("p2", True), ("p3", False)]
    assert both.got(CENTRE) == [("p1", False), ("p2", True)]


async def test_the_centre_tells_what_waited_with_it_when_the_site_counts_it_as_told(
    both: Both, clock: ManualClock
) -> None:
    """Its minute began later than the site's, and the lease ended behind the loan and before that minute was over."""
    both.raise_("p1", "warning")
    async with both.running(lease.SITE):
        await until(lambda: both.got(lease.SITE))
        clock.advance(50_000)
        async with both.running(CENTRE):
            await until(lambda: both.knows(CENTRE))
            both.lease(CENTRE)
            both.raise_("p2", "warning")
            await until(lambda: both.waiting(lease.SITE) == both.waiting(CENTRE) == 1)
            clock.advance(11_000)
            await until(lambda: "lent" in both.states())
            clock.advance(20_000)
            await until(lambda: "theirs" in both.states())
            both.lease(lease.SITE)
            both.raise_("p3", "critical")
            await until(lambda: both.knows(CENTRE) == 3)
            clock.advance(30_000)
            await until(lambda: not both.waiting(CENTRE) and both.got(CENTRE))
    assert both.got(lease.SITE) == [("p1", False), ("p3", False)]
    assert both.got(CENTRE) == [("p2", True)]


def test_what_an_older_program_held_back_is_told_by_who_holds_the_lease_when_it_goes_out() -> None:
    """It did not write whose it was."""
    world = World(setting(route("ben")))
    world.picture.hold(Lane("ben", "email"), Item(Kind.RAISED, world.event("raised", "r1/p1/rule")), CENTRE)
    key = "held/ben/email/1"
    written = json.loads(world.picture.all()[key] or b"")
    assert written.pop("held") == [CENTRE, 0]
    (item,) = Picture.restore({key: json.dumps(written).encode()}).held["ben/email"].values()
    assert [lease.is_told_by(sender, CENTRE, item) for sender in (CENTRE, lease.SITE)] == [True, False]
    assert [lease.is_told_by(sender, lease.SITE, item) for sender in (CENTRE, lease.SITE)] == [False, True]
