"""One connection to an MQTT broker, for asyncio: paho-mqtt with its thread behind a small surface.

    connection = await connect(address, credentials, client_id="demo", will=Message(...))
    told = await connection.send(Message("a/b", b"{}"))     # waits for a place in the window
    await told                                              # PUBACK: the broker has it
    await connection.closed                                 # the reason why the link has ended

Promises: MQTT 5 first, 3.1.1 when the broker does not speak it. A message counts as sent at its PUBACK, never before.
At most ``window`` messages are unacknowledged, less when the broker asks for less; messages are sent in the order of
``send``. Incoming messages are acknowledged by hand, after they were handled. Every wait ends when the link ends. One
object is one connection: nothing is carried over a reconnect, whoever sends knows what was acknowledged.
Refuses (LinkDown, with the reason in words): a broker that cannot be reached, trusted or that says no.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from shared.bus.address import BrokerAddress, Credentials
from shared.domain.errors import AmpwardError

CONNECT_S = 5.0
ANSWER_S = 3.0
"""From CONNECT to the answer. A broker that does not know MQTT 5 may wait for more bytes instead of refusing."""
KEEPALIVE_S = 10
"""A dead link is noticed after one and a half of it."""
WINDOW = 100
WINDOW_OLD = 20
"""MQTT 3.1.1 brokers do not say what they bear; this is what Mosquitto has always borne."""
SESSION_EXPIRY_S = 30
"""The broker keeps the session so long: a will that is delayed needs it, nothing else of who only sends."""
KEPT_S = 7 * 86_400
"""So long it keeps that of who subscribes for good, and what comes for it meanwhile."""
INCOMING_MAX = 100
"""Messages in our hands. Mosquitto does not always keep to it: then its line is not read until there is room."""
PACKET_BYTES = 16
"""A packet without its payload and texts: kind, length, number, length of the properties, expiry."""
TEXT_BYTES = 3
_ROOM_LOOK_S = 0.2
_RECEIVE_MAXIMUM = 65_535


class LinkDown(AmpwardError):
    """The broker cannot be reached, or the link to it has ended."""


class Refused(AmpwardError):
    """The broker took a message and said no to it (MQTT 5 only)."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is published. ``expiry_s``, content type and user properties travel with MQTT 5 only."""

    topic: str
    payload: bytes
    retain: bool = False
    expiry_s: int = 0
    content_type: str = ""
    properties: tuple[tuple[str, str], ...] = ()
    qos: int = 1

    @property
    def size(self) -> int:
        """Bytes of its packet in MQTT 5, rather too many: each text with its length and its kind."""
        texts = (self.topic, self.content_type, *(text for pair in self.properties for text in pair))
        return PACKET_BYTES + len(self.payload) + sum(TEXT_BYTES + len(text.encode()) for text in texts)


