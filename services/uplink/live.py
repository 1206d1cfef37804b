"""The live lane: the site's newest events and points at once, whatever the other lane still has to send.

It begins near the end of the log, not where it stood: what it passes over comes by the blocks, and who sees an event
twice knows it by its id. Events are sent as soon as the site's process rings after their commit (shared.runtime.bell),
also those that the disk does not take (shared.runtime.undurable_events), marked; once a second what points, alarms and
outputs have become (services.uplink.newest); an empty record when nothing else was sent for five seconds, so that a
site that is silent is seen to be. Events that the fleet did not take are sent again, as far as the limits allow; of
points, alarms and outputs everything is told anew. Every record is signed, and none is stamped before it is its turn:
site_seq, sent_at_ms and number rise from record to record of a log, so that one that was heard before is known. A
record of events says from which input on it leaves none out (``from_seq``), so whoever heard the one before knows
whether there is a hole.
Limits: at the beginning 2,000 inputs or 64 KiB of events back, 256 KiB of events between two looks, of a thin line's
bytes what it takes in a second (at the beginning in a quarter): what is older is passed over, so that the newest never
waits for it. Nothing is told of a site whose log could not be read once.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from services.uplink.budget import Budget
from services.uplink.newest import Newest
from services.uplink.port import Centre, CentreLost
from services.uplink.site_door import DoorShut, SiteDoor
from services.uplink.threads import finished
from shared.domain.errors import LogError
from shared.log.sqlite_read import SqliteReader
from shared.log.store import DATABASE, open_reader
from shared.runtime.bell import Bell
from shared.runtime.clocks import Clock
from shared.runtime.undurable_events import Waiting
from shared.runtime.uplink_stand import UplinkStand
from shared.wire.live import Live, LiveAnswer, encode_live, raw_events
from shared.wire.signing import SigningKey

BEHIND_MAX = 2_000
BYTES_MAX = 256 << 10
LOOK_S = 0.1
"""How often the log is looked at when no bell rings."""
PACE_S = 0.04
"""From a look to the next, however often it rings: each costs a thread here, a signature, and a record at the broker
and at whoever reads it. So long an alarm waits at most for others."""
TELL_S = 1.0
SIGN_S = 5.0
FRESH_S = 1.0
"""How often it is looked whether the log's file is still the same."""


