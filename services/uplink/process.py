"""``python -m services.uplink DIR``: a site's way to the fleet, at low priority, until TERM.

Nobody at the site waits for it, and it writes nothing but DIR/uplink.json: its death, a fleet that is away, a wrong
identity cost the fleet only. It goes by DIR/site.json, and begins anew when what that says of the uplink has changed.
Exit 0 after TERM.
"""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from random import SystemRandom

from services.uplink.budget import Budget
from services.uplink.files import Files
from services.uplink.identity import read_identity
from services.uplink.lane import LABELS, Lane
from services.uplink.live import LiveLane
from services.uplink.orders import Orders
from services.uplink.place import Keeper
from services.uplink.port import Centre
from services.uplink.reading import Blocks
from services.uplink.serving import Serving
from services.uplink.site_door import SiteDoor
from services.uplink.standing import Standing
from services.uplink.traced import TracedCentre
from shared.devices.plan import SitePlan, UplinkPlan
from shared.domain.errors import Busy, ConfigError, WireError
from shared.runtime import notify_lease, places
from shared.runtime.bell import Bell
from shared.runtime.clocks import SystemClock
from shared.runtime.crashpoints import own_step
from shared.runtime.garbage import settle
from shared.runtime.lifecycle import Signals, end_with_parent
from shared.runtime.logging import Changes, configure, logger
from shared.runtime.tracing import open_spans
from shared.wire.orders import NotifyLease
from shared.wire.plans import decode_site

NICE = 5
LOOK_S = 0.5
SWITCH_S = 0.001
"""The loop gets the interpreter back from a thread that reads the log within this, not within Python's 5 ms: an alarm
waits for that several times."""
CALM_S = 2.0
"""So long frames of which nothing follows are gathered into one block."""


def main() -> int:
    """The exit code."""
    end_with_parent()
    signals = Signals()
    signals.install()
    configure("uplink")
    sys.setswitchinterval(SWITCH_S)
    with suppress(OSError):
        os.nice(NICE)
    asyncio.run(Process(Path(sys.argv[1]), signals).run())
    return 0


class Process:
    """One folder, until the signals say so."""

    def __init__(self, directory: Path, signals: Signals) -> None:
        self._directory = directory
        self._signals = signals
        self._clock = SystemClock()
        self._step = own_step(os.environ, LABELS)
        self._spans = open_spans("uplink", os.environ, self._tell)
        self._changes = Changes()
        self._seen: tuple[int, int] = (0, 0)
        self._plan: SitePlan | None = None

    async def run(self) -> None:
        """Until INT or TERM."""
        with Bell(self._directory) as bell:
            while not self._signals.ended.is_set():
                plan = self._look()
                if plan is not None and plan.uplink.kafka:
                    await self._serve(plan, bell)
                else:
                    await asyncio.sleep(LOOK_S)
        self._spans.close()

    async def _serve(self, plan: SitePlan, bell: Bell) -> None:
        """Until the plan of the uplink is another one."""
        try:
            serving, standing = self._serving(plan.decision.site, plan.uplink, bell)
        except ConfigError as fault:
            if self._changes.changed("identity", str(fault)):
                logger().error("uplink_has_no_identity", why=str(fault))
            await asyncio.sleep(LOOK_S)
            return
        self._changes.changed("identity", "")
        logger().info("uplink_begins", site=plan.decision.site, kafka=plan.uplink.kafka)
        settle()
        stop = asyncio.Event()
        running, telling = asyncio.create_task(serving.run(stop)), asyncio.create_task(standing.run())
        while not running.done() and not self._signals.ended.is_set():
            await asyncio.wait([running], timeout=LOOK_S)
            found = self._look()
            if found is None or found.uplink != plan.uplink:
                break
        stop.set()
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await running

    def _serving(self, site: str, plan: UplinkPlan, bell: Bell) -> tuple[Serving, Standing]:
        """Raises ConfigError."""
        folder = Path(plan.identity)
        identity = read_identity(folder, site)
        budget = Budget(plan.kafka_bytes_per_s)
        keeper = Keeper(self._directory, step=self._step)
        door = SiteDoor(self._directory, self._clock.wall_ms)
        blocks = Blocks(self._directory, site, identity.key)
        first_epoch = self._clock.wall_ms() // 1000
        lane = Lane(blocks, keeper, budget, bell, calm_s=CALM_S, first_epoch=first_epoch, step=self._step)
        live = LiveLane(self._directory, site, identity.key, budget, door, self._clock, bell)
        files = Files(self._directory, folder)
        orders = Orders(site, lane, live, door, self._clock, step=self._step, lease=self._hold, files=files.take)

        async def connect(done_order: int) -> Centre:
            found = read_identity(folder, site)
            blocks.key = live.key = found.key
            try:
                from services.uplink.kafka_centre import KafkaCentre
            except ImportError as fault:
                raise ConfigError(f"{fault}: this installation lacks what the fleet needs (ampward[fleet])") from fault
            made = KafkaCentre(found, found.access(plan.kafka), done_order, tell=self._tell, clock=self._clock)
            if self._spans.is_on:
                return TracedCentre(made, found.key.public, self._spans, self._clock.wall_ms)
            return made

        serving = Serving(lane, live, orders, connect, chance=SystemRandom())
        standing = Standing(self._directory, self._clock, lambda: lane.place, lambda: serving.is_up)
        live.stand = lambda: standing.now
        return serving, standing

    def _hold(self, lease: NotifyLease) -> None:
        with suppress(OSError, Busy):
            notify_lease.take(self._directory, self._clock, lease.holder, lease.epoch, lease.number, lease.for_ms)

    def _tell(self, event: str, words: str) -> None:
        logger().info(event, why=words)

    def _look(self) -> SitePlan | None:
        """The plan that is in force; the one of before while it cannot be read."""
        path = places.find_file(self._directory, places.SITE_PLAN)
        with suppress(OSError, WireError):
            at = path.stat()
            if (at.st_mtime_ns, at.st_ino) != self._seen:
                self._plan = decode_site(path.read_bytes())
                self._seen = (at.st_mtime_ns, at.st_ino)
        return self._plan
