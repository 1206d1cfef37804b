"""One site's notifier at the centre, for as long as its partition is ours: claimed, run, handed over.

    waiting --claim--> gathering --nothing older is to come--> telling --end--> drained, released
       ^                (only a site of which nothing stands in the ledger)|
       +------------------------ fenced, or the database was away <--------+

Gathering: what a site's log tells of the past is not told to anybody, it only counts for what is open; that is told in
one summary. Limits: GATHER_S of gathering.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from services.notifier.centre.claims import Claims
from services.notifier.centre.early import EVENTS_MAX, AheadOf, Heard
from services.notifier.centre.feed import CentreFeed, TellReports
from services.notifier.centre.ledger import Fenced, LedgerAway, PostgresLedger
from services.notifier.centre.seen import Seen, decode_seen
from services.notifier.ports import Channel
from services.notifier.post import Counter
from services.notifier.routing import Setting
from services.notifier.service import Notifier
from shared.domain.events import Event
from shared.log.steps import Step, no_step
from shared.runtime.clocks import Clock
from shared.runtime.logging import logger
from shared.runtime.postgres import TROUBLE, Months, Pool
from shared.wire.live import Live

CLAIM_S: Final = 0.25
AGAIN_S: Final = 1.0
GATHER_S: Final = 60.0
LOOK_S: Final = 0.1
UNREADY_MAX: Final = 2_000
"""Live records that are kept until the site is ours, with at most EVENTS_MAX events."""
_FOUND: Final = """
SELECT stand, seen, live,
    coalesce((SELECT min(number) - 1 FROM notifier.report AS one WHERE one.site = $1), last_report)
FROM notifier.site WHERE site = $1
"""


@dataclass(frozen=True, slots=True)
class Parts:
    """What every seat of a replica shares."""

    pool: Pool
    months: Months
    claims: Claims
    clock: Clock
    setting: Callable[[str], Setting]
    """Of a site; the same object until it changes."""
    channels: Callable[[Setting], Mapping[str, Channel]]
    sender: str
    """As the notify lease names it."""
    tell: Callable[[str, int], TellReports]
    """For a site and its partition."""
    step: Step = no_step
    counts: Counter = field(default_factory=Counter)
    """Of all seats together."""


class Seat:
    """See the module. ``before`` is the end of an earlier seat of the same site."""

    def __init__(self, parts: Parts, site: str, partition: int, before: "asyncio.Task[None] | None" = None) -> None:
        self.site = site
        self.partition = partition
        self.fence = 0
        self.feed = self._new_feed(parts, site, partition)
        self.is_gathering = False
        self.heard = Heard(parts.clock)
        self._unready: deque[tuple[Live, Sequence[Event], int]] = deque(maxlen=UNREADY_MAX)
        self._parts = parts
        self._notifier: Notifier | None = None
        self._before = before
        self._ready = asyncio.Event()
        self._stop, self._leave = asyncio.Event(), asyncio.Event()
        self._log: Any = logger(part="notifier", site=site)
        self._task = asyncio.create_task(self._run(), name=f"seat {site}")

    async def ready(self) -> None:
        """Until the site is ours. Cancellable."""
        await self._ready.wait()

    def hear(self, live: Live, events: Sequence[Event], at_ms: int) -> None:
        """A record of the site's live lane that the broker took at ``at_ms``, and those of its events that concern
        anybody."""
        if self._ready.is_set():
            self.heard.take(live, events, self.feed.seen, at_ms)
        else:
            self._unready.append((live, events, at_ms))
            while sum(len(events) for _, events, _ in self._unready) > EVENTS_MAX:
                self._unready.popleft()

    def is_at(self, fence: int) -> bool:
        """Whether the site is ours by this claim, as far as we know."""
        return self._ready.is_set() and self.fence == fence

    def restart(self) -> None:
        """The claim is another's by now: let go, and claim again."""
        self._leave.set()

    @property
    def waiting(self) -> int:
        """Messages that are not settled."""
        return self._notifier.post.waiting if self._notifier is not None else 0

    @property
    def holds(self) -> int:
        """The fence while the site is ours, else 0."""
        return self.fence if self._ready.is_set() and not self._leave.is_set() else 0

    async def end(self) -> None:
        """What is under way ends, then the site is anybody's. Never raises."""
        self._stop.set()
        self._leave.set()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        if self._before is not None:
            await asyncio.wait([self._before])
        while not self._stop.is_set():
            pause_s = AGAIN_S
            try:
                pause_s = CLAIM_S if not await self._sit() else AGAIN_S
            except Fenced:
                self._log.warning("site_fenced")
            except (LedgerAway, *TROUBLE) as fault:
                self._log.warning("ledger_away", fault=f"{type(fault).__name__}: {fault}")
            except Exception as fault:  # A fault of one site's notifier is no other site's.
                self._log.error("notifier_failed", fault=repr(fault))
            finally:
                self._ready.clear()
            await self._pause(pause_s)

    async def _sit(self) -> bool:
        """Claim and tell, until the end; False when the site is another's."""
        parts, site = self._parts, self.site
        fence = await parts.claims.claim(site, self.partition)
        if not fence:
            return False
        stand, seen, live, reported = await parts.pool.fetchrow(_FOUND, site)
        feed = self._new_feed(parts, site, self.partition, reported)
        feed.seen = Seen() if seen is None else decode_seen(seen)
        self.fence, self.feed, self.is_gathering = fence, feed, stand is None
        if stand is None and feed.seen.logs:
            feed.lose()
        self._log.info("site_claimed", fence=fence)
        if not self._stop.is_set():
            self._leave.clear()
        self.heard.adopt(live)
        self._ready.set()
        while self._unready:
            self.hear(*self._unready.popleft())
        if stand is None:
            await self._gather(feed)
        self.is_gathering = False
        ledger = PostgresLedger(parts.pool, parts.months, site, fence, step=parts.step)
        self._notifier = Notifier(
            feed,
            ledger,
            parts.clock,
            lambda _: parts.channels(parts.setting(site)),
            step=parts.step,
            sender=parts.sender,
            counts=parts.counts,
            ahead=AheadOf(self.heard, feed.seen),
        )
        try:
            await self._notifier.run(self._leave)
        finally:
            self._notifier = None
        await parts.claims.release(site, fence)
        return True

    async def _gather(self, feed: CentreFeed) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER_S):
                while feed.is_behind() and not self._stop.is_set():
                    await self._pause(LOOK_S)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    @staticmethod
    def _new_feed(parts: Parts, site: str, partition: int, reported: int = 0) -> CentreFeed:
        return CentreFeed(lambda: parts.setting(site), parts.clock, parts.tell(site, partition), reported=reported)
