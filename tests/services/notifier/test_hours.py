"""What the hour of the day brings, from the running notifier to a real mail server: the daily test, quiet hours."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from services.notifier import email
from services.notifier.on_disk import LedgerOnDisk
from services.notifier.service import Notifier
from shared.domain.notify_plan import DailyTest, EmailPlan, Hours
from shared.runtime.clocks import SystemClock
from tests.services.notifier.fake_site import FakeSite
from tests.services.notifier.lines import BERLIN, World, route, setting
from tests.services.notifier.samples import ANNA, BEN
from tests.services.notifier.test_service import looked, until
from tests.testkit.smtp_server import SmtpServer

EIGHT = 8 * 60
WHOLE_WEEK = tuple(range(7))
BEFORE_MS = 60_000


class MovedClock(SystemClock):
    """The machine's, with another time of the day, which passes when it is told to."""

    def __init__(self, minute: int, before_ms: int) -> None:
        super().__init__()
        now = super().wall_ms()
        today = datetime.fromtimestamp(now / 1000, BERLIN).replace(hour=12, minute=0, second=0, microsecond=0)
        at = today.replace(hour=minute // 60, minute=minute % 60)
        self._moved = int(at.timestamp() * 1000) - before_ms - now

    def wall_ms(self) -> int:
        return super().wall_ms() + self._moved

    def forward(self) -> None:
        """The minute that was waited for has come."""
        self._moved += BEFORE_MS


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as made:
        yield made


@asynccontextmanager
async def running(folder: Path, site: FakeSite, smtp: SmtpServer, clock: SystemClock) -> AsyncIterator[Notifier]:
    """The notifier with its ledger on disk and the real channel."""
    plan = EmailPlan("127.0.0.1", smtp.port, "none", "box@example.org")
    channels = {"email": email.make(plan, site="s", zone="Europe/Berlin")}
    notifier, stop = Notifier(site, LedgerOnDisk(folder), clock, lambda _: channels), asyncio.Event()
    task = asyncio.create_task(notifier.run(stop))
    try:
        yield notifier
    finally:
        stop.set()
        await task


def said(smtp: SmtpServer) -> list[tuple[tuple[str, ...], str]]:
    """To whom, and the subject of each mail."""
    return [(mail.recipients, str(mail.message["Subject"])) for mail in smtp.mails]


async def test_the_daily_test_reaches_everybody_when_its_minute_comes(tmp_path: Path, smtp: SmtpServer) -> None:
    """Nobody is told a minute before eight; at eight each gets one mail, and a restart sends none again."""
    clock = MovedClock(EIGHT, BEFORE_MS)
    site = FakeSite(setting(route("anna", "ben"), daily_test=(DailyTest(EIGHT),)))
    async with running(tmp_path, site, smtp, clock) as notifier:
        await until(lambda: notifier.picture.misc.tested)
        assert said(smtp) == []
        clock.forward()
        await until(lambda: len(smtp.mails) == 2)
    assert sorted(recipients for recipients, _ in said(smtp)) == [("anna@example.org",), ("ben@example.org",)]
    assert all("TEST" in subject for _, subject in said(smtp))
    async with running(tmp_path, site, smtp, clock) as notifier:
        await until(lambda: notifier.picture.misc.tested)
        await looked(site)
    assert len(smtp.mails) == 2


async def test_quiet_hours_hold_back_until_they_end(tmp_path: Path, smtp: SmtpServer) -> None:
    """Anna sleeps until eight: gas wakes her, two warnings are one mail at eight; ben hears of each at once."""
    clock = MovedClock(EIGHT, BEFORE_MS)
    anna = replace(ANNA, quiet=(Hours(WHOLE_WEEK, 22 * 60, EIGHT),))
    world = World(setting(route("anna"), people=(anna, BEN)), wall_ms=clock.wall_ms())
    site = FakeSite(world.setting)
    async with running(tmp_path, site, smtp, clock) as notifier:
        site.put(world.event("raised", "r1/bat1/2S4/jar_temp_warning"))
        site.put(world.event("raised", "r1/fan/fan_fail", "alarm"))
        site.put(world.event("raised", "r1/gas1/h2_alarm", "critical"))
        await until(lambda: smtp.mails)
        await until(lambda: sum(map(len, notifier.picture.held.values())) == 2)
        assert ["KRITISCH" in subject for _, subject in said(smtp)] == [True]
        clock.forward()
        await until(lambda: len(smtp.mails) == 2)
        assert not notifier.picture.held
    body = smtp.mails[1].message.get_content()
    assert "2S4" in body and "fan" in body


async def test_quiet_hours_begin(tmp_path: Path, smtp: SmtpServer) -> None:
    """A warning before eight is told at once; one after it, for somebody who has heard of nothing yet, is held back."""
    clock = MovedClock(EIGHT, BEFORE_MS)
    people = tuple(replace(one, quiet=(Hours(WHOLE_WEEK, EIGHT, EIGHT + 60),)) for one in (ANNA, BEN))
    routes = (route("anna", rooms=("r1",)), route("ben", rooms=("r2",), number=2))
    world = World(setting(*routes, people=people), wall_ms=clock.wall_ms())
    site = FakeSite(world.setting)
    async with running(tmp_path, site, smtp, clock) as notifier:
        site.put(world.event("raised", "r1/fan/fan_fail", "alarm"))
        await until(lambda: len(smtp.mails) == 1)
        clock.forward()
        world.now_ms = BEFORE_MS
        site.put(world.event("raised", "r2/bat1/2S4/jar_temp_warning", room="r2"))
        await until(lambda: [len(items) for items in notifier.picture.held.values()] == [1])
        await looked(site)
        assert list(notifier.picture.held) == ["ben/email"]
    assert [recipients for recipients, _ in said(smtp)] == [("anna@example.org",)]
