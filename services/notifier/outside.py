"""What the notifier opens towards the outside: its channels by their plans, and the heartbeat. One place names them.

A module is loaded only when its channel is configured. A channel whose plan cannot work is left out and said; its
messages wait and the channel is told as failing.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Protocol

from services.notifier.ports import Channel
from services.notifier.post import FAILING_S
from services.notifier.reports import BoxReport
from services.notifier.routing import Setting
from shared.domain.errors import ConfigError
from shared.domain.inputs import ReportKind
from shared.domain.notify_plan import HeartbeatPlan
from shared.runtime.clocks import Clock
from shared.runtime.logging import logger

LOOK_S = 1.0
HEARTBEAT = "heartbeat"
"""Its part in Reports and alarms, where a channel's name stands else."""
UNANSWERED = "no answer yet"


class Living(Protocol):
    """The site as the heartbeat sees it."""

    def setting(self) -> Setting: ...
    def alive(self) -> bool:
        """Whether the site is well enough to give a sign of life to an outsider."""
        ...

    async def tell(self, report: BoxReport) -> None:
        """A state of the box, told anew after each start."""
        ...


def make_channels(setting: Setting, clock: Clock) -> dict[str, Channel]:
    """By name, those that are configured and can work."""
    makers: dict[str, Callable[[], Channel]] = {}
    if setting.plan.email:
        makers["email"] = lambda: _email(setting)
    if setting.plan.webhook:
        makers["webhook"] = lambda: _webhook(setting, clock)
    made: dict[str, Channel] = {}
    for name, make in makers.items():
        try:
            made[name] = make()
        except ConfigError as fault:
            logger(part="notifier").error("channel_wrong", channel=name, fault=str(fault))
    return made


def _email(setting: Setting) -> Channel:
    from services.notifier import email

    return email.make(setting.plan.email[0], site=setting.site, zone=setting.zone.key)


def _webhook(setting: Setting, clock: Clock) -> Channel:
    from services.notifier import webhook

    return webhook.make(setting.plan.webhook[0], site=setting.site, clock=clock)


@dataclass(slots=True)
class Beating:
    """What became of the last heartbeat, and since when it is so."""

    plan: HeartbeatPlan
    why: str = UNANSWERED
    """"" when beats arrive."""
    since_ms: int = 0
    """Wall clock; 0 before the first answer."""
    failing_from_s: float = 0.0
    """time.monotonic()."""
    is_news: bool = False
    """The log was not told yet."""
    is_told: bool | None = None
    """Whether delivery_failing was told last; None: not since the start."""

    def take(self, why: str, wall_ms: int) -> None:
        """Another answer than before."""
        if why and (not self.why or self.why == UNANSWERED):
            self.failing_from_s = monotonic()
        self.why, self.since_ms, self.is_news = why, wall_ms, True

    @property
    def is_failing(self) -> bool | None:
        """For long enough to be an alarm; None while that is not known yet."""
        if not self.why:
            return False
        patience_s = max(FAILING_S, 2 * self.plan.every_ms / 1000)
        return True if self.since_ms and monotonic() - self.failing_from_s >= patience_s else None


async def beat(
    site: Living, clock: Clock, stop: asyncio.Event, said: Callable[[Beating | None], None] = lambda _: None
) -> None:
    """A sign of life to an outsider for as long as the site is well and one is configured; until ``stop``.

    What becomes of it is a Report whenever that changes; when nothing gets through for two minutes, or two periods when
    that is longer, delivery_failing of ``heartbeat``. ``said`` gets the present one, None when none is configured.
    """
    while not stop.is_set():
        plans = site.setting().plan.heartbeat
        said(None)
        if plans:
            beating = Beating(plans[0])
            said(beating)
            await _beat_by(beating, site, clock, stop)
        await _pause(stop)


async def _beat_by(beating: Beating, site: Living, clock: Clock, stop: asyncio.Event) -> None:
    """Until ``stop``, or until the plan is another."""
    from services.notifier import heartbeat

    changed, plan = asyncio.Event(), beating.plan
    told = partial(_take, beating, clock)
    running = asyncio.create_task(heartbeat.run(plan, changed, site.alive, clock=clock, told=told))
    try:
        while not stop.is_set() and site.setting().plan.heartbeat == (plan,) and not running.done():
            await _tell(beating, site)
            await _pause(stop)
    finally:
        changed.set()
        with suppress(ConfigError):
            await running


def _take(beating: Beating, clock: Clock, why: str) -> None:
    logger(part="heartbeat").info("heartbeat", trouble=why)
    beating.take(why, clock.wall_ms())


async def _tell(beating: Beating, site: Living) -> None:
    """The log, of what is new."""
    if beating.is_news:
        beating.is_news = False
        await site.tell(BoxReport(ReportKind.HEARTBEAT, HEARTBEAT, beating.why or "it arrives", on=not beating.why))
    failing = beating.is_failing
    if failing is not None and failing != beating.is_told:
        beating.is_told = failing
        why = beating.why or "it arrives again"
        await site.tell(BoxReport(ReportKind.DELIVERY_FAILING, HEARTBEAT, why, on=failing))


async def _pause(stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_S):
            await stop.wait()
