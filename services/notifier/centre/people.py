"""Whom the centre tells, by its people's file, which is looked at again: a new version holds without a restart.

    file changed -> read and checked like at the start -> sound: every site's notifier decides by it from now on
                                                       -> not:   told once, and the last good version goes on

Promises: nobody is without people because of a file with faults, or one that is gone. A link that is put elsewhere, as
Kubernetes does it, is a change. A site's setting is the same object until the file's content changes.
Limits: a look each LOOK_S, at the times and sizes of the file and those that it includes.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from services.notifier.routing import Setting
from shared.domain.errors import ConfigError
from shared.log.kafka.records import Tell
from shared.runtime.site_file.people import PeopleOfAll

LOOK_S: Final = 3.0

Read = Callable[[], PeopleOfAll]
"""Raises ConfigError."""
_Stamp = tuple[tuple[int, int, int], ...]


class People:
    """See the module. One event loop."""

    def __init__(self, people: PeopleOfAll, tell: Tell, read: Read | None = None, *, look_s: float = LOOK_S) -> None:
        self._people = people
        self._tell = tell
        self._read = read
        self._look_s = look_s
        self._stamp = _stamp(people.files)
        self._fault = ""
        self._made: dict[str, Setting] = {}

    def of(self, site: str) -> Setting:
        """Routes are those of all, names those of the site."""
        found = self._made.get(site)
        if found is None:
            people = self._people
            zone = ZoneInfo(people.time_zone)
            found = self._made[site] = Setting(people.plan, zone, site, site, people.language)
        return found

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._look_s)
            if self._read is not None:
                await self._look(self._read)

    async def _look(self, read: Read) -> None:
        stamp = await asyncio.to_thread(_stamp, self._people.files)
        if stamp == self._stamp and not self._fault:
            return
        try:
            people = await asyncio.to_thread(read)
        except ConfigError as fault:
            if str(fault) != self._fault:
                self._tell("people_refused", f"the last good version goes on: {fault}")
            self._fault = str(fault)
            return
        self._stamp, self._fault = stamp if people.files == self._people.files else _stamp(people.files), ""
        if people != self._people:
            self._people = people
            self._made.clear()
            self._tell("people_taken", f"{len(people.plan.people)} people, {len(people.plan.routes)} routes")


def _stamp(files: tuple[Path, ...]) -> _Stamp:
    """As they are now; what is not there is zeros."""
    return tuple(map(_stamp_of, files))


def _stamp_of(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