class LiveLane:
    """One site. ``run`` for each connection."""

    def __init__(
        self, directory: Path, site: str, key: SigningKey, budget: Budget, door: SiteDoor, clock: Clock, bell: Bell
    ) -> None:
        self.key = key
        """May be another one from connection to connection."""
        self.stand: Callable[[], UplinkStand] = UplinkStand
        """How far the fleet has the log by the other lane; told with every record."""
        self._directory = directory
        self._site = site
        self._budget = budget
        self._door = door
        self._clock = clock
        self._bell = bell
        self._reader: SqliteReader | None = None
        self._inode = 0
        self._opened_at = 0.0
        self._seen = 0
        """How far the log was at the last look."""
        self._read = 0
        """Events up to there are sent, or passed over."""
        self._whole_from = 1
        """The input from which on none was passed over since the last record of events."""
        self._log_id = ""
        self._count = 0
        self._newest = Newest()
        self._undurable = Waiting(directory)
        self._sent_at = 0.0
        self._most_later = min(BYTES_MAX, budget.bytes_per_s or BYTES_MAX)
        self._most = self._most_first = self._most_later // 4

    async def run(self, centre: Centre) -> None:
        """Until cancelled. What the fleet does not take is passed over."""
        self._newest.forget()
        parts = [asyncio.create_task(part) for part in (self._tell_events(centre), self._tell_newest(centre))]
        try:
            await asyncio.gather(*parts)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            self._close()

    async def answer(self, centre: Centre, answer: LiveAnswer) -> None:
        """What the site has decided upon a command, behind whatever is on its way. Raises CentreLost."""
        await self._send(centre, answers=(answer,))

    async def _tell_events(self, centre: Centre) -> None:
        while True:
            rings, paced_to = self._bell.rings, self._now() + PACE_S
            try:
                for part in _parts(await finished(self._new_events)):
                    await self._send(centre, events=raw_events(part), from_seq=self._whole_from)
                    self._read, self._whole_from = self._seen, self._seen + 1
                for part in _parts(_newest(self._undurable.take(), self._most)):
                    await self._send(centre, events=raw_events(part), undurable=True)
                if self._log_id and self._now() - self._sent_at >= SIGN_S:
                    await self._send(centre, from_seq=self._whole_from)
                    self._whole_from = self._seen + 1
            except LogError:
                self._close()
                await asyncio.sleep(FRESH_S)
            except CentreLost:
                await asyncio.sleep(FRESH_S)
            await self._bell.wait(rings, LOOK_S)
            await asyncio.sleep(max(0.0, paced_to - self._now()))

    async def _tell_newest(self, centre: Centre) -> None:
        while True:
            try:
                if self._log_id:
                    told = await asyncio.to_thread(self._door.told)
                    for part in self._newest.parts(told, self._now()):
                        await self._send(centre, **part._asdict())
            except (DoorShut, CentreLost):
                self._newest.forget()
            await asyncio.sleep(TELL_S if self._log_id else LOOK_S)

    async def _send(self, centre: Centre, **what: Any) -> None:
        """One record with these fields of Live."""
        await self._budget.take_live(0)
        self._count += 1
        stand = self.stand()
        record = Live(
            site=self._site,
            log_id=self._log_id,
            site_seq=self._seen,
            sent_at_ms=self._clock.wall_ms(),
            number=self._count,
            acked_seq=stand.acknowledged,
            backlog_ms=stand.backlog_ms,
            **what,
        )
        data = encode_live(record, self.key)
        self._budget.spend(len(data))
        await centre.send_live(data)
        self._sent_at = self._now()

    def _now(self) -> float:
        return self._clock.monotonic_ms() / 1000

    def _new_events(self) -> list[bytes]:
        """What has been committed since the last look; raises LogError."""
        reader = self._current()
        last = reader.last_seq()
        if last <= self._read:
            return []
        after = max(self._read, last - BEHIND_MAX)
        found: list[tuple[int, bytes]] = []
        for span in reader.spans(after):
            found += [(seq, data) for seq, _, data in span.inside.events if seq > after]
            last = max(last, span.last_seq)
        most, self._most = self._most, self._most_later
        self._seen = max(self._seen, last)
        events = _newest([data for _, data in found], most)
        if passed_over := len(found) - len(events):
            self._whole_from = found[passed_over - 1][0] + 1
        elif after > self._read:
            self._whole_from = after + 1
        if not events:
            self._read = last
        return events

    def _current(self) -> SqliteReader:
        """A reader of the log that is there; raises LogError."""
        now = self._now()
        if self._reader is not None and now - self._opened_at < FRESH_S:
            return self._reader
        path = self._directory / DATABASE
        inode = path.stat().st_ino if path.exists() else 0
        if self._reader is None or inode != self._inode:
            self._close()
            self._reader = open_reader(self._directory)
            self._inode = inode
            self._most = self._most_first
            self._seen = last = self._reader.last_seq()
            is_known = 0 < self._read <= last
            self._read = self._read if is_known else max(0, last - BEHIND_MAX)
            self._whole_from = min(self._whole_from, self._read + 1) if is_known else self._read + 1
        self._log_id = next((log_id for _, log_id in reversed(self._reader.log_ids())), "")
        self._opened_at = now
        return self._reader

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _newest(events: list[bytes], most: int) -> list[bytes]:
    """The last ones, as many as fit."""
    size = 0
    for count, data in enumerate(reversed(events)):
        size += len(data)
        if count and size > most:
            return events[-count:]
    return events


def _parts(events: list[bytes]) -> Iterator[tuple[bytes, ...]]:
    """As many as go into one record."""
    held: list[bytes] = []
    size = 0
    for data in events:
        if held and size + len(data) > BYTES_MAX:
            yield tuple(held)
            held, size = [], 0
        held.append(data)
        size += len(data)
    if held:
        yield tuple(held)
