"""What the notifier opens towards the outside: its channels by their plans, and the heartbeat. One place names them.

A module is loaded only when its channel is configured. A channel whose plan cannot work is left out and said; its
messages wait and the channel is told as failing.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from services.notifier.feed import Feed
from services.notifier.ports import Channel
from services.notifier.routing import Setting
from shared.domain.errors import ConfigError
from shared.runtime.clocks import Clock
from shared.runtime.logging import logger

LOOK_S = 1.0


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


async def beat(feed: Feed, clock: Clock, stop: asyncio.Event) -> None:
    """A sign of life to an outsider for as long as the site is well and one is configured; until ``stop``."""
    log = logger(part="heartbeat")
    while not stop.is_set():
        plans = feed.setting().plan.heartbeat
        if plans:
            from services.notifier import heartbeat

            changed = asyncio.Event()
            running = asyncio.create_task(
                heartbeat.run(
                    plans[0], changed, feed.alive, clock=clock, told=lambda why: log.info("heartbeat", trouble=why)
                )
            )
            try:
                while not stop.is_set() and feed.setting().plan.heartbeat == plans and not running.done():
                    await _pause(stop)
            finally:
                changed.set()
                with suppress(ConfigError):
                    await running
        await _pause(stop)


async def _pause(stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_S):
            await stop.wait()
