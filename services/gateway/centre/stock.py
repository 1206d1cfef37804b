"""What is built in and what is due at all sites: from the states that the processors keep in ampward.state.v1.

Read only while somebody asks: the first question reads the topic from its beginning, and from then on it is followed
until nobody has asked for IDLE_S. A site is told as the centre has decided it: while its backlog drains, as of then,
and each row says the site's time up to which its records are counted.
What cannot be told (another core version, a state that is not known, a rule set that is not there yet) is left out.
Limits: the newest record of each site in memory, as it is packed; one site is unpacked at a time, in a thread.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

from services.gateway.views import Upkeep
from shared.bus.registry import STATE
from shared.domain import core
from shared.domain.errors import AmpwardError
from shared.domain.state import RoomState
from shared.domain.version import CORE_VERSION
from shared.log.kafka.access import Access
from shared.log.kafka.known import Known
from shared.log.kafka.reader import BEGINNING, Reader
from shared.log.kafka.records import Place, Record, Tell
from shared.wire.plans import decode_decision
from shared.wire.site_state import SiteState, StatePlace, decode_site_state, peek_site_state
from shared.wire.states import decode_state

IDLE_S: Final = 600.0
WAIT_S: Final = 5.0
LOOK_S: Final = 0.5
DECISION: Final = ""

Build = Callable[[Mapping[str, RoomState], int, int], Upkeep]
"""The parts and dues of rooms: (states, when they were so, now)."""


def untold(_states: Mapping[str, RoomState], _at_ms: int, _now_ms: int) -> Upkeep:
    """For a gateway that nobody gave a way to tell."""
    return Upkeep((), ())


@dataclass(slots=True)
class _Site:
    place: StatePlace
    data: bytes
    at_ms: int
    told: Upkeep | None = None


class Stock:
    """One event loop. ``sites`` gives those that are registered."""

    def __init__(
        self,
        access: Access,
        *,
        partitions: int,
        prefix: str,
        build: Build,
        sites: Callable[[], frozenset[str]],
        wall_ms: Callable[[], int],
        tell: Tell,
    ) -> None:
        self._access = access
        self._places = [Place(prefix + STATE.name, number) for number in range(partitions)]
        self._partitions = partitions
        self._prefix = prefix
        self._build = build
        self._registered = sites
        self._wall_ms = wall_ms
        self._tell = tell
        self._sites: dict[str, _Site] = {}
        self._asked_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._known: Known | None = None

    async def upkeep(self) -> Upkeep | None:
        """Of all sites; None while it is still being read."""
        self._asked_at = monotonic()
        if self._task is None or self._task.done():
            self._ready.clear()
            self._task = asyncio.create_task(self._follow(), name="stock")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await self._ready.wait()
        return await self._all() if self._ready.is_set() else None

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        """Until nobody asks any more."""
        known = Known(self._access, "gateway-stock", partitions=self._partitions, tell=self._tell, prefix=self._prefix)
        reader = Reader(self._access, dict.fromkeys(self._places, BEGINNING), "gateway-stock", tell=self._tell)
        following: asyncio.Task[None] | None = None
        try:
            await known.begin()
            self._known = known
            following = asyncio.create_task(known.follow(), name="stock rule sets")
            ends = await reader.ends(self._places)
            while monotonic() - self._asked_at < IDLE_S:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        for record in await reader.take():
                            self._note(record)
                if not self._ready.is_set() and all([await reader.passed(each) >= ends[each] for each in ends]):
                    self._ready.set()
        finally:
            self._ready.clear()
            self._known = None
            self._sites.clear()
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            await reader.close()
            await known.close()

    def _note(self, record: Record) -> None:
        """The highest place wins, not the last that was written."""
        name = record.name
        if record.value is None:
            self._sites.pop(name, None)
            return
        try:
            place = peek_site_state(record.value).place
        except AmpwardError as fault:
            self._tell("record_unreadable", f"{record.place.topic}/{record.place.partition} {record.offset}: {fault}")
            return
        kept = self._sites.get(name)
        if kept is None or place >= kept.place:
            self._sites[name] = _Site(place, record.value, record.at_ms)

    async def _all(self) -> Upkeep:
        registered = self._registered()
        found = [await self._of(name, site) for name, site in sorted(self._sites.items()) if name in registered]
        dues = sorted((due for each in found for due in each.dues), key=lambda due: (due.due_at_ms, due.subject))
        return Upkeep(tuple(part for each in found for part in each.parts), tuple(dues))

    async def _of(self, name: str, site: _Site) -> Upkeep:
        if site.told is None:
            try:
                site.told = await self._read(name, site)
            except (AmpwardError, ValueError, KeyError, TypeError) as fault:
                self._tell("state_unreadable", f"{name}: {type(fault).__name__}: {fault}")
                site.told = Upkeep((), ())
        return _as_of(site.told, self._wall_ms()) if site.told is not None else Upkeep((), ())

    async def _read(self, name: str, site: _Site) -> Upkeep | None:
        """None while the rule set is not there yet. Raises what a state that cannot be read raises. The long work is
        done in threads; the rule sets belong to the loop, which may end to follow them meanwhile."""
        state = await asyncio.to_thread(decode_site_state, site.data)
        if state.site != name or state.blind or state.core_version != CORE_VERSION:
            return Upkeep((), ())
        version = state.states[DECISION].decode()
        body = self._known.body(version) if self._known is not None else None
        return await asyncio.to_thread(told_of, state, body, site.at_ms, self._build) if body is not None else None


def told_of(state: SiteState, body: bytes, written_at_ms: int, build: Build) -> Upkeep:
    """What the state says by the rule set of this body, as of the newest record in it: that may be long before it was
    written. Raises what a state that cannot be read raises."""
    at_ms = state.at_ms or written_at_ms
    return build(_rooms(state, state.states[DECISION].decode(), body), at_ms, at_ms)


def _rooms(state: SiteState, version: str, body: bytes) -> dict[str, RoomState]:
    """The rooms that the state knows, in the order of the plan."""
    return {
        room: core.state_from_data(plan, version, decode_state(state.states[room]))
        for plan in decode_decision(body).rooms
        if (room := str(plan.id)) in state.states and room not in state.lost
    }


def _as_of(told: Upkeep, now_ms: int) -> Upkeep:
    """The same, with what is left counted from now."""
    dues = tuple(replace(due, left_ms=due.due_at_ms - now_ms) for due in told.dues)
    return Upkeep(told.parts, dues)
