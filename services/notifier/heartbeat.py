"""The heartbeat to an outsider: a GET of one URL every so often, as long as the site is really well.

What is on the other side raises an alarm of its own when it stays away; so it must stay away when the site cannot do
its work: ``alive`` is asked before each beat (whether the log moves and guard is heard). A beat that fails is tried
again after 30 s or one period, whichever is shorter.

Promises: within the bounds of services.notifier.reach; says why beats fail when that changes, not at each; ends at once
when ``stop`` is set. Refuses nothing: a plan is checked by :func:`faults`.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress

from services.notifier.network import Resolve, resolve
from services.notifier.reach import Reach, Unreached, Where
from services.notifier.reach import faults as where_faults
from shared.domain.notify_plan import HeartbeatPlan
from shared.runtime.clocks import Clock

TIMEOUT_S = 10.0
AGAIN_S = 30.0


def faults(plan: HeartbeatPlan) -> list[str]:
    """What is wrong with it, sentence by sentence; nothing is opened."""
    return where_faults(_where(plan))


def _where(plan: HeartbeatPlan) -> Where:
    return Where(plan.url, plan.url_file, plan.allow)


async def run(
    plan: HeartbeatPlan,
    stop: asyncio.Event,
    alive: Callable[[], bool],
    *,
    clock: Clock,
    told: Callable[[str], None] = lambda _why: None,
    timeout_s: float = TIMEOUT_S,
    resolver: Resolve = resolve,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Beat until ``stop``. ``told`` gets "" when beats begin to arrive and a sentence when they begin to fail."""
    reach = Reach(_where(plan), timeout_s=timeout_s, resolver=resolver, tls=tls)
    last = "not yet tried"
    try:
        while not stop.is_set():
            fault = await _beat(reach, clock) if alive() else last
            if fault != last:
                last = fault
                told(fault)
            pause_s = plan.every_ms / 1000
            with suppress(TimeoutError):
                async with asyncio.timeout(min(pause_s, AGAIN_S) if fault else pause_s):
                    await stop.wait()
    finally:
        await reach.close()


async def _beat(reach: Reach, clock: Clock) -> str:
    """One beat; why it did not arrive, or ""."""
    reply = await reach.request("GET", headers={}, content=b"", wall_ms=clock.wall_ms())
    if isinstance(reply, Unreached):
        return f"the heartbeat's {reply.why}"
    return "" if 200 <= reply.status < 300 else f"the heartbeat's {reply.shown} answers HTTP {reply.status}"
