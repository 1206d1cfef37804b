"""What must be known beside blocks: bodies of rule sets and keys of sites, as their compacted topics hold them.

Both topics are read from their beginning and then followed, by a reader without a group: everybody has all of them.
``body`` and ``key`` answer from memory; ``begin`` returns when everything that was there at the start has been read, so
that no site waits for what is only a moment away.
A key is asked for with the instant at which the broker took what it signed, by the broker's clock, which all topics go
by: so a key that was ended, and every key of a site whose registration ended, signs nothing more from then on, for all
readers alike, however late they read; what was signed before stays good. ``make_sure`` is for a key that is not there:
who signs was registered before, so what is not in the book as it stands by then is nobody's.
Promises: a body is kept only under the hash that it has; what cannot be read is told and left out.
Limits: those of shared.log.kafka.bodies. A body beyond them is None at first, and read again while somebody follows.
"""

import asyncio
import contextlib
from typing import Final, NamedTuple

from shared.bus.registry import RULESETS, SITES
from shared.domain.errors import AmpwardError, WireError
from shared.log.kafka.access import Access
from shared.log.kafka.bodies import Bodies
from shared.log.kafka.reader import BEGINNING, Reader
from shared.log.kafka.records import Place, Record, Tell
from shared.log.kafka.stretch import read_stretch
from shared.wire.plans import check_decision
from shared.wire.registrations import Registration, decode_registration
from shared.wire.signing import PublicKey, read_public_key

_LOOK_S: Final = 0.5
_SOON_S: Final = 0.02
EVER: Final = -1
"""Before any end: for a key that is wanted whether it still signs or not."""
FOREVER: Final = 1 << 62


class _Held(NamedTuple):
    """A key of a site, and from when on it signs nothing more."""

    key: PublicKey
    until_ms: int


class Known:
    """See the module. ``partitions`` is that of every topic of the fleet."""

    def __init__(
        self,
        access: Access,
        name: str,
        *,
        partitions: int,
        tell: Tell,
        prefix: str = "",
        bodies: Bodies | None = None,
    ) -> None:
        self._access = access
        self._name = name
        self._tell = tell
        self._rulesets, self._sites = prefix + RULESETS.name, prefix + SITES.name
        places = [Place(topic, number) for topic in (self._rulesets, self._sites) for number in range(partitions)]
        self._reader = Reader(access, dict.fromkeys(places, BEGINNING), f"{name}-known", tell=tell)
        self._places = places
        self._bodies = bodies or Bodies()
        self._missing: set[str] = set()
        """Asked for, and no longer kept."""
        self._is_missing = asyncio.Event()
        self._keys: dict[str, dict[str, _Held]] = {}
        """By site, also those that were ended, and id."""
        self._ended: set[str] = set()
        self._former: set[str] = set()
        """Sites of which a key was ended."""

    async def begin(self) -> None:
        """Reads what is there."""
        ends = await self._reader.ends(self._places)
        for place, end in ends.items():
            while await self._reader.passed(place) < end:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await self._take()

    async def follow(self) -> None:
        """Reads what comes, and again what was asked for and is no longer kept, until cancelled."""
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._read_again())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await self._take()

    async def _read_again(self) -> None:
        while True:
            await self._is_missing.wait()
            self._is_missing.clear()
            while self._missing:
                found = self._bodies.where(self._missing.pop())
                if found is None:
                    continue
                place, offset = found
                name = f"{self._name}-again"
                try:
                    async for record in read_stretch(
                        self._access, place, first=offset, end=offset + 1, name=name, tell=self._tell
                    ):
                        self._note_or_tell(record)
                except AmpwardError as fault:  # Whoever waits for it asks again.
                    self._tell("ruleset_not_read", str(fault))

    async def close(self) -> None:
        await self._reader.close()

    def body(self, version: str) -> bytes | None:
        """The body of a rule set, None as long as it is not there: ask again."""
        found = self._bodies.get(version)
        if found is None and self._bodies.where(version) is not None:
            self._missing.add(version)
            self._is_missing.set()
        return found

    def key(self, site: str, key_id: str, at_ms: int) -> PublicKey | None:
        """The key of a site by which a block is signed that the broker took at ``at_ms``, None for one that is not
        there, or was ended by then."""
        held = self._keys.get(site, {}).get(key_id)
        return None if held is None or at_ms >= held.until_ms else held.key

    def has_former(self, site: str) -> bool:
        """Whether a key of this site was ended."""
        return site in self._former

    def is_registered(self, site: str) -> bool:
        """Whether there is, or was, a site of this name."""
        return site in self._keys

    def is_ended(self, site: str) -> bool:
        """Whether there was one, and is none."""
        return site in self._ended

    async def make_sure(self) -> None:
        """Returns when all registrations that stood there when it was called have been read by who follows."""
        books = [place for place in self._places if place.topic == self._sites]
        for place, end in (await self._reader.ends(books)).items():
            while await self._reader.passed(place) < end:
                await asyncio.sleep(_SOON_S)

    async def _take(self) -> None:
        for record in await self._reader.take():
            self._note_or_tell(record)

    def _note_or_tell(self, record: Record) -> None:
        try:
            self._note(record)
        except WireError as fault:
            self._tell("record_unreadable", f"{record.place.topic} {record.offset}: {fault}")

    def _note(self, record: Record) -> None:
        name = record.name
        if record.value is None:
            return
        if record.place.topic == self._rulesets:
            check_decision(name, record.value)
            self._bodies.put(name, record.value, record.place, record.offset)
            return
        self._register(decode_registration(record.value), record.at_ms)

    def _register(self, made: Registration, at_ms: int) -> None:
        """The newest says which keys sign; of the others each ends where it first ended."""
        ends = dict(made.former)
        signing = frozenset(() if made.ended else made.keys) - ends.keys()
        keys = self._keys.setdefault(made.site, {})
        for key in map(read_public_key, (*made.keys, *ends)):
            keys.setdefault(key.id, _Held(key, FOREVER))
        for name, (key, until_ms) in keys.items():
            text = key.text()
            keys[name] = _Held(key, FOREVER if text in signing else min(until_ms, ends.get(text, at_ms), at_ms))
        (self._ended.add if made.ended else self._ended.discard)(made.site)
        if any(until_ms < FOREVER for _, until_ms in keys.values()):
            self._former.add(made.site)
