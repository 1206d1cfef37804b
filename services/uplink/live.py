"""The live lane: the site's newest events and points at once, whatever the other lane still has to send.

It begins near the end of the log, not where it stood: what it passes over comes by the blocks, and who sees an event
twice knows it by its id. Events are sent within some 50 ms of their commit, changed points once a second, all points at
the beginning of each connection and each five minutes; an empty record when nothing else was sent for five seconds, so
that a site that is silent is seen to be. A record that is lost is not sent again.
Limits: at the beginning 2,000 inputs or 64 KiB of events back, 256 KiB of events between two looks 25 ms apart, of a
thin line's bytes what it takes in a second (at the beginning in a quarter): what is older is passed over, so that the
newest never waits for it; 1,000 points a record.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from services.uplink.budget import Budget
from services.uplink.port import Centre, CentreLost
from services.uplink.site_door import DoorShut, SiteDoor
from services.uplink.threads import finished
from shared.domain.errors import LogError
from shared.log.sqlite_read import SqliteReader
from shared.log.store import DATABASE, open_reader
from shared.runtime.clocks import Clock
from shared.wire.live import Live, LiveAnswer, LivePoint, encode_live, raw_events

BEHIND_MAX = 2_000
BYTES_MAX = 256 << 10
POINTS_MAX = 1_000
LOOK_S = 0.025
POINTS_S = 1.0
ALL_POINTS_S = 300.0
SIGN_S = 5.0
FRESH_S = 1.0
"""How often it is looked whether the log's file is still the same."""


class LiveLane:
    """One site. ``run`` for each connection."""

    def __init__(self, directory: Path, site: str, budget: Budget, door: SiteDoor, clock: Clock) -> None:
        self._directory = directory
        self._site = site
        self._budget = budget
        self._door = door
        self._clock = clock
        self._reader: SqliteReader | None = None
        self._inode = 0
        self._opened_at = 0.0
        self._seen = 0
        self._log_id = ""
        self._sent_at = 0.0
        self._most_later = min(BYTES_MAX, budget.bytes_per_s or BYTES_MAX)
        self._most = self._most_first = self._most_later // 4

    async def run(self, centre: Centre) -> None:
        """Until cancelled. What the fleet does not take is passed over."""
        try:
            await asyncio.gather(self._tell_events(centre), self._tell_points(centre))
        finally:
            self._close()

    async def answer(self, centre: Centre, answer: LiveAnswer) -> None:
        """What the site has decided upon a command, behind whatever is on its way. Raises CentreLost."""
        await self._send(centre, self._record(answers=(answer,)))

    async def _tell_events(self, centre: Centre) -> None:
        while True:
            try:
                found = await finished(self._new_events)
                if not found and self._now() - self._sent_at >= SIGN_S:
                    found = [self._record()]
                for record in found:
                    await self._send(centre, record)
            except LogError:
                self._close()
                await asyncio.sleep(FRESH_S)
            except CentreLost:
                await asyncio.sleep(FRESH_S)
            await asyncio.sleep(LOOK_S)

    async def _tell_points(self, centre: Centre) -> None:
        known: dict[str, LivePoint] = {}
        all_at = self._now()
        while True:
            if self._now() - all_at >= ALL_POINTS_S:
                known.clear()
                all_at = self._now()
            try:
                now = {point.id: point for point in await asyncio.to_thread(self._door.points)}
                changed = [point for point in now.values() if _shown(known.get(point.id)) != _shown(point)]
                for start in range(0, len(changed), POINTS_MAX):
                    part = tuple(changed[start : start + POINTS_MAX])
                    await self._send(centre, self._record(points=part))
                    known.update((point.id, point) for point in part)
            except (DoorShut, CentreLost):
                known.clear()
            await asyncio.sleep(POINTS_S)

    async def _send(self, centre: Centre, record: Live) -> None:
        data = encode_live(record)
        await self._budget.take_live(len(data))
        await centre.send_live(data)
        self._sent_at = self._now()

    def _now(self) -> float:
        return self._clock.monotonic_ms() / 1000

    def _record(
        self,
        *,
        events: tuple[bytes, ...] = (),
        points: tuple[LivePoint, ...] = (),
        answers: tuple[LiveAnswer, ...] = (),
    ) -> Live:
        return Live(
            site=self._site,
            log_id=self._log_id,
            site_seq=self._seen,
            sent_at_ms=self._clock.wall_ms(),
            events=raw_events(events),
            points=points,
            answers=answers,
        )

    def _new_events(self) -> list[Live]:
        """What has been committed since the last look; raises LogError."""
        reader = self._current()
        last = reader.last_seq()
        if last <= self._seen:
            return []
        after = max(self._seen, last - BEHIND_MAX)
        found: list[bytes] = []
        for span in reader.spans(after):
            found += [data for seq, _, data in span.inside.events if seq > after]
            last = max(last, span.last_seq)
        most, self._most = self._most, self._most_later
        self._seen = last
        return [self._record(events=part) for part in _parts(_newest(found, most))]

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
            self._seen = min(self._seen, self._reader.last_seq()) or max(0, self._reader.last_seq() - BEHIND_MAX)
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


def _shown(point: LivePoint | None) -> tuple[str, str, str] | None:
    return None if point is None else (point.value, point.quality, point.no_data)
