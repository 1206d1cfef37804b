"""The processor as a Faust app: one agent over ampward.inputs.v1, without Tables. Faust's home with fetching and kpi.

Faust shares out the partitions, fetches and commits; what is decided and what is acknowledged is the worker's
(services.processor.worker). No Table (they skip records after a kill), ``noack_take`` (plain take acknowledges even
after noack), concurrency 1, acknowledged by hand in order. Nothing of it is trusted: a record that it leaves out is
seen by its offset or by the site's chain, and read by a consumer of our own.

    assigned -> worker.assign -> states are read     records of a generation wait for its assignment
    revoked  -> worker.hand_over                      so does a clean stop
    anything that raises, a consumer that stands still for STUCK_S -> the process ends; another goes on from the states

An agent that raises acknowledges what it had: its whole body is guarded, and the process is ended at once.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import faust

from services.processor.fetching import fetch_without_pauses
from services.processor.hands import Hands, OwnSeats, SeatsPort
from services.processor.seats import KEY, RULES
from services.processor.telling import Telling
from services.processor.worker import SAVE_S, Worker
from shared.bus.registry import COMMANDS, DEADLETTER, EVENTS, INPUTS, RULESETS, SITES, STATE, Shape, Topic
from shared.log.kafka.access import Access
from shared.log.kafka.known import EVER, Known
from shared.log.kafka.producer import Producer
from shared.log.kafka.reader import Reader
from shared.log.kafka.records import Headers, Place, Record, Tell, hush
from shared.log.kafka.signs import signing
from shared.log.kafka.stretch import read_stretch
from shared.log.kafka.topics import KafkaUnavailable, check
from shared.log.kafka.watching import WATCH_S, Watch, standing
from shared.runtime.clocks import SystemClock
from shared.runtime.fleet_file import FleetPlan
from shared.runtime.fleet_service import run_service
from shared.runtime.probes import serving_probes

GROUP: Final = "ampward-processor"
TAKE_MAX: Final = 32
"""Blocks at once: 8 MiB of ordinary ones."""
TAKE_S: Final = 0.02
BUFFER: Final = 64
"""Blocks that Faust holds ahead: 16 MiB of ordinary ones."""
FETCH_BYTES: Final = 4 << 20
SESSION_S: Final = 6.0
HEARTBEAT_S: Final = 1.0
"""A killed worker's sites go on after a session (brokers allow no shorter one by default), a heartbeat and the reading
of states: within 15 s. A worker that only slept so long comes back to what is another's, and can but repeat."""
REQUEST_S: Final = 30.0
HAND_OVER_S: Final = 6.0
TEND_S: Final = 0.5
WAIT_S: Final = 1.0
TOPICS: Final = (INPUTS, EVENTS, STATE, RULESETS, COMMANDS, DEADLETTER, SITES)
ENDED: Final = 1
"""Exit code of a process that ends itself: whoever supervises it starts it again."""

End = Callable[[BaseException], None]


@dataclass(frozen=True, slots=True)
class ProcessorPlan:
    """What a processor is started with."""

    access: Access
    shape: Shape
    prefix: str = ""
    """Of the topics' names and the group: several fleets, or several tests, on one cluster."""
    save_s: float = SAVE_S
    hands: int = 0
    """Processes that fold; 0 for this one alone."""
    health: str = ""
    """Where it tells how it is; "" is nowhere."""


class _Beside:
    """services.processor.worker.Broker: sends and reads beside Faust."""

    def __init__(self, plan: ProcessorPlan, known: Known, tell: Tell) -> None:
        self._plan = plan
        self._known = known
        self._tell = tell
        self.producer = Producer(plan.access, "processor", tell=tell)

    async def hand_over(self, place: Place, key: bytes, value: bytes, headers: Headers) -> "asyncio.Future[Any]":
        return await self.producer.hand_over(place, key, value, headers)

    def read(self, place: Place, first: int, end: int | None) -> AsyncIterator[Record]:
        return read_stretch(self._plan.access, place, first=first, end=end, name="processor-beside", tell=self._tell)

    def known(self, needs: str, site: str) -> bytes | None:
        if needs.startswith(RULES):
            return self._known.body(needs.removeprefix(RULES))
        key = self._known.key(site, needs.removeprefix(KEY), EVER)
        return None if key is None else key.raw

    def is_registered(self, site: str) -> bool:
        return self._known.is_registered(site)

    def is_ended(self, site: str) -> bool:
        return self._known.is_ended(site)

    def has_former(self, site: str) -> bool:
        return self._known.has_former(site)

    def may_sign(self, site: str, key_id: str, at_ms: int) -> bool:
        return self._known.key(site, key_id, at_ms) is not None

    async def make_sure(self) -> None:
        await self._known.make_sure()


