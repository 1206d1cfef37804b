"""What the supervision reads: signs of sites and services, verdicts, dead letters, registrations, orders.

    begin   all registrations and signs; the rest from where the log of _fleet stands, or from now
    take    what comes, put into the watch; commands for _fleet and what nobody answered go to their lists

Times of records are those of the broker, brought to our steady clock by the least age of late: so neither clock's
offset nor its step makes a site look silent. Live records count only with the signature of a key that is registered.
A record that cannot be read says nothing; the gateway and the notifier tell of it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from services.fleet.supervise_plan import FLEET, ROOM, poison
from services.fleet.supervise_push import Told, read_told
from services.fleet.supervise_watch import Watch
from shared.bus.registry import COMMANDS, DEADLETTER, DELIVERIES, EVENTS, LIVE, SIGNS, SITES
from shared.domain.errors import BadSignature, WireError
from shared.domain.events import Event
from shared.domain.inputs import ReportKind
from shared.log.kafka.access import Access
from shared.log.kafka.reader import BEGINNING, Reader
from shared.log.kafka.records import Place, Record, Tell
from shared.log.kafka.strangers import Strangers
from shared.runtime.clocks import Clock
from shared.wire.batches import decode_batch
from shared.wire.deadletters import decode_dead_letter
from shared.wire.deliveries import decode_delivery
from shared.wire.events import decode_event
from shared.wire.live import LiveAnswer, decode_live
from shared.wire.orders import CommandOrder, decode_order
from shared.wire.registrations import Registration, decode_registration
from shared.wire.signing import PublicKey, read_public_key
from shared.wire.signs import decode_sign

LIVE_BACK_MS: Final = 1_200_000
"""Twice the time that a command may take: whether it was answered is known then."""
DELIVERIES_BACK_MS: Final = 86_400_000
"""A message that nothing was heard of for a day is forgotten by who takes over."""
SIGNS_BACK_MS: Final = 86_400_000
"""A service that gave no sign for a day is not one that was lost."""
BAD_SIGNATURE: Final = "bad-signature"
"""How a site's uplink answers a file that it does not take for the centre's."""
WINDOW_MS: Final = 5_000
TAKEN_S: Final = 30.0
TAKEN_MAX: Final = 10_000
"""Ids of commands that are known again when they come twice."""
LOOK_S: Final = 0.5
_PUSHED: Final = ReportKind.PUSHED_FILE.value.encode()

Places = Mapping[tuple[str, int], int]


class Waiting(NamedTuple):
    """A command on its way to its site."""

    order: CommandOrder
    until_ms: int
    """By the wall clock."""


def _of(event: Event) -> tuple[str, str, str]:
    return event.subject, event.state, event.reason


class Ears:
    """One term. One event loop."""

    def __init__(self, access: Access, prefix: str, partitions: int, watch: Watch, clock: Clock, tell: Tell) -> None:
        self._access = access
        self._prefix = prefix
        self._partitions = partitions
        self._watch = watch
        self._clock = clock
        self._tell = tell
        self._strangers = Strangers(tell)
        at_first = clock.monotonic_ms() - clock.wall_ms()
        self._least = (at_first, at_first)
        """The least (our steady time - broker's time) of a record, in the window before and in this one."""
        self._window_ms = clock.monotonic_ms()
        self._keys: dict[str, dict[str, PublicKey]] = {}
        self._reader: Reader | None = None
        self._done_before: Mapping[Place, int] = {}
        """Up to where an earlier term has done what followed from commands and deliveries."""
        self._taken: dict[str, None] = {}
        self.places: dict[tuple[str, int], int] = {}
        """Where the log of _fleet goes on reading: moved with what was made of the records."""
        self.begun_at: Places = {}
        self.commands: list[tuple[CommandOrder, Places]] = []
        """With the place behind it."""
        self.files: list[Told] = []
        self.turned_away: list[tuple[str, str, str]] = []
        """(site, order, words)"""
        self.own_keys: Mapping[str, PublicKey] = {}
        """Those by which _fleet may sign, by their ids."""
        self.partitions: dict[str, int] = {}
        """Of each site."""
        self.waiting: dict[str, Waiting] = {}
        self.moved = asyncio.Event()
        """Something came that is to be told at once."""

    def _all(self, topic: str) -> list[Place]:
        return [Place(self._prefix + topic, number) for number in range(self._partitions)]

    async def begin(self, stored: Mapping[tuple[str, int], int]) -> None:
        """Returns when all registrations and signs have been taken."""
        sites, signs, live = (self._all(topic.name) for topic in (SITES, SIGNS, LIVE))
        lanes = [*self._all(EVENTS.name), *self._all(DEADLETTER.name)]
        orders, told = self._all(COMMANDS.name), self._all(DELIVERIES.name)
        everything = dict.fromkeys([*sites, *signs, *live, *lanes, *orders, *told], BEGINNING)
        now_ms = self._clock.wall_ms()
        async with Reader(self._access, everything, "supervisor-begin", tell=self._tell) as reader:
            ends = await reader.ends(everything)
            starts = {place: stored.get((place.topic, place.partition), ends[place]) for place in lanes}
            starts |= await reader.taken_since([*live, *orders], now_ms - LIVE_BACK_MS)
            starts |= await reader.taken_since(told, now_ms - DELIVERIES_BACK_MS)
        self._done_before = {place: stored.get((place.topic, place.partition), ends[place]) for place in orders + told}
        self.places = {(place.topic, place.partition): starts[place] for place in lanes}
        self.places |= {(place.topic, place.partition): at for place, at in self._done_before.items()}
        self.begun_at = dict(self.places)
        # Keys before what they have signed.
        known = dict.fromkeys([*sites, *signs], BEGINNING)
        self._reader = Reader(self._access, known, "supervisor-known", tell=self._tell)
        with suppress(TimeoutError):
            async with asyncio.timeout(TAKEN_S):
                while any([await self._reader.passed(place) < ends[place] for place in known]):
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await self.take()
        starts |= {place: self._reader.offset(place) for place in known}
        await self._reader.close()
        self._reader = Reader(self._access, starts, "supervisor", tell=self._tell)

    @property
    def is_deaf(self) -> bool:
        """Nothing is heard yet, or no broker answers."""
        return self._reader is None or self._reader.standing.is_away

    async def close(self) -> None:
        if self._reader is not None:
            await self._reader.close()

    async def take(self) -> None:
        """The next records. May be cancelled."""
        assert self._reader is not None, "begun"
        for record in await self._reader.take():
            place = (record.place.topic, record.place.partition)
            if record.value is not None:
                try:
                    self._take(record.place.topic.removeprefix(self._prefix), record, record.value)
                except (WireError, BadSignature) as fault:
                    self._tell("record_unreadable", f"{place[0]}/{place[1]} {record.offset}: {fault}")
            if place in self.places:
                self.places[place] = max(self.places[place], record.offset + 1)

    def _take(self, topic: str, record: Record, value: bytes) -> None:
        now_ms = self._at(record)
        match topic:
            case SITES.name:
                self._register(decode_registration(value))
            case SIGNS.name:
                sign = decode_sign(value)
                if self._clock.monotonic_ms() - now_ms < SIGNS_BACK_MS:
                    self._watch.sign(sign, now_ms)
            case LIVE.name | EVENTS.name if record.key == FLEET.encode():
                return
            case LIVE.name:
                keys = self._keys.get(record.name)
                if not keys:
                    self._strangers.note(record)
                    return
                live = decode_live(value, keys)
                if live.site.encode() != record.key:
                    raise WireError(f"it is of {live.site}")
                self._watch.live(live, now_ms)
                for answer in live.answers:
                    self._answered(live.site, answer)
            case EVENTS.name:
                batch = decode_batch(value)
                self._watch.batch(batch, now_ms)
                for event in map(decode_event, (data for data in batch.events if _PUSHED in data)):
                    told = read_told(*_of(event)) if event.rule == ReportKind.PUSHED_FILE else None
                    if told is not None and told.site == batch.site:
                        self.files.append(told)
                        self.moved.set()
            case DEADLETTER.name:
                self._bury(decode_dead_letter(value).key)
            case DELIVERIES.name:
                is_new = record.offset >= self._done_before[record.place]
                self._watch.delivery(decode_delivery(value), now_ms, is_new=is_new)
            case _:
                self._order(record, value)

    def _answered(self, site: str, answer: LiveAnswer) -> None:
        """A site answers what was sent to it, and for no other."""
        known = self.waiting.get(answer.id)
        if known is not None and known.order.site == site:
            del self.waiting[answer.id]
        if answer.reason == BAD_SIGNATURE:
            self.turned_away.append((site, answer.id, answer.text))

    def _register(self, registration: Registration) -> None:
        if registration.site == FLEET:
            self.own_keys = {key.id: key for key in map(read_public_key, registration.keys)}
            return
        self.partitions[registration.site] = registration.partition
        keys = (read_public_key(text) for text in registration.keys)
        self._keys[registration.site] = {} if registration.ended else {key.id: key for key in keys}
        self._watch.register(registration, self._clock.monotonic_ms())
        self.moved.set()

    def _bury(self, site: str) -> None:
        self._watch.happened(poison(site if self._keys.get(site) else ROOM))
        self.moved.set()

    def _order(self, record: Record, value: bytes) -> None:
        order = decode_order(value)
        if not isinstance(order, CommandOrder):
            return
        if order.site != FLEET:
            self.waiting[order.id] = Waiting(order, order.sent_at_ms + order.ttl_ms)
        elif record.offset >= self._done_before[record.place] and order.id not in self._taken:
            self._taken[order.id] = None
            behind = {(record.place.topic, record.place.partition): record.offset + 1}
            self.commands.append((order, behind))
            self.moved.set()
            if len(self._taken) > TAKEN_MAX:
                del self._taken[next(iter(self._taken))]

    def _at(self, record: Record) -> int:
        """When the broker took it, by our steady clock; never later than now.

        The offset of both clocks is the least that was seen in the last windows, at first that of the wall clock: a
        step of any clock is over after two of them, which is less than anything is missed for.
        """
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._window_ms >= WINDOW_MS:
            self._window_ms, self._least = now_ms, (self._least[1], now_ms - record.at_ms)
        self._least = (self._least[0], min(self._least[1], now_ms - record.at_ms))
        return record.at_ms + min(self._least)
