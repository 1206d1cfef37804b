"""How far the fleet is with this site's log, looked at once a second and told to the site's process.

It looks by a reader of its own, so that it holds up no lane. Limits: one row of the log, and the sizes of the newest
hundred, a look. What cannot be looked at or told is told at the next look.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from services.uplink.place import Place
from services.uplink.threads import finished
from shared.domain.errors import Busy, LogError, WireError
from shared.log.sqlite_read import SqliteReader
from shared.log.store import DATABASE, open_reader
from shared.runtime.clocks import Clock
from shared.runtime.uplink_stand import UplinkStand, tell
from shared.wire.inputs import decode_input

LOOK_S: Final = 1.0


class Standing:
    """One uplink. ``place`` and ``is_up`` say how far it is and whether the fleet is reached."""

    def __init__(self, directory: Path, clock: Clock, place: Callable[[], Place], is_up: Callable[[], bool]) -> None:
        self._directory = directory
        self._clock = clock
        self._place = place
        self._is_up = is_up
        self._reader: SqliteReader | None = None
        self._inode = 0
        self.now = UplinkStand()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self.now = await finished(self.look)
                with suppress(OSError, Busy):
                    tell(self._directory, self._clock, self.now)
                await asyncio.sleep(LOOK_S)
        finally:
            self._close()

    def look(self) -> UplinkStand:
        """Never raises for what the log says; then there is no figure of a backlog."""
        place = self._place()
        since_ms = (self.now.connected_at_ms or self._clock.wall_ms()) if self._is_up() else 0
        try:
            backlog, size, age_ms = self._backlog(place.site_seq)
        except (LogError, WireError, OSError):
            self._close()
            backlog, size, age_ms = 0, 0, 0
        return UplinkStand(since_ms, place.epoch, place.site_seq, backlog, size, age_ms)

    def _backlog(self, acknowledged: int) -> tuple[int, int, int]:
        """Inputs, bytes, age of the oldest; raises LogError, WireError."""
        reader = self._current()
        head = reader.head()
        oldest = next(reader.inputs(acknowledged, 1), None)
        if oldest is None:
            return 0, 0, 0
        backlog = head.site_seq - oldest.site_seq + 1
        age_ms = max(0, head.tick_ms - decode_input(oldest.data).tick_ms)
        return backlog, round(backlog * reader.bytes_an_input()), age_ms

    def _current(self) -> SqliteReader:
        """A reader of the log that is there now: one may have been set aside."""
        inode = (self._directory / DATABASE).stat().st_ino
        if self._reader is None or inode != self._inode:
            self._close()
            self._reader, self._inode = open_reader(self._directory), inode
        return self._reader

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