class Acks:
    """services.processor.worker.Engine: Faust's events in the order in which they came, until they are done with."""

    def __init__(self) -> None:
        self._waiting: dict[Place, deque[Any]] = {}

    def note(self, place: Place, event: Any) -> None:
        self._waiting.setdefault(place, deque()).append(event)

    def forget(self) -> None:
        """Of another generation: they come again."""
        self._waiting.clear()

    def acknowledge(self, place: Place, below: int) -> None:
        waiting = self._waiting.get(place, deque())
        while waiting and waiting[0].message.offset < below:
            waiting.popleft().ack()


class Work(Protocol):
    """What is done with records; services.processor.worker.Worker, or the figures of services.processor.kpi."""

    async def assign(self, places: Sequence[Place], generation: int) -> None: ...

    async def hand_over(self) -> None: ...

    async def take(self, records: Sequence[Record]) -> None: ...


class Watched(Protocol):
    """What says how far it is."""

    @property
    def is_busy(self) -> bool: ...

    def stands(self) -> dict[Place, int]: ...


class _Agent:
    """Between Faust and the work."""

    def __init__(self, app: faust.App, worker: Work, acks: Acks, end: End) -> None:
        self._app = app
        self._worker = worker
        self._acks = acks
        self._end = end
        self._generation = -1
        self._assigned = asyncio.Condition()

    async def on_assigned(self, _sender: Any, assigned: set[Any], **_: Any) -> None:
        try:
            generation = self._app.consumer_generation_id
            places = [Place(tp.topic, tp.partition) for tp in sorted(assigned)]
            self._acks.forget()
            await self._worker.assign(places, generation)
            async with self._assigned:
                self._generation = generation
                self._assigned.notify_all()
        except Exception as fault:  # Whatever it is: this process must not go on.
            self._end(fault)

    async def on_revoked(self, _sender: Any, _revoked: set[Any], **_: Any) -> None:
        await self.hand_over()

    async def on_shutdown(self, *_: Any, **__: Any) -> None:
        await self.hand_over()

    async def hand_over(self) -> None:
        """States of everything taken, as far as a broker answers in time; the rest is taken again by another."""
        try:
            async with asyncio.timeout(HAND_OVER_S):
                await self._worker.hand_over()
        except TimeoutError:
            return
        except Exception as fault:  # Whatever it is: this process must not go on.
            self._end(fault)

    async def run(self, stream: Any) -> None:
        """The agent's body."""
        try:
            async for events in stream.noack_take(TAKE_MAX, within=TAKE_S):
                await self._take(events)
        except Exception as fault:  # Leaving this body by an exception would acknowledge what was not done.
            self._end(fault)

    async def _take(self, events: Sequence[Any]) -> None:
        newest = max(event.message.generation_id for event in events)
        async with self._assigned:
            await self._assigned.wait_for(lambda: self._generation >= newest)
        records = []
        for event in events:
            message = event.message
            if message.generation_id != self._generation:
                continue
            place = Place(message.topic, message.partition)
            self._acks.note(place, event)
            at_ms = round(message.timestamp * 1000)
            records.append(Record(place, message.offset, message.key or b"", message.value, (), at_ms))
        await self._worker.take(records)


class _App(faust.App):
    async def on_first_start(self) -> None:
        """Faust would make folders for Tables, which a killed worker leaves behind; there are none."""


def _make(plan: ProcessorPlan, group: str) -> faust.App:
    access = plan.access
    security: dict[str, Any] = {}
    if access.security is not None:
        options = access.options()
        security["broker_credentials"] = faust.SASLCredentials(
            username=access.security.user,
            password=access.security.password,
            mechanism=options["sasl_mechanism"],
            ssl_context=options["ssl_context"],
        )
    app = _App(
        plan.prefix + group,
        broker=[f"kafka://{host}" for host in access.bootstrap.split(",")],
        **security,
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_request_timeout=REQUEST_S,
        broker_commit_interval=1.0,
        stream_buffer_maxsize=BUFFER,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
    )
    fetch_without_pauses(app)
    return app


async def serve(plan: ProcessorPlan, stop: asyncio.Event, tell: Tell) -> None:
    """Runs until ``stop``. Raises TopicsDrifted at the start; ends the process on later trouble."""
    hush()
    telling = Telling(tell)
    async with serving_probes(plan.health, telling.probes(), tell):
        await _serve(plan, stop, telling)


