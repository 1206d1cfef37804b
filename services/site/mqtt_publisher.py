"""Tells an MQTT broker what the site knows: its status, points, device states, frames and events.

Promises: events and frames go in the order of the log, after they are in it, none is dropped (shared.bus.outbox); the
place up to which the broker has them is kept in the log, so neither a lost broker nor a restart costs anything. Points
and states are retained, and sent whole after each connection. A broker that is lost, slow or refuses costs the site
nothing: nothing waits for it, nothing is queued beyond the window.
What goes is within a budget of bytes a second, where the way to the broker has one: events, points and states have the
first call on it, frames take what they leave; so a backlog of frames holds up no alarm.
Limits: a point is sent at most once a second and, when there are more than POINTS_PER_SWEEP changes, in turns; so a
site of 330 modules has each of its 1,320 values out every two seconds at most. Events overtake frames after an outage:
each has a part of the window for itself.

    offline --connected--> status online, all points, all devices --> events, frames, changes
       ^                                                                    |
       +---- 0.5 .. 5 s ---- link lost or message refused <-----------------+
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from services.gateway.times import rfc3339
from services.gateway.views import CursorGone, EventItem, PointItem, Views
from services.uplink.budget import Budget
from shared.bus import topics
from shared.bus.address import BrokerAddress, Credentials, parse_url, read_password
from shared.bus.mqtt import Connection, LinkDown, Message, Refused, connect
from shared.bus.outbox import Outbox, Reading
from shared.devices.frame import Frame
from shared.devices.plan import MqttPlan
from shared.domain.errors import AmpwardError, WireError
from shared.domain.units import NoData
from shared.log.port import Cursor, InputRow
from shared.runtime.logging import Changes, logger
from shared.wire.events import cloud_event
from shared.wire.inputs import decode_input

SWEEP_S = 1.0
POINTS_PER_SWEEP = 700
FRAMES_LOOK_S = 0.2
EVENTS_WAIT_S = 15.0
BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 5.0)
GOOD_LINK_S = 10.0
DRAIN_S = 2.0
FRAMES_BEHIND_MAX = 10_000
"""A site that gets its first broker tells it the last so many inputs and every event that is kept."""


@dataclass(frozen=True, slots=True)
class DeviceItem:
    """Whether a device answers, as its status topic tells."""

    device: str
    room: str
    online: bool
    reason: str
    """Why not, as in a point's no_data; empty when online."""
    since_at_ms: int


class Feed(Protocol):
    """What the site gives beside its views."""

    def devices(self) -> Sequence[DeviceItem]: ...

    def head_seq(self) -> int:
        """site_seq of the last input that is in the log."""
        ...

    async def inputs_after(self, site_seq: int, limit: int) -> Sequence[InputRow]:
        """Inputs of the log in order, at most ``limit``."""
        ...

    def position(self, name: str) -> bytes | None: ...

    def keep_position(self, name: str, value: bytes) -> None:
        """Put the position into one of the next transactions of the log."""
        ...


