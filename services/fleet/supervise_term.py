"""One term of the supervision: from the lease taken to the lease lost.

    Kafka -> Ears -> Watch -> facts that are not as they stand -> Reports -> FleetFold -> one link
                 commands for _fleet --------------------------------^              |
                                           PostgreSQL, under the fence <------------+
                                           then ampward.events.v1, ampward.live.v1

Promises: what is told stands in the log first; what stands there is told, by this term or the next. Nothing of a link
that PostgreSQL did not take is kept: the term ends, and the next one begins from what is there.
Limits: a look each LOOK_S; a moment of one kind is told at most once each MOMENT_S.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from services.fleet.supervise_fold import FleetFold, Made, Taken
from services.fleet.supervise_log import SIGN_S, FleetLog, Found
from services.fleet.supervise_plan import FLEET, ROOM, Fact, compile_fleet
from services.fleet.supervise_push import Pushes
from services.fleet.supervise_read import Ears
from services.fleet.supervise_tell import Teller, Who
from services.fleet.supervise_watch import Limits, Watch
from shared.domain.errors import AmpwardError
from shared.domain.events import EventType
from shared.domain.inputs import Command, Report, ReportKind, Start, Tick
from shared.log.kafka.access import Access
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Tell
from shared.log.sequencer import Anchor, Minted, Moment, Sequencer
from shared.runtime.clocks import Clock
from shared.runtime.logging import logger
from shared.runtime.tracing import OFF, Spans, by_input, root
from shared.wire.blocks import decode_block, encode_block, peek_block
from shared.wire.inputs import TEXT_MAX, RuleSet
from shared.wire.live import LiveAnswer
from shared.wire.orders import CommandOrder

LOOK_S: Final = 1.0
KEEP_S: Final = 10.0
"""How often the places in Kafka are noted when nothing happens."""
TIDY_S: Final = 86_400.0
MOMENT_S: Final = 600.0
SITES_S: Final = 5.0
TELLER: Final = "notifier"
"""Who tells people of _fleet: the centre's notifier, always. As the notify lease names it."""
ACTOR: Final = "centre:supervisor"


@dataclass(frozen=True, slots=True)
class Setting:
    """What the supervision is started with."""

    access: Access
    partitions: int
    who: Who
    services: tuple[str, ...] = ()
    """That are to be there from the beginning; any other is watched from its first sign on."""
    limits: Limits = field(default_factory=Limits)
    ask_who: Callable[[], Who | None] = lambda: None
    """Who we are by now, None when that cannot be said: `ampward renew _fleet` gives new keys while we run."""
    spans: Spans = OFF
    """Of what stands in its log."""


class Renewed(AmpwardError):
    """The key of _fleet is another by now, and the fleet knows it: the next term signs by it."""


