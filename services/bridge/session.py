"""What a hosted site's devices hand in by MQTT, one message after another; PUBACK when its owner says that it is safe.

    broker --message--> number n --> owner.take --> ... fsync ... --> safe(n) --> PUBACK
                 |                                                        ^
                 +-- taken already: waits for the n of everything before -+
                 +-- our own pulse: the same; what comes behind it is not older (services.bridge.pulse)

The session is the site's, not the process's: one client id, kept by the broker over a lost link, so that what comes
while no bridge is there waits at the broker, and a second bridge that connected would end the first one's link.
Promises: nothing is acknowledged before ``safe`` named its number; messages are handed on in the order in which they
came; one that comes again is handed on once (services.bridge.seen); one that is no frame is handed on as its exact
bytes with the reason; a frame's age is at least as long as it may have waited at the broker, so that one that waited
too long, or of which that is not known, is a late one to the core. Refuses nothing that the broker gives.
Limits: the broker gives at most INCOMING_MAX (shared.bus.mqtt) unacknowledged ones; Mosquitto keeps max_queued_messages
for a session that is away and drops the newest beyond it, which the numbers of the frames then show.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from services.bridge.pulse import PULSE_S, Pulses
from services.bridge.seen import Seen
from shared.bus import topics
from shared.bus.address import BrokerAddress, Credentials
from shared.bus.mqtt import Connection, Incoming, LinkDown, Message, Refused, connect
from shared.devices.frame import Frame
from shared.domain.errors import AmpwardError, WireError
from shared.log.steps import Step, no_step
from shared.runtime.clocks import Clock
from shared.runtime.logging import Changes, logger
from shared.wire.events import stamp
from shared.wire.handed_in import decode_handed_in

BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
GOOD_LINK_S: Final = 10.0
END_S: Final = 5.0
UNKNOWN: Final = "a device that the site does not have"
CLIENT: Final = "ampward-bridge-{site}"
LABELS: Final = ("before puback", "before puback of a pulse")
"""What is safe is about to be forgotten by the broker."""


class Poison(NamedTuple):
    """A message that is no frame of this site."""

    data: bytes
    source: str
    reason: str


class Owner(Protocol):
    """Who puts what comes in into the log; called in the session's thread."""

    def take(self, body: Frame | Poison, n: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the session is, and who we are there; the credentials are read at each connection."""

    address: BrokerAddress
    credentials: Callable[[], Credentials]


class _Waiting(NamedTuple):
    """A message whose PUBACK is owed once ``n`` is safe."""

    n: int
    link: Connection
    message: Incoming


class Session(threading.Thread):
    """Runs for the life of the process. ``state`` is one sentence for people."""

    def __init__(
        self,
        site: str,
        broker: Broker,
        owner: Owner,
        seen: Seen,
        clock: Clock,
        boot: str,
        devices: Callable[[], frozenset[str]],
        step: Step = no_step,
    ) -> None:
        """``devices`` are those that the site has now."""
        super().__init__(name="bridge", daemon=True)
        self._site = site
        self._own = topics.pulse(site)
        self._broker = broker
        self._owner = owner
        self._seen = seen
        self._clock = clock
        self._boot = boot
        self._since = stamp(clock.wall_ms())
        self._devices = devices
        self._step = step
        self._n = 0
        self._safe = 0
        self._waiting: deque[_Waiting] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._is_over = False
        """As told, also before there is a loop."""
        self._speak = "5"
        self._log = logger()
        self._changes = Changes()
        self.is_up = False
        self.state = f"{broker.address}: not connected yet"

    # Any thread

    def safe(self, n: int) -> None:
        """Everything up to ``n`` is where it is not lost."""
        self._call(lambda: self._acknowledge(n))

    def end(self) -> None:
        """Say good-bye; the broker keeps what is not acknowledged."""
        self._is_over = True
        self._call(self._over.set)
        self.join(END_S)

    def _call(self, act: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # The loop has ended before who calls: the writer must not end by that.
                self._loop.call_soon_threadsafe(act)

    # The session's thread

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._is_over:
            self._over.set()
        tries = 0
        while not self._over.is_set():
            began = self._loop.time()
            try:
                why = await self._serve()
            except AmpwardError as fault:
                why = str(fault)
            except Exception as fault:
                self._log.error("bridge_fault", exc_info=True)
                why = f"a fault of the program: {type(fault).__name__}"
            self.is_up = False
            self._waiting.clear()
            if self._over.is_set():
                return
            self.state = f"{self._broker.address}: not connected ({why})"
            if self._changes.changed("link", why):
                self._log.warning("bridge_not_connected", broker=str(self._broker.address), why=why)
            tries = 0 if self._loop.time() - began >= GOOD_LINK_S else tries + 1
            try:
                async with asyncio.timeout(BACK_OFF_S[min(tries, len(BACK_OFF_S) - 1)]):
                    await self._over.wait()
            except TimeoutError:
                continue

    async def _serve(self) -> str:
        """One link; gives why it has ended. Raises LinkDown, Refused, ConfigError."""
        link = await connect(
            self._broker.address,
            self._broker.credentials(),
            client_id=CLIENT.format(site=self._site),
            will=self._status("offline"),
            will_delay_s=topics.STATUS_WILL_DELAY_S,
            speak=self._speak,
            is_kept=True,
        )
        self._speak = link.version
        pulses = Pulses(self._clock.monotonic_ms)
        reading = asyncio.ensure_future(self._read(link, pulses))
        ends: list[asyncio.Future[Any]] = [reading, asyncio.ensure_future(self._over.wait())]
        try:
            for topic in (topics.all_handed_in(self._site), self._own):
                await link.subscribe(topic)
            await (await link.send(self._status("online")))
            self.state = f"{self._broker.address}: connected, and its own first message is not back yet"
            ends.append(asyncio.ensure_future(self._beat(link, pulses)))
            await asyncio.wait([*ends, link.closed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ends:
                each.cancel()
            ended = await asyncio.gather(*ends, return_exceptions=True)
            await self._leave(link)
        for fault in ended:
            if isinstance(fault, Exception):
                raise fault
        return link.closed.result()

    async def _beat(self, link: Connection, pulses: Pulses) -> None:
        """A pulse after another, each when the one before it is back, or can no longer come."""
        kind = topics.PULSE
        while True:
            made = Message(self._own, pulses.next(), kind.retain, kind.expiry_s, kind.content_type)
            await (await link.send(made))
            try:
                async with asyncio.timeout(topics.PULSE_EXPIRY_S):
                    await pulses.back.wait()
            except TimeoutError:
                self._log.warning("bridge_pulse_away", broker=str(self._broker.address))
                continue
            await asyncio.sleep(PULSE_S)

    def _up(self, link: Connection) -> None:
        self.is_up = True
        self.state = f"{self._broker.address}: connected (MQTT {link.version})"
        self._changes.changed("link", "")
        self._log.info("bridge_connected", broker=str(self._broker.address), version=link.version)

    async def _leave(self, link: Connection) -> None:
        if self._over.is_set() and not link.closed.done():
            try:
                async with asyncio.timeout(2):
                    await (await link.send(self._status("offline")))
            except (LinkDown, Refused, TimeoutError):
                await link.abort()
                return
            await link.close()
        else:
            await link.abort()

    def _status(self, state: str) -> Message:
        kind = topics.SITE_STATUS
        body = json.dumps({"state": state, "boot": self._boot, "since": self._since}).encode()
        return Message(topics.site_status(self._site), body, kind.retain, kind.expiry_s, kind.content_type)

    async def _read(self, link: Connection, pulses: Pulses) -> None:
        async for message in link.incoming():
            if message.topic != self._own:
                self._take(link, message, pulses.waited_ms())
                continue
            if pulses.take(message.payload) and not self.is_up:
                self._up(link)
            self._waiting.append(_Waiting(self._n, link, message))
            self._acknowledge(self._safe)

    def _take(self, link: Connection, message: Incoming, waited_ms: int) -> None:
        body = self._body(message, waited_ms)
        is_new = isinstance(body, Poison) or self._seen.is_new(body)
        if is_new:
            self._n += 1
        self._waiting.append(_Waiting(self._n, link, message))
        if is_new:
            self._owner.take(body, self._n)
        else:
            self._acknowledge(self._safe)

    def _body(self, message: Incoming, waited_ms: int) -> Frame | Poison:
        device = message.topic.rpartition("/")[2]
        if device not in self._devices():
            return Poison(message.payload, message.topic, UNKNOWN)
        try:
            return decode_handed_in(self._site, device, message.payload, self._clock.wall_ms(), waited_ms)
        except WireError as fault:
            return Poison(message.payload, message.topic, str(fault))

    def _acknowledge(self, n: int) -> None:
        self._safe = max(self._safe, n)
        while self._waiting and self._waiting[0].n <= self._safe:
            _, link, message = self._waiting.popleft()
            self._step(LABELS[message.topic == self._own])
            link.acknowledge(message)
