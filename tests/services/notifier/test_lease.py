"""Who tells people: the site and the centre over one log, each with a notifier of its own."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.notifier import lease
from services.notifier.fake import FakeChannel
from services.notifier.ledger import NAME
from services.notifier.on_disk import LedgerOnDisk
from services.notifier.ports import Channel
from services.notifier.service import MakeChannels, Notifier
from shared.domain.events import Event, EventType
from shared.runtime.clocks import SystemClock
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
        self.world = World(setting(route("ben")), wall_ms=SystemClock().wall_ms())
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
            made = Notifier(self.site, LedgerOnDisk(folder), SystemClock(), _always(channels), sender=sender)
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
        db = sqlite3.connect(self.folder / "site" / NAME)
        try:
            return [state for (state,) in db.execute("SELECT state FROM message ORDER BY planned_at_ms, id")]
        except sqlite3.OperationalError:
            return []
        finally:
            db.close()


@pytest.fixture
def both(tmp_path: Path) -> Both:
    return Both(tmp_path)


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