class MqttPublisher:
    """``await run(stop)`` for as long as the site lives. ``state`` is one sentence for people."""

    def __init__(
        self,
        plan: MqttPlan,
        site: str,
        boot: str,
        started_at_ms: int,
        views: Views,
        feed: Feed,
        budget: Budget,
        *,
        name: str = "mqtt",
    ) -> None:
        """Raises ConfigError when the broker's address is not one. ``name`` tells its positions from another's."""
        self._plan = plan
        self._events_position, self._frames_position = f"{name}.events", f"{name}.frames"
        self._address: BrokerAddress = parse_url(plan.url)
        self._site = site
        self._boot = boot
        self._started_at_ms = started_at_ms
        self._views = views
        self._feed = feed
        self._budget = budget
        self._rooms: dict[str, str] = {}
        self._speak = "5"
        self._log = logger()
        self._changes = Changes()
        self.state = f"{self._address}: not connected yet"
        self._events = Outbox(
            Reading(self._read_events, self._wait_for_events, self._keep_events, budget.take_live),
            _cursor(feed.position(self._events_position)),
        )
        self._frames = Outbox(
            Reading(self._read_frames, self._wait_for_frames, self._keep_frames, budget.take), self._first_frame()
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Connect, tell, connect again. Returns soon after ``stop`` is set, with a good-bye to the broker."""
        tries = 0
        while not stop.is_set():
            began = _now()
            try:
                why = await self._serve(stop)
            except AmpwardError as error:
                why = str(error)
            except Exception as fault:
                self._log.error("mqtt_publisher_fault", exc_info=True)
                why = f"a fault of the program: {type(fault).__name__}"
            if stop.is_set():
                return
            self._events.go_back()
            self._frames.go_back()
            self.state = f"{self._address}: not connected ({why})"
            if self._changes.changed("link", why):
                self._log.warning("mqtt_not_connected", broker=str(self._address), reason=why)
            tries = 0 if _now() - began >= GOOD_LINK_S else tries + 1
            await _sleep_or(stop, BACK_OFF_S[min(tries, len(BACK_OFF_S) - 1)])

    async def _serve(self, stop: asyncio.Event) -> str:
        """One link, from its beginning to its end; gives the reason of the end."""
        link = await connect(
            self._address,
            self._credentials(),
            client_id=f"ampward-{self._site}",
            will=self._status("offline"),
            will_delay_s=topics.STATUS_WILL_DELAY_S,
            speak=self._speak,
        )
        self._speak = link.version
        stopping = asyncio.ensure_future(stop.wait())
        telling = asyncio.ensure_future(self._tell(link))
        ends: set[asyncio.Future[Any]] = {stopping, telling, link.closed}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                await self._drain(ends - {stopping})
        finally:
            stopping.cancel()
            telling.cancel()
            ended = await asyncio.gather(telling, return_exceptions=True)
            await self._leave(link, polite=stop.is_set())
        if isinstance(ended[0], ExceptionGroup):
            return _why(ended[0])
        if isinstance(ended[0], Exception):
            raise ended[0]
        return link.closed.result()

    async def _drain(self, ends: set[asyncio.Future[Any]]) -> None:
        """The last events before the end are told as well, when the broker takes them at once."""
        until = _now() + DRAIN_S
        while _now() < until and not any(end.done() for end in ends):
            if not self._views.events_after(self._events.place, 1):
                return
            await asyncio.sleep(0.02)

    async def _tell(self, link: Connection) -> None:
        await (await link.send(self._status("online")))
        self.state = f"{self._address}: connected (MQTT {link.version})"
        self._changes.changed("link", "")
        self._log.info("mqtt_connected", broker=str(self._address), version=link.version)
        part = max(1, link.window // 4)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._events.run(link, link.window - 2 * part or 1), name="mqtt-events")
            group.create_task(self._frames.run(link, part), name="mqtt-frames")
            group.create_task(self._sweep(link, part), name="mqtt-state")

    async def _leave(self, link: Connection, *, polite: bool) -> None:
        if polite and not link.closed.done():
            try:
                async with asyncio.timeout(2):
                    await (await link.send(self._status("offline")))
            except (LinkDown, Refused, TimeoutError):
                # The will says the same.
                await link.abort()
                return
            await link.close()
        else:
            await link.abort()

    def _credentials(self) -> Credentials:
        """Read at each connection: a renewed password or certificate needs no restart."""
        plan = self._plan
        password = read_password(plan.password_file) if plan.password_file else ""
        return Credentials(plan.user, password, plan.ca_file, plan.cert_file, plan.key_file)

    def _status(self, state: str) -> Message:
        body = {"state": state, "boot": self._boot, "since": rfc3339(self._started_at_ms)}
        return _message(topics.SITE_STATUS, topics.site_status(self._site), body)

    # State: points and devices

    async def _sweep(self, link: Connection, window: int) -> None:
        points: dict[str, tuple[str | None, str, str]] = {}
        devices: dict[str, DeviceItem] = {}
        while True:
            messages = [*self._changed_devices(devices), *self._changed_points(points)]
            for start in range(0, len(messages), window):
                told = [await self._send(link, message) for message in messages[start : start + window]]
                await asyncio.gather(*told)
            await asyncio.sleep(SWEEP_S)

    async def _send(self, link: Connection, message: Message) -> asyncio.Future[None]:
        await self._budget.take_live(message.size)
        return await link.send(message)

    def _changed_devices(self, known: dict[str, DeviceItem]) -> list[Message]:
        found = []
        for item in self._feed.devices():
            if known.get(item.device) != item:
                known[item.device] = item
                state = "online" if item.online else "offline"
                body = {"state": state, "reason": item.reason, "since": rfc3339(item.since_at_ms)}
                topic = topics.device_status(self._site, item.room, item.device)
                found.append(_message(topics.DEVICE_STATUS, topic, body))
        return found

    def _changed_points(self, known: dict[str, tuple[str | None, str, str]]) -> list[Message]:
        """Changed points, at most POINTS_PER_SWEEP; those sent longest ago come first."""
        seq = self._feed.head_seq()
        now = {item.id: item for item in self._views.points()}
        order = {point_id: place for place, point_id in enumerate(known)}
        changed = [item for item in now.values() if known.get(item.id) != _shown(item)]
        changed.sort(key=lambda item: order.get(item.id, -1))
        found = []
        for item in changed[:POINTS_PER_SWEEP]:
            known.pop(item.id, None)
            known[item.id] = _shown(item)
            body = {
                "value": item.value,
                "unit": item.unit,
                "quality": item.quality,
                "no_data": item.no_data,
                "at": rfc3339(item.at_ms),
                "seq": seq,
            }
            found.append(_message(topics.POINT, topics.point(item.id), body))
        return found

    # Events

    async def _read_events(self, place: Cursor | None, limit: int) -> Sequence[tuple[Cursor, Message | None]]:
        found = self._views.events_after(place, limit)
        if isinstance(found, CursorGone):
            self._log.warning("mqtt_events_gone", since=str(place), oldest=str(found.oldest))
            found = self._views.events_after(found.oldest, limit)
            assert not isinstance(found, CursorGone), "the oldest place is always readable"
        return [(item.cursor, event_message(self._site, item)) for item in found]

    async def _wait_for_events(self, place: Cursor | None) -> object:
        return await self._views.wait_for_events(place, EVENTS_WAIT_S)

    def _keep_events(self, place: Cursor) -> None:
        if self._views.status().undurable:
            return  # the place is in no log yet: after a crash it would be one that never was
        self._feed.keep_position(self._events_position, orjson.dumps(list(place)))

    # Frames

    def _first_frame(self) -> int:
        kept = self._feed.position(self._frames_position)
        head = self._feed.head_seq()
        if kept is None:
            return max(0, head - FRAMES_BEHIND_MAX)
        return min(int(kept), head)

    async def _read_frames(self, place: int | None, limit: int) -> Sequence[tuple[int, Message | None]]:
        rows = await self._feed.inputs_after(place or 0, limit)
        if not self._rooms or any(row.kind == "ruleset" for row in rows):
            self._rooms = {item.device: item.room for item in self._feed.devices()}
        return [(row.site_seq, self._of_input(row)) for row in rows]

    def _of_input(self, row: InputRow) -> Message | None:
        if row.kind != "frame":
            return None
        try:
            body = decode_input(row.data).body
        except WireError as fault:
            self._log.error("mqtt_frame_undecodable", site_seq=row.site_seq, reason=str(fault))
            return None
        if not isinstance(body, Frame) or body.device not in self._rooms:
            return None
        return frame_message(self._site, self._rooms[body.device], body)

    async def _wait_for_frames(self, place: int | None) -> object:
        while self._feed.head_seq() <= (place or 0):
            await asyncio.sleep(FRAMES_LOOK_S)
        return None

    def _keep_frames(self, place: int) -> None:
        self._feed.keep_position(self._frames_position, str(place).encode())


def event_message(site: str, item: EventItem) -> Message:
    """Structured JSON with the same attributes as user properties, for those who route without reading."""
    cloud = {**cloud_event(item.event), **item.extra}
    attributes = tuple((name, value) for name, value in cloud.items() if isinstance(value, str))
    return Message(
        topics.events(site),
        orjson.dumps(cloud),
        retain=topics.EVENTS.retain,
        expiry_s=topics.EVENTS.expiry_s,
        content_type=topics.EVENTS.content_type,
        properties=attributes,
    )


def frame_message(site: str, room: str, frame: Frame) -> Message:
    """Raw words in base64; ``outcome`` is ok or the reason why there are none."""
    body = {
        "site": site,
        "room": room,
        "device": frame.device,
        "boot": frame.boot,
        "seq": frame.device_seq,
        "sampled_at": rfc3339(frame.sampled_at_ms),
        "outcome": "ok" if frame.outcome is NoData.PRESENT else frame.outcome.label,
        "blocks": [
            {
                "table": block.table.value,
                "address": block.address,
                "size": block.size,
                "words": base64.b64encode(block.words).decode(),
            }
            for block in frame.blocks
        ],
    }
    return _message(topics.FRAME, topics.frame(site, room, frame.device), body)


def _message(kind: topics.Kind, topic: str, body: Mapping[str, object]) -> Message:
    return Message(topic, orjson.dumps(body), kind.retain, kind.expiry_s, kind.content_type)


def _shown(item: PointItem) -> tuple[str | None, str, str]:
    return item.value, item.quality, item.no_data


def _cursor(kept: bytes | None) -> Cursor | None:
    if kept is None:
        return None
    log_id, site_seq, ordinal = orjson.loads(kept)
    return Cursor(log_id, site_seq, ordinal)


def _why(group: ExceptionGroup) -> str:
    known, unknown = group.split((LinkDown, Refused))
    if unknown is not None:
        raise unknown
    assert known is not None
    first = known.exceptions[0]
    return str(first) if not isinstance(first, Refused) else f"the broker refuses a message: {first}"


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _sleep_or(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