async def _serve(plan: ProcessorPlan, stop: asyncio.Event, telling: Telling) -> None:
    tell = telling.tally.tell
    if not await check_topics(plan, TOPICS, stop, tell):
        return

    def end(fault: BaseException) -> None:
        tell("processor_ends", f"{type(fault).__name__}: {fault}")
        os._exit(ENDED)

    known = Known(plan.access, "processor", partitions=plan.shape.partitions, tell=tell, prefix=plan.prefix)
    await known.begin()
    beside, acks = _Beside(plan, known, tell), Acks()
    seats: SeatsPort = await Hands.start(plan.hands) if plan.hands else OwnSeats()
    worker = Worker(seats, beside, acks, tell=tell, prefix=plan.prefix, save_s=plan.save_s,
                    ahead=min(plan.hands, 1), spans=telling.spans)  # fmt: skip
    telling.worker = worker
    beside_it = (known.follow(), _tend(worker), watch(worker, INPUTS, plan, end, telling))
    await drive(plan, Driven(GROUP, INPUTS, worker, acks), beside_it, stop, end)
    await worker.close()
    await seats.close()
    await beside.producer.close()
    await known.close()
    await asyncio.to_thread(telling.spans.close)


class Driven(NamedTuple):
    """What Faust is to drive: the group that shares a topic's partitions out, and what is done with the records."""

    group: str
    topic: Topic
    work: Work
    acks: Acks


async def drive(
    plan: ProcessorPlan, driven: Driven, beside: Sequence[Coroutine[Any, Any, None]], stop: asyncio.Event, end: End
) -> None:
    """Until ``stop``. A part that ends before, also one ``beside``, is given to ``end``, which does not return."""
    app = _make(plan, driven.group)
    agent = _Agent(app, driven.work, driven.acks, end)
    topic = app.topic(
        plan.prefix + driven.topic.name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
    )
    app.agent(topic, name="fold", concurrency=1)(agent.run)
    handlers: list[tuple[Any, Any]] = [
        (app.on_partitions_assigned, agent.on_assigned),
        (app.on_partitions_revoked, agent.on_revoked),
        (app.on_before_shutdown, agent.on_shutdown),
    ]
    for each, handler in handlers:
        each.connect(handler, weak=False)
    tasks = [asyncio.create_task(each) for each in beside]
    for task in tasks:
        task.add_done_callback(lambda done: None if done.cancelled() else end(done.exception() or StoppedError()))
    await app.start()
    ended = asyncio.create_task(app.wait_until_stopped())
    await asyncio.wait([ended, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    if not stop.is_set():
        end(app.crash_reason or StoppedError())
    await app.stop()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main(plan: FleetPlan) -> int:
    """`ampward service processor`: until INT or TERM. 0 for a clean end, 3 when it cannot start."""

    async def work(stop: asyncio.Event, tell: Tell) -> None:
        cores = len(os.sched_getaffinity(0))
        made = ProcessorPlan(
            plan.access(), plan.shape, plan.prefix, hands=cores if cores > 1 else 0, health=plan.health
        )
        async with signing(made.access, "processor", SystemClock().wall_ms, prefix=plan.prefix):
            await serve(made, stop, tell)

    return run_service("processor", work)


async def check_topics(plan: ProcessorPlan, used: Sequence[Topic], stop: asyncio.Event, tell: Tell) -> bool:
    """Waits for a broker, and looks at the topics; False when it was stopped meanwhile."""
    topics = [topic.named(plan.prefix) for topic in used]
    is_told = False
    while not stop.is_set():
        try:
            for drift in await check(plan.access, topics, plan.shape):
                tell("topic_drifted", str(drift))
            return True
        except KafkaUnavailable as fault:
            if not is_told:
                tell("waits_for_kafka", str(fault))
            is_told = True
            await asyncio.sleep(WAIT_S)
    return False


class StoppedError(Exception):
    """A part of the processor came to an end although nobody had asked it to."""


async def _tend(worker: Worker) -> None:
    while True:
        await asyncio.sleep(TEND_S)
        await worker.tend()


async def watch(work: Watched, topic: Topic, plan: ProcessorPlan, end: End, telling: Telling) -> None:
    """Faust's consumer may hang after a broker restart: asked by a client of its own, whether there is more."""
    places = [Place(plan.prefix + topic.name, number) for number in range(plan.shape.partitions)]
    loop, tell = asyncio.get_running_loop(), telling.tally.tell
    watch = Watch(loop.time())
    telling.is_watching = True
    async with Reader(plan.access, dict.fromkeys(places, 0), "processor-watch", tell=tell) as reader:
        while True:
            await asyncio.sleep(WATCH_S)
            stands = work.stands()
            ends = None
            try:
                async with asyncio.timeout(WATCH_S):
                    ends = await reader.ends(places)
            except TimeoutError:
                tell("end_unknown", "nobody says how far the topic goes")
            telling.standing = standing(time.monotonic(), stands, ends, telling.standing)
            why = watch.look(loop.time(), stands, ends, busy=work.is_busy or not stands)
            if why:
                end(StoppedError(why))