@dataclass(frozen=True, slots=True)
class Incoming:
    """What came from the broker: acknowledge it with ``connection.acknowledge`` when it is handled."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    mid: int
    properties: tuple[tuple[str, str], ...]


async def connect(
    address: BrokerAddress,
    credentials: Credentials,
    *,
    client_id: str,
    will: Message | None = None,
    will_delay_s: int = 0,
    window: int = WINDOW,
    speak: str = "5",
    is_kept: bool = False,
) -> "Connection":
    """An open connection; raises LinkDown. ``speak`` is the version to begin with: what worked the last time.

    ``is_kept``: the broker keeps what was subscribed, and what comes for it, over a lost link (KEPT_S).
    Takes at most two times CONNECT_S and ANSWER_S.
    """
    versions = [MQTTv5, MQTTv311] if speak == "5" else [MQTTv311, MQTTv5]
    for version in versions:
        made = Connection(version, client_id, window, is_kept=is_kept)
        try:
            await made.open(address, credentials, will, will_delay_s)
            return made
        except _NotUnderstood as not_understood:
            why = str(not_understood)
    raise LinkDown(why)


class _NotUnderstood(LinkDown):
    """The broker hung up on this version of MQTT, was silent, or said that it does not know it."""


class Connection:
    """See the module. Made by :func:`connect`; all methods belong to the loop that made it."""

    def __init__(self, protocol: MQTTProtocolVersion, client_id: str, window: int, *, is_kept: bool = False) -> None:
        self._is_kept = is_kept
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._window = window
        self._slots = asyncio.Semaphore(window)
        self._told: dict[int, asyncio.Future[None]] = {}
        self._answer: asyncio.Future[tuple[ReasonCode, Properties | None]] = self._loop.create_future()
        self._incoming: asyncio.Queue[Incoming] = asyncio.Queue()
        self._room = threading.Semaphore(INCOMING_MAX)
        self.closed: asyncio.Future[str] = self._loop.create_future()
        """Done when the link has ended; its result says why."""
        self._client = self._make_client(client_id)

    @property
    def version(self) -> str:
        return "5" if self._protocol == MQTTv5 else "3.1.1"

    @property
    def window(self) -> int:
        """Messages that may be unacknowledged at once."""
        return self._window

    def _make_client(self, client_id: str) -> Client:
        first = {"clean_session": not self._is_kept} if self._protocol == MQTTv311 else {}
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=self._protocol,
            reconnect_on_failure=False,
            manual_ack=True,
            **first,  # type: ignore[arg-type]
        )
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(_RECEIVE_MAXIMUM)  # our own window is the bound
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    async def open(
        self, address: BrokerAddress, credentials: Credentials, will: Message | None, will_delay_s: int
    ) -> None:
        """Connect and wait for the broker's yes. Raises LinkDown."""
        # No task: a loop that ends cancels all of its tasks, and the line would be dropped under the thread.
        connecting = self._loop.run_in_executor(None, self._connect, address, credentials, will, will_delay_s)
        try:
            await asyncio.shield(connecting)
        except (OSError, ValueError) as error:
            raise LinkDown(f"{address}: {_why(error)}") from None
        except asyncio.CancelledError:
            connecting.add_done_callback(lambda _: self._drop())
            raise
        self._client.loop_start()
        try:
            await self._wait_for_answer(address)
        except BaseException:
            await self._end()
            raise

    def _connect(self, address: BrokerAddress, credentials: Credentials, will: Message | None, delay_s: int) -> None:
        """In a thread: names are resolved, certificates read and checked."""
        client = self._client
        if address.tls:
            client.tls_set_context(_tls_context(credentials))
        if credentials.user:
            client.username_pw_set(credentials.user, credentials.password or None)
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.retain, self._will_properties(will, delay_s))
        if self._protocol == MQTTv311:
            client.connect(address.host, address.port, KEEPALIVE_S)
        else:
            properties = _connect_properties(KEPT_S if self._is_kept else SESSION_EXPIRY_S)
            client.connect(address.host, address.port, KEEPALIVE_S, clean_start=False, properties=properties)

    async def _wait_for_answer(self, address: BrokerAddress) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                await _first(self._answer, self.closed)
        except TimeoutError:
            raise _NotUnderstood(f"{address}: no answer within {ANSWER_S:g} s") from None
        if not self._answer.done():
            raise _NotUnderstood(f"{address}: the broker hung up")
        reason, properties = self._answer.result()
        if reason.is_failure:
            if "protocol version" in str(reason).lower():
                raise _NotUnderstood(f"{address}: the broker said no: {reason}")
            raise LinkDown(f"{address}: the broker said no: {reason}")
        is_newest = self._protocol == MQTTv5
        allowed = int(getattr(properties, "ReceiveMaximum", _RECEIVE_MAXIMUM)) if is_newest else WINDOW_OLD
        if allowed < self._window:
            self._window = allowed
            self._slots = asyncio.Semaphore(allowed)

    def _will_properties(self, will: Message, delay_s: int) -> Properties | None:
        if self._protocol == MQTTv311:
            return None
        made = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
        if delay_s:
            made.WillDelayInterval = delay_s
        if will.content_type:
            made.ContentType = will.content_type
        return made

    async def send(self, message: Message) -> "asyncio.Future[None]":
        """Wait for a place in the window and send. The future is done at PUBACK; it fails with LinkDown or Refused."""
        await self._slots.acquire()
        told = self._loop.create_future()
        told.add_done_callback(self._free)
        if self.closed.done():
            told.set_exception(LinkDown(self.closed.result()))
            return told
        info = self._client.publish(
            message.topic, message.payload, message.qos, message.retain, self._message_properties(message)
        )
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            told.set_exception(LinkDown(f"the message could not be sent: {info.rc.name}"))
        else:
            self._told[info.mid] = told
        return told

    def _free(self, told: "asyncio.Future[None]") -> None:
        self._slots.release()
        if not told.cancelled():
            told.exception()  # seen: a sender that has gone is not reported by the loop

    def _message_properties(self, message: Message) -> Properties | None:
        if self._protocol == MQTTv311:
            return None
        made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if message.expiry_s:
            made.MessageExpiryInterval = message.expiry_s
        if message.content_type:
            made.ContentType = message.content_type
        if message.properties:
            made.UserProperty = list(message.properties)
        return made

    async def subscribe(self, topic: str, qos: int = 1) -> None:
        """Ask for a topic and wait for the broker's yes; what comes is read with :meth:`incoming`.

        Raises LinkDown, and Refused when the broker says no.
        """
        result, mid = self._client.subscribe(topic, qos)
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise LinkDown(f"cannot subscribe to {topic}: {result.name}")
        self._told[mid] = self._loop.create_future()
        await self._told[mid]

    async def incoming(self) -> AsyncIterator[Incoming]:
        """Messages as they come, until the link ends. What is not acknowledged comes again with the session."""
        while True:
            getter = asyncio.ensure_future(self._incoming.get())
            try:
                await _first(getter, self.closed)
                if not getter.done():
                    return
                self._room.release()
                yield getter.result()
            finally:
                getter.cancel()

    def acknowledge(self, message: Incoming) -> None:
        """The message is handled: the broker may forget it."""
        if message.qos:
            self._client.ack(message.mid, message.qos)

    async def close(self) -> None:
        """Say good-bye, so that the broker sends no will, and give the line back."""
        self._client.disconnect()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.shield(self.closed)
        await self._end()

    async def abort(self) -> None:
        """Give the line back without a good-bye: the broker sends the will."""
        await self._end()

    async def _end(self) -> None:
        self._ended("the link was closed")
        for stop in (self._shut, self._client.loop_stop, self._drop):
            await asyncio.to_thread(stop)

    def _shut(self) -> None:
        """Wake paho's thread by an end of file, so that it stops at once."""
        line = self._client.socket()
        if isinstance(line, socket.socket):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        line = self._client.socket()
        if line is not None:
            line.close()

    def _ended(self, why: str) -> None:
        if not self.closed.done():
            self.closed.set_result(why)
        waiting, self._told = self._told, {}
        for told in waiting.values():
            if not told.done():
                told.set_exception(LinkDown(why))

    # Below: called by paho's thread. Each only hands over to the loop.

    def _hand_over(self, call: Any, *values: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended before the thread
            self._loop.call_soon_threadsafe(call, *values)

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._hand_over(self._connected, reason, properties)

    def _connected(self, reason: ReasonCode, properties: Properties | None) -> None:
        if not self._answer.done():
            self._answer.set_result((reason, properties))

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._hand_over(self._ended, f"the link has ended: {reason}")

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._hand_over(self._acknowledged, mid, str(reason) if reason.is_failure else "")

    def _on_subscribe(
        self, _client: Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._hand_over(self._acknowledged, mid, next((str(reason) for reason in reasons if reason.is_failure), ""))

    def _acknowledged(self, mid: int, refused: str) -> None:
        told = self._told.pop(mid, None)
        if told is None or told.done():
            return
        if refused:
            told.set_exception(Refused(refused))
        else:
            told.set_result(None)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        pairs = getattr(message.properties, "UserProperty", []) if message.properties is not None else []
        came = Incoming(message.topic, bytes(message.payload), message.retain, message.qos, message.mid, tuple(pairs))
        while not self._room.acquire(timeout=_ROOM_LOOK_S):
            if self.closed.done():
                return
        self._hand_over(self._incoming.put_nowait, came)


async def _first(*futures: "asyncio.Future[Any]") -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _connect_properties(expiry_s: int) -> Properties:
    made = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    made.SessionExpiryInterval = expiry_s
    made.ReceiveMaximum = INCOMING_MAX
    return made


class _ClosingSocket(ssl.SSLSocket):
    """One that a refused handshake closes: paho forgets it open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _tls_context(credentials: Credentials) -> ssl.SSLContext:
    """Peers are verified, always. Raises OSError or ValueError when a file is not what it should be."""
    context = ssl.create_default_context(cafile=credentials.ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _ClosingSocket
    if credentials.cert_file:
        context.load_cert_chain(credentials.cert_file, credentials.key_file or None)
    return context


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_S:g} s"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
