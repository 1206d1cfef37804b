"""Orders of the fleet on their way down: looked at, handed to the site or the lane, then noted as done.

| order | what becomes of it |
|---|---|
| command | into the site's own door under its own id: one input, however often it comes; its answer goes up at once |
| lease | the same: the site's log decides it as a command, ``hold_on`` |
| resend | to the lane of inputs |
| file | its signature is looked at, then the site's process checks it and takes it in or not; its answer goes up |
| notify_lease | held for the site's own process (shared.runtime.notify_lease); one that comes too late is nothing |
| older than its time to live, by the fleet's clock | dropped, said in a structured line |
| not readable, for another site, of a kind that this program does not know | the same |

Promises: an order that was handed in and not noted as done comes again after a kill, and does nothing the second time;
nothing is handed in when its time is over, also when the site's own process was away so long.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import assert_never

from services.uplink.lane import Again, Lane
from services.uplink.live import LiveLane
from services.uplink.port import Centre, Order
from services.uplink.site_door import DoorShut, SiteDoor
from shared.domain.errors import WireError
from shared.log.steps import Step, no_step
from shared.runtime.clocks import Clock
from shared.runtime.logging import logger
from shared.wire.live import LiveAnswer
from shared.wire.orders import CommandOrder, FileOrder, NotifyLease, OutputLease, Resend, decode_order, lease_command
from shared.wire.orders import Order as Wanted

AGAIN_S = 0.5
ASKED_MAX = 60
"""So often a site is asked what it made of a command whose time is over; then the next order has its turn."""
CLOCK_S = 10.0
"""So long the fleet's clock is waited for; then ours is taken for right."""


async def _no_file(_order: FileOrder) -> None:
    """For an uplink without a place for files."""


class Orders:
    """One site. ``run`` for each connection."""

    def __init__(
        self,
        site: str,
        lane: Lane,
        live: LiveLane,
        door: SiteDoor,
        clock: Clock,
        *,
        step: Step = no_step,
        lease: Callable[[NotifyLease], object] = lambda _: None,
        files: Callable[[FileOrder], Awaitable[LiveAnswer | None]] = _no_file,
    ) -> None:
        self._site = site
        self._lane = lane
        self._live = live
        self._door = door
        self._clock = clock
        self._step = step
        self._lease = lease
        self._files = files
        self._log = logger()

    async def run(self, centre: Centre) -> None:
        """Until cancelled. Raises CentreLost."""
        while True:
            order = await centre.next_order()
            await self._do(centre, order)
            self._step("after order")
            self._lane.done_order(order.place)

    async def _do(self, centre: Centre, order: Order) -> None:
        try:
            wanted = decode_order(order.data)
        except WireError as fault:
            self._log.warning("order_not_read", place=order.place, why=str(fault))
            return
        if wanted.site != self._site:
            self._log.warning("order_of_another_site", id=wanted.id, site=wanted.site)
            return
        await self._know_clock(centre)
        match wanted:
            case Resend(from_seq=from_seq, state=state, epoch=epoch):
                if not self._is_over(centre, wanted):
                    self._lane.again(Again(from_seq, state, epoch))
            case NotifyLease():
                if not self._is_late(centre, wanted):
                    self._lease(wanted)
            case CommandOrder():
                await self._command(centre, wanted)
            case OutputLease():
                await self._command(centre, lease_command(wanted))
            case FileOrder():
                await self._file(centre, wanted)
            case _:
                assert_never(wanted)

    async def _command(self, centre: Centre, wanted: CommandOrder) -> None:
        """Hand it in until the site has answered, or its time is over: then it may have been taken all the same."""
        while not self._is_over(centre, wanted):
            try:
                answer = await asyncio.to_thread(self._door.command, wanted)
            except DoorShut:
                await asyncio.sleep(AGAIN_S)
                continue
            await self._tell(centre, answer)
            return
        for _ in range(ASKED_MAX):
            try:
                decided = await asyncio.to_thread(self._door.decided, wanted.id)
            except DoorShut:
                await asyncio.sleep(AGAIN_S)
                continue
            if decided is not None:
                await self._tell(centre, decided)
            return

    async def _tell(self, centre: Centre, answer: LiveAnswer) -> None:
        self._log.info("order_done", id=answer.id, accepted=answer.accepted, reason=answer.reason)
        await self._live.answer(centre, answer)

    async def _file(self, centre: Centre, wanted: FileOrder) -> None:
        """A file that the centre pushes: what the site said of it goes up at once."""
        if self._is_over(centre, wanted):
            return
        answer = await self._files(wanted)
        if answer is not None:
            self._log.info("file_done", id=wanted.id, accepted=answer.accepted, reason=answer.reason, text=answer.text)
            await self._live.answer(centre, answer)

    async def _know_clock(self, centre: Centre) -> None:
        end = self._clock.monotonic_ms() + int(CLOCK_S * 1000)
        while centre.offset_ms() is None and self._clock.monotonic_ms() < end:
            await asyncio.sleep(0.05)

    def _is_over(self, centre: Centre, wanted: Wanted) -> bool:
        """By the fleet's clock, as we know it."""
        is_over = self._is_late(centre, wanted)
        if is_over:
            self._log.warning("order_expired", id=wanted.id, sent_at_ms=wanted.sent_at_ms, ttl_ms=wanted.ttl_ms)
        return is_over

    def _is_late(self, centre: Centre, wanted: Wanted) -> bool:
        return self._clock.wall_ms() + (centre.offset_ms() or 0) - wanted.sent_at_ms > wanted.ttl_ms