class Term:
    """See the module. One event loop."""

    def __init__(
        self, setting: Setting, log: FleetLog, clock: Clock, tell: Tell, beat: Callable[[], None] = lambda: None
    ) -> None:
        self._setting = setting
        self.log = log
        self._beat = beat
        self._clock = clock
        self._tell = tell
        self._fold = FleetFold()
        self._watch = Watch(setting.limits, setting.services, clock.monotonic_ms(), is_start=log.is_start)
        self._ears = Ears(setting.access, setting.who.prefix, setting.partitions, self._watch, clock, tell)
        self._producer = Producer(setting.access, "supervisor", tell=tell)
        self._teller = Teller(self._producer, setting.who, clock)
        self._sequencer = Sequencer(0, 0, self._moment())
        self._told: dict[Fact, float] = {}
        self._times: dict[str, float] = {}
        self._began_ms = clock.wall_ms()
        self._done: dict[tuple[str, int], int] = {}
        """How far Kafka was read and everything done that follows from it."""
        self._pushes = Pushes(log.pool)
        self._words: Any = logger(part="supervisor")

    @property
    def is_deaf(self) -> bool:
        return self._ears.is_deaf

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``. Raises what ends a term: Fenced, and trouble with PostgreSQL or Kafka."""
        work: tuple[Coroutine[Any, Any, None], ...] = (self._hold(), self._work())
        tasks = [asyncio.create_task(each) for each in work]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)
            await self._ears.close()
            await self._producer.close()

    async def _hold(self) -> None:
        """The lease, each two seconds."""
        while True:
            await asyncio.sleep(SIGN_S)
            await self.log.sign()

    async def _work(self) -> None:
        await self._ears.begin(await self.log.places())
        await self._send_unsent()
        if self._ears.own_keys and self._setting.who.key.id not in self._ears.own_keys:
            self._tell("key_not_registered", self._setting.who.key.id)
        self._done = dict(self._ears.begun_at)
        await self._begin(await self.log.found())
        self._words.info("term_begins", fence=self.log.fence, sites=len(self._watch.watched().sites))
        hearing = asyncio.create_task(self._hear())
        try:
            while not hearing.done():
                await self._look()
                await self._pause()
            hearing.result()
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _send_unsent(self) -> None:
        """What an earlier term had no time to send. Renewals may have come since: the registration has all our keys."""
        for data in await self.log.unsent():
            key_id = peek_block(data).key_id
            block = decode_block(data, self._ears.own_keys.get(key_id) or self._setting.who.public(key_id))
            await self._teller.events(block)
            await self.log.sent(block.last_seq)

    async def _hear(self) -> None:
        while True:
            await self._ears.take()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await self._ears.moved.wait()
        except TimeoutError:
            return
        finally:
            self._ears.moved.clear()

    async def _begin(self, found: Found) -> None:
        """A Start under a fresh log_id, the plan when it is another one, and who tells people."""
        now, boot = self._moment(), self._clock.boot()
        fold = self._fold
        fold.epoch = self.log.fence
        fold.site_seq, fold.hash = found.site_seq, found.hash
        if found.plan is not None:
            fold.log_id = found.log_id
            fold.restore(found.plan, found.rooms)
            self._sequencer = Sequencer.resume(found.site_seq, found.anchor, now)
        start = Start(secrets.token_hex(16), found.log_id, found.site_seq, clean=self.log.was_clean, boot=boot)
        await self._append([start, *self._new_rules()])
        await self._append([Report(ReportKind.NOTIFY_LEASE, f"{FLEET}/{ROOM}/notify", True, False, f"{TELLER} 1")])  # noqa: FBT003

    async def _look(self) -> None:
        """Once: what is to be said, and what was asked."""
        self._beat()
        seen = dict(self._ears.places)
        await self._push()
        bodies = [*self._new_rules(), *self._reports(), *self._undelivered()]
        if bodies:
            await self._append(bodies)
        await self._ticks()
        while self._ears.commands:
            order, behind = self._ears.commands.pop(0)
            self._done |= behind
            await self._decide(order)
        # Everything up to here has had its effect; what was heard meanwhile comes with the next look.
        self._done = {place: max(at, self._done.get(place, 0)) for place, at in seen.items()}
        await self._now_and_then("key", SITES_S, self._look_at_key)
        await self._now_and_then("keep", KEEP_S, lambda: self.log.keep(self._done))
        await self._now_and_then("tidy", TIDY_S, lambda: self.log.tidy(self._clock.wall_ms()))
        await self._teller.live(self._fold.log_id, self._fold.site_seq, self._fold.alarms())

    async def _look_at_key(self) -> None:
        """Raises Renewed once everybody who checks can know the new key."""
        who = self._setting.ask_who()
        if who is not None and who.key.id != self._setting.who.key.id and who.key.id in self._ears.own_keys:
            raise Renewed(f"from {self._setting.who.key.id} to {who.key.id}")

    async def _push(self) -> None:
        """What sites said of pushed files, then what is to be sent to them."""
        while self._ears.files:
            await self._pushes.told(self._ears.files.pop(0))
        while self._ears.turned_away:
            await self._pushes.turned_away(*self._ears.turned_away.pop(0))
        await self._now_and_then("sites", SITES_S, lambda: self._pushes.know(sorted(self._watch.watched().sites)))
        now_ms = self._clock.wall_ms()
        for wanted in await self._pushes.due(now_ms):
            if wanted.site in self._ears.partitions:
                await self._teller.file(wanted, self._ears.partitions[wanted.site])
                await self._pushes.sent(wanted, now_ms)
        self._watch.drift(await self._pushes.drifting())

    def _new_rules(self) -> list[Taken]:
        plan = compile_fleet(self._watch.watched())
        if plan == self._fold.plan:
            return []
        self._fold.use(plan)
        return [RuleSet(self._fold.version, ACTOR)]

    def _reports(self) -> Iterable[Taken]:
        """Conditions that are not as they stand, then what happened once."""
        for fact, is_true in self._watch.facts(self._clock.monotonic_ms(), self._clock.wall_ms()).items():
            if is_true is not None and is_true is not self._fold.stands(fact):
                yield Report(fact.kind, fact.subject, is_true, False, "")  # noqa: FBT003
        now_s = self._clock.monotonic_ms() / 1000
        for fact in dict.fromkeys(self._watch.moments()):
            if now_s - self._told.get(fact, -MOMENT_S) >= MOMENT_S and not self._fold.stands(fact):
                self._told[fact] = now_s
                yield Report(fact.kind, fact.subject, True, True, "")  # noqa: FBT003

    def _undelivered(self) -> Iterable[Taken]:
        """Commands that their sites did not answer in time, messages that were refused for good."""
        now_ms = self._clock.wall_ms()
        for ident, (order, until_ms) in list(self._ears.waiting.items()):
            if until_ms < now_ms:
                del self._ears.waiting[ident]
                if self._began_ms <= until_ms:
                    words = f"{order.id} {order.what.value} {order.subject} by {order.actor}"
                    yield Report(ReportKind.UNDELIVERED, f"{FLEET}/{order.site}/commands", True, True, words)  # noqa: FBT003
        for one in self._watch.undelivered():
            words = f"{one.id} to {one.person} by {one.channel} for {one.thread}: {one.reason}"[:TEXT_MAX]
            yield Report(ReportKind.UNDELIVERED, f"{FLEET}/{one.site}/messages", True, True, words)  # noqa: FBT003

    async def _ticks(self) -> None:
        """Time passes in the log only where a timer is due."""
        due_ms, rooms = self._fold.next_due_ms()
        if due_ms <= self._sequencer.time(self._moment()):
            await self._append([Tick(room) for room in rooms])

    async def _decide(self, order: CommandOrder) -> None:
        """A person's act; the answer goes back when it stands in the log."""
        if self._clock.wall_ms() > order.sent_at_ms + order.ttl_ms:
            self._tell("order_expired", f"{order.id} {order.what.value} {order.subject}")
            return
        command = order.command()
        made = await self._append([command], keeps_quiet=True)
        await self._teller.live(
            self._fold.log_id,
            self._fold.site_seq,
            self._fold.alarms(),
            events=[event.data for event in made.block.events],
            answers=(_answer(command, made, self._fold.deciding(command)),),
        )

    async def _append(self, bodies: Iterable[Taken], *, keeps_quiet: bool = False) -> Made:
        """One link: made, durable, told."""
        now = self._moment()
        inputs = [(self._sequencer.mint(now), body) for body in bodies]
        made = self._fold.take(inputs)
        plan = self._fold.plan
        assert plan is not None, "a log begins with its plan"
        last: Minted = inputs[-1][0]
        anchor = Anchor(last.tick_ms, last.at_ms, now.mono_ms, now.boot)
        data = encode_block(made.block, self._setting.who.key, pack=True)
        await self.log.commit(made, data, plan, anchor, self._done)
        if self._setting.spans.is_on:
            for cause, caused in by_input(made.events):
                self._setting.spans.tell(root(cause, caused, self._clock.wall_ms()))
        for event in made.events:
            self._words.info("told", type=event.type, subject=event.subject, state=event.state, reason=event.reason)
        if made.events:
            await self._teller.events(made.block)
            await self.log.sent(made.block.last_seq)
            if not keeps_quiet:
                events = [event.data for event in made.block.events]
                await self._teller.live(self._fold.log_id, self._fold.site_seq, self._fold.alarms(), events=events)
        return made

    async def _now_and_then(self, what: str, every_s: float, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        now_s = self._clock.monotonic_ms() / 1000
        if now_s - self._times.get(what, 0.0) >= every_s:
            self._times[what] = now_s
            await do()

    def _moment(self) -> Moment:
        clock = self._clock
        return Moment(clock.monotonic_ms(), clock.wall_ms(), clock.synced(), clock.boot())


def _answer(command: Command, made: Made, rooms: Iterable[str]) -> LiveAnswer:
    """What the rooms said: refused when one of them did and none did anything."""
    refused = [event for event in made.events if event.type == EventType.INPUT_REJECTED]
    if not refused or len(refused) < len(list(rooms)):
        return LiveAnswer(command.id, accepted=True)
    reason, _, text = refused[0].reason.partition(": ")
    return LiveAnswer(command.id, False, reason, text, refused[0].occurrence, refused[0].severity)  # noqa: FBT003
