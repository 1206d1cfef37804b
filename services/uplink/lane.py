"""The lane of inputs: blocks go up strictly in the order of the log, and the place follows their acknowledgement.

    read a block -> bodies of its rule sets confirmed -> bytes granted -> handed over -> acknowledged -> place -> disk

Frames and ticks from which no event follows wait up to ``calm_s`` for others, so that a quiet site does not send a
block with its header and signature for each of them; whatever else comes goes at once, 100 ms after the block before
it, and takes with it what waits.

Promises: a kill at any step loses nothing, because everything behind the place in DIR/uplink.json goes up again; a new
epoch is on the disk before anything goes up under it; a disk that is long in taking the place holds up no alarm.
Limits: 8 MiB or 64 blocks handed over and not acknowledged.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import NamedTuple

from services.uplink.budget import Budget
from services.uplink.place import Keeper, Place
from services.uplink.port import Centre
from services.uplink.reading import Blocks, Cut, Turn
from services.uplink.threads import finished
from shared.domain.errors import LogError
from shared.log.steps import Step, no_step
from shared.runtime.bell import Bell
from shared.runtime.logging import Changes, logger

BYTES_MAX = 8 << 20
BLOCKS_MAX = 64
LOOK_S = 0.1
"""How often the log is asked for its newest number when no bell rings."""
PACE_S = 0.1
"""From a block to the next, unless one is full: each costs a signature here, a record there, a look everywhere. Alarms
do not wait for it."""
TROUBLE_S = 1.0

LABELS = (
    "after read",
    "after rule set",
    "after hand-over",
    "after acknowledgement",
    "before place",
    "after place",
    "before epoch",
    "after epoch",
    "after order",
)
"""Steps at which a test may end the process."""


class Again(NamedTuple):
    """The fleet asks for everything from ``from_seq`` on."""

    from_seq: int
    state: bool
    epoch: int


class _Sent(NamedTuple):
    cut: Cut
    done: "asyncio.Future[None]"


class Lane:
    """One site's inputs. ``run`` for each connection; what is known between connections is the place.

    ``first_epoch`` is for a folder whose file is missing or damaged: seconds since 1970 are above any before.
    """

    def __init__(
        self,
        blocks: Blocks,
        keeper: Keeper,
        budget: Budget,
        bell: Bell,
        *,
        first_epoch: int = 1,
        calm_s: float = 0.0,
        step: Step = no_step,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._blocks = blocks
        self._keeper = keeper
        self._budget = budget
        self._bell = bell
        self._paced_to = 0.0
        self._calm_s = calm_s
        self._step = step
        self._now = now
        self.place = keeper.read() or Place(epoch=first_epoch)
        self._looked = False
        self.behind = 0
        """Numbers of the log that the fleet has not acknowledged."""
        self._asked: deque[Again] = deque()
        self._sent: deque[_Sent] = deque()
        self._bytes = 0
        self._changes = Changes()
        self._log = logger()

    @property
    def is_done(self) -> bool:
        """Everything that the log had at the last look is acknowledged."""
        return self._looked and not self.behind and not self._asked

    def again(self, asked: Again) -> None:
        """Take up a request of the fleet; it is done between two blocks.

        One made by who has not seen the present epoch yet is about what has gone up again meanwhile.
        """
        if not 0 < asked.epoch < self.place.epoch:
            self._asked.append(asked)

    def done_order(self, place: int) -> None:
        """Orders up to there need not come again; on the disk with the place."""
        self.place = replace(self.place, orders=place)

    async def run(self, centre: Centre) -> None:
        """Sends until cancelled. Raises CentreLost."""
        self._sent.clear()
        self._bytes = 0
        try:
            while True:
                try:
                    await self._begin()
                    await self._send_on(centre)
                except LogError as fault:
                    self._tell("log", str(fault))
                    await self._settle_all()
                    await asyncio.sleep(TROUBLE_S)
        finally:
            for sent in self._sent:
                sent.done.cancel()
            self._blocks.close()
            self._keeper.keep(self.place, self._now())
            self._tell("place", self._keeper.trouble)

    async def _begin(self) -> None:
        """Stand where the place is, or where it must be now."""
        if not self._keeper.has_any:
            await self._turn(Turn(self.place, ""))
        while (turn := await finished(self._blocks.begin, self.place)) is not None:
            await self._turn(turn)

    async def _send_on(self, centre: Centre) -> None:
        while True:
            await self._settle()
            if self._asked:
                await self._do_asked()
                return
            found = await finished(self._blocks.next)
            self._tell("log", self._blocks.trouble)
            if isinstance(found, Turn):
                await self._turn(found)
                return
            if found is None:
                await self._wait_for_more()
                continue
            self._step("after read")
            await self._send(centre, found)
            if self._blocks.is_through:
                await self._wait_for_more()

    async def _send(self, centre: Centre, cut: Cut) -> None:
        for version in cut.rulesets:
            body = self._blocks.ruleset(version)
            if body is not None:
                await self._budget.take(len(body))
                await centre.send_ruleset(version, body)
                self._step("after rule set")
        size = len(cut.data)
        await self._budget.take(size)
        while self._sent and (self._bytes + size > BYTES_MAX or len(self._sent) >= BLOCKS_MAX):
            await self._settle_one()
        self._sent.append(_Sent(cut, await centre.send_block(cut.data)))
        self._bytes += size
        self._paced_to = self._now() + PACE_S
        self._step("after hand-over")

    async def _do_asked(self) -> None:
        await self._settle_all()
        asked = self._asked.pop()
        self._asked.clear()
        turn = await finished(self._blocks.resend, self.place, asked.from_seq, state=asked.state, epoch=asked.epoch)
        await self._turn(turn)

    async def _turn(self, turn: Turn) -> None:
        """Everything before it is acknowledged first; then it is on the disk before anything follows."""
        await self._settle_all()
        place = replace(turn.place, marks=self.place.marks, orders=self.place.orders)
        if turn.why:
            self._log.info("uplink_turns", why=turn.why, epoch=place.epoch, after=place.site_seq)
        self._step("before epoch")
        while not await finished(self._keeper.keep, place, self._now()):
            self._tell("place", self._keeper.trouble)
            await asyncio.sleep(TROUBLE_S)
        self._tell("place", "")
        self.place = replace(place, orders=self.place.orders)
        self._step("after epoch")

    async def _settle(self) -> None:
        """Take note of what has been acknowledged, on the disk too when that is due."""
        while self._sent and self._sent[0].done.done():
            sent = self._sent.popleft()
            sent.done.result()
            self._acknowledged(sent.cut)
        if self._keeper.is_due(self.place, self._now()):
            await finished(self._keeper.keep, self.place, self._now())
        self._tell("place", self._keeper.trouble)

    async def _settle_one(self) -> None:
        await asyncio.wait([self._sent[0].done])
        await self._settle()

    async def _settle_all(self) -> None:
        while self._sent:
            await self._settle_one()

    def _acknowledged(self, cut: Cut) -> None:
        self._step("after acknowledgement")
        self._bytes -= len(cut.data)
        self.place = self.place.moved(cut.log_id, cut.last_seq, cut.hash, cut.tick_ms)

    async def _wait_for_more(self) -> None:
        """Until the log has grown, something is asked, or a look at the whole of it is due."""
        end = self._now() + max(TROUBLE_S, self._calm_s)
        calm_end = 0.0
        while self._now() < end and not self._asked:
            await self._settle_for(self._paced_to - self._now())
            rings = self._bell.rings
            newest, is_urgent = await finished(self._blocks.more)
            self._looked, self.behind = True, max(0, newest - self.place.site_seq)
            if newest > self._blocks.read_to:
                calm_end = calm_end or self._now() + self._calm_s
                if is_urgent or self._now() >= calm_end:
                    return
            await self._rung(rings)

    async def _rung(self, rings: int) -> None:
        """Until the bell rings, or it is time to look by oneself; takes note of what is acknowledged meanwhile."""
        bell = asyncio.ensure_future(self._bell.wait(rings, LOOK_S))
        try:
            while self._sent and not bell.done():
                await asyncio.wait([bell, self._sent[0].done], return_when=asyncio.FIRST_COMPLETED)
                await self._settle()
            await bell
        finally:
            bell.cancel()

    async def _settle_for(self, seconds: float) -> None:
        """Nothing but taking note of what is acknowledged."""
        end = self._now() + seconds
        while self._sent and (left := end - self._now()) > 0:
            await asyncio.wait([self._sent[0].done], timeout=left)
            await self._settle()
        await asyncio.sleep(max(0.0, end - self._now()))

    def _tell(self, what: str, trouble: str) -> None:
        """Once a change."""
        if self._changes.changed(what, trouble):
            if trouble:
                self._log.warning("uplink_waits", what=what, why=trouble)
            else:
                self._log.info("uplink_goes_on", what=what)
