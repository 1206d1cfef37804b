"""What sites show at once on ampward.live.v1, and how long it takes to an operator's stream at the centre."""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from shared.bus.registry import LIVE
from shared.log.port import EventRow
from shared.wire.events import decode_event
from shared.wire.live import Live, encode_live, raw_events
from tests.fleet.centre import KEY, Centre
from tests.fleet.replicas import Reader, Replica

LOOK_S = 0.2


class Shown:
    """A gateway's process and an operator who follows all sites from their beginning; ``async with``."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre
        self._number = 0
        self._sent: dict[str, tuple[str, float]] = {}
        """By event's id: its site, and time.monotonic() before it was sent the first time."""

    async def __aenter__(self) -> Self:
        self._gateway = Replica(self._centre)
        self._reader = Reader([self._gateway])
        try:
            await self._gateway.answers()
        except BaseException:
            self._gateway.kill()
            raise
        self._reading = asyncio.create_task(self._reader.follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._gateway.kill()

    async def show(self, site: str, rows: Iterable[EventRow]) -> None:
        """One record with these events, as the site's uplink signs it; none when there are no events."""
        data = tuple(row.data for row in rows)
        if not data:
            return
        events = [decode_event(each) for each in data]
        self._number += 1
        live = Live(
            site=site, log_id=events[-1].log_id, site_seq=events[-1].site_seq,
            sent_at_ms=time.time_ns() // 1_000_000, number=self._number, events=raw_events(data),
        )  # fmt: skip
        for event in events:
            self._sent.setdefault(event.id, (site, time.monotonic()))
        await self._centre.producer.send(self._centre.place(LIVE, site), site.encode(), encode_live(live, KEY))

    async def told(self, wanted: Collection[str], *, within_s: float) -> Counter[str]:
        """How often the operator was told of each event, once all that are wanted came or the time is over."""
        heard = self._reader.heard
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not set(heard.ids).issuperset(wanted):
                    await asyncio.sleep(LOOK_S)
        return Counter(heard.ids)

    def figure(self, *sites: str) -> str:
        """In words: how long it took with what these sites showed; one that did not come took endlessly."""
        heard = self._reader.heard
        came: dict[str, float] = {}
        for ident, at in zip(heard.ids, heard.at, strict=True):
            came.setdefault(ident, at)
        waits = sorted(came.get(ident, float("inf")) - at for ident, (site, at) in self._sent.items() if site in sites)
        if not waits:
            return "none"
        half, most = waits[len(waits) // 2], waits[-(-99 * len(waits) // 100) - 1]
        return f"{len(waits)} events, half within {half:.3f} s, p99 {most:.3f} s, the last {waits[-1]:.3f} s"
