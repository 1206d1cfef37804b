"""The account of a launched fleet: what the centre has of each site against the site's own log and history."""

import asyncio
import json
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from services.notifier.lease import holder
from services.uplink.identity import Identity, read_identity
from shared.bus.registry import DEADLETTER, EVENTS, INPUTS, STATE, Topic
from shared.devices.frame import Frame
from shared.domain.events import Event
from shared.log.kafka.records import Place, Record
from shared.log.kafka.stretch import read_stretch
from shared.log.store import open_reader
from shared.wire.batches import decode_batch
from shared.wire.events import decode_event
from shared.wire.inputs import decode_input
from shared.wire.site_state import decode_site_state, peek_site_state
from tests.fleet.centre import Counted
from tests.services.processor.recorded import links_of
from tests.services.uplink.centre import Centre
from tests.soak.launched import CENTRE, HOSTED, Launched
from tests.soak.outcome import Outcome
from tests.soak.rig import stored
from tests.testkit.process import Running
from tests.testkit.web import web_client

LOOK_S = 1.0
BEFORE_S = 60.0
"""A kill so long before a second copy can be its reason: a session, a lease, a start on a busy machine."""
POINT = "r1/gas1-h2"
BACK = timedelta(days=1)
RAISED = "ampward.alarm.raised.v1"
TOLD_S = HISTORY_S = 150.0


def identity_of(fleet: Launched, site: str) -> Identity:
    return read_identity(fleet.identity(site), site)


async def records(fleet: Launched, site: str, topic: Topic) -> list[Record]:
    """Everything that a topic has of a site."""
    place = Place(topic.name, identity_of(fleet, site).partition)
    return [each async for each in read_stretch(fleet.access, place) if each.key == site.encode()]


def events_of(fleet: Launched, site: str) -> list[Event]:
    """What a site's log has now."""
    log = open_reader(fleet.data(site))
    try:
        return [decode_event(data) for data in stored(log)]
    finally:
        log.close()


def frames_of(fleet: Launched, site: str) -> list[int]:
    """The devices' own numbers of the frames that a site's log has now."""
    log = open_reader(fleet.data(site))
    try:
        bodies = (decode_input(row.data).body for row in log.inputs(0, 1 << 30) if row.kind == "frame")
        return [body.device_seq for body in bodies if isinstance(body, Frame)]
    finally:
        log.close()


async def judge_events(fleet: Launched, site: str, outcome: Outcome, faults: list[str]) -> None:
    """Inputs and events that the log has now are the fleet's, in order, and nothing is between them."""
    log = open_reader(fleet.data(site))
    try:
        inputs, events = [row.data for row in log.inputs(0, 1 << 30)], stored(log)
    finally:
        log.close()
    up, counted = Centre(), Counted()
    while len(up.inputs) < len(inputs) or counted.counts[site] < len(events):
        await asyncio.sleep(LOOK_S)
        up, counted = Centre(key=identity_of(fleet, site).key.public), Counted()
        for record in await records(fleet, site, INPUTS):
            up.take(record.value or b"")
        for record in await records(fleet, site, EVENTS):
            counted.note(decode_batch(record.value or b""))
    have = [row.data for row in up.inputs.values()][: len(inputs)]
    outcome.lost += len(set(inputs) - set(have))
    if have != inputs or up.holes:
        faults.append(f"{site}: its inputs are not the log's; holes at {up.holes[:3]}")
    found = counted.by_site()[site][: len(events)]
    outcome.lost += len(set(events) - set(found))
    outcome.doubled += len(set(found) - set(events))
    if found != events or counted.wrong or set(counted.verdicts) != {"equal"}:
        faults.append(f"{site}: its events are not the log's; {counted.wrong[:3]}, {counted.verdicts}")
    if dead := await records(fleet, site, DEADLETTER):
        faults.append(f"{site}: {len(dead)} dead letters")


async def judge_states(fleet: Launched, site: str, faults: list[str]) -> None:
    """The state that counts stands at or behind what Kafka has acknowledged by now, and on the log's own chain."""
    acknowledged = int(json.loads((fleet.data(site) / "uplink.json").read_bytes())["site_seq"])
    while True:
        newest = max(
            (record.value or b"" for record in await records(fleet, site, STATE)),
            key=lambda data: peek_site_state(data).place,
            default=b"",
        )
        if newest and peek_site_state(newest).place.site_seq >= acknowledged:
            break
        await asyncio.sleep(LOOK_S)
    state = decode_site_state(newest)
    log = open_reader(fleet.data(site))
    try:
        chain = {made.last_seq: made.hash for _, made, _, _ in links_of(log)}
    finally:
        log.close()
    if chain.get(state.site_seq) != state.hash or state.blind or state.parked or state.lost:
        faults.append(f"{site}: the state at {state.site_seq} is not of the log's chain: {state[7:11]}")


@dataclass(frozen=True, slots=True)
class Copy:
    """One message as it came, once."""

    who: str
    id: str
    is_repeat: bool
    at: float
    events: tuple[str, ...]


def copies_of(fleet: Launched) -> list[Copy]:
    """Everything that arrived so far, in order."""
    found = []
    for request in list(fleet.sink.requests):
        body: dict[str, Any] = json.loads(request.body)
        data = body["data"]
        said = tuple(each["id"] for each in data["events"]) if "events" in data else (body["id"],)
        ident, who = request.headers["webhook-id"], request.target.strip("/")
        found.append(Copy(who, ident, data["message"]["repeat"], request.at, said))
    return found


async def judge_messages(
    fleet: Launched, site: str, kills: Sequence[float], outcome: Outcome, faults: list[str]
) -> None:
    """Every alarm of now was told by whoever had to, nobody was told anything twice without mark and reason."""
    events = events_of(fleet, site)
    wanted = to_be_told(events)
    names = {event.id for event in events}
    missed = wanted
    try:
        async with asyncio.timeout(TOLD_S):
            while missed:
                await asyncio.sleep(LOOK_S)
                missed = wanted - {(copy.who, event) for copy in copies_of(fleet) for event in copy.events}
    except TimeoutError:
        outcome.lost += len(missed)
        by_id = {event.id: event for event in events}
        for who, event in sorted(missed)[:5]:
            faults.append(f"{site}: {who} did not tell of {by_id[event].rule} at {by_id[event].site_seq}")
    copies = [copy for copy in copies_of(fleet) if names & set(copy.events)]
    events = events_of(fleet, site)
    critical = {event.id for event in events if event.severity == "critical"}
    handed_over = hand_overs(events, time.monotonic() - time.time())
    wrong = doubled(copies, critical, sorted([*kills, *handed_over]))
    marked = sum(copy.is_repeat for copy in copies)
    print(f"{site}: {len(copies)} messages came, {marked} as repeats; {len(handed_over)} hand-overs", flush=True)
    outcome.doubled += len(wrong)
    faults += [f"{site}: {each}" for each in wrong[:5]]


def to_be_told(events: Sequence[Event]) -> set[tuple[str, str]]:
    """(who, event) for each alarm that was raised and not suppressed.

    What is critical the site tells in any case. All else is told by whoever held the lease when it was raised, also
    when the lease ended while it waited for its group, or while nobody of the centre lived.
    """
    wanted: set[tuple[str, str]] = set()
    leased = False
    for event in events:
        by = holder(event)
        if by is not None:
            leased = bool(by)
        elif (
            event.type == RAISED
            and not event.reason.startswith("suppressed")
            and event.severity in ("warning", "alarm", "critical")
        ):
            if leased:
                wanted.add((CENTRE, event.id))
            if not leased or event.severity == "critical":
                wanted.add((event.site, event.id))
    return wanted


def hand_overs(events: Sequence[Event], offset_s: float) -> list[float]:
    """When others began to tell, by time.monotonic(), which is ``offset_s`` ahead of the wall clock."""
    found: list[float] = []
    before = ""
    for event in events:
        by = holder(event)
        if by is not None and by != before:
            found.append(event.at_ms / 1000 + offset_s)
            before = by
    return found


def doubled(copies: Sequence[Copy], critical: set[str], kills: Sequence[float]) -> list[str]:
    """Copies without mark or reason, and events that two messages tell without a mark, alone or in groups. Critical
    ones both tell of. A reason is a kill or a hand-over."""
    wrong: list[str] = []
    by_message: defaultdict[tuple[str, str], list[Copy]] = defaultdict(list)
    by_event: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for copy in copies:
        who = copy.who if critical & set(copy.events) else ""
        by_message[who, copy.id].append(copy)
        for event in () if copy.is_repeat else copy.events:
            by_event[copy.who if event in critical else "", event].add(copy.id)
    for (who, ident), group in by_message.items():
        plain = sum(not copy.is_repeat for copy in group)
        if plain > 1:
            wrong.append(f"message {ident} of {who or 'both'} came {plain} times without its mark")
        reasons = bisect_right(kills, group[-1].at) - bisect_left(kills, group[0].at - BEFORE_S)
        if len(group) - 1 > reasons:
            came = ", ".join(f"{each.who} after {each.at - group[0].at:.1f} s" for each in group)
            wrong.append(f"message {ident} of {who or 'both'} came {len(group)} times, {reasons} reasons: {came}")
    wrong += [
        f"{event} is new in {len(ids)} messages of {who or 'both'}"
        for (who, event), ids in by_event.items()
        if len(ids) > 1
    ]
    return wrong


async def judge_history(fleet: Launched, site: str, faults: list[str]) -> None:
    """Journals and minutes of the centre are those of the site, up to now, and no alarm of the log is left out."""
    now = datetime.now(UTC)
    events = events_of(fleet, site)
    raised = sum(event.type == RAISED and event.at_ms < now.timestamp() * 1000 for event in events)
    own: dict[str, Any] = {}
    centre: dict[str, Any] = {}
    try:
        async with asyncio.timeout(HISTORY_S), _keeping(fleet, site):
            while not own or own != centre or sum(row["type"] == RAISED for row in own["alarms"]) != raised:
                await asyncio.sleep(LOOK_S)
                with suppress(httpx.HTTPError):
                    own, centre = await _history(fleet, site, site, now), await _history(fleet, CENTRE, site, now)
    except TimeoutError:
        sizes = {name: (len(rows), len(centre.get(name, ()))) for name, rows in own.items()}
        faults.append(f"{site}: the centre's history is not the site's (rows here, there): {sizes}, {raised} alarms")


@asynccontextmanager
async def _keeping(fleet: Launched, site: str) -> AsyncIterator[None]:
    """The bridge keeps no history beside a hosted site's log: here the sites' own program does."""
    if site != HOSTED:
        yield
        return
    with Running.python("services.history", fleet.data(site)):
        yield


async def _history(fleet: Launched, who: str, site: str, until: datetime) -> dict[str, Any]:
    """What one answers about a site up to a moment."""
    told: dict[str, Any] = {}
    asked = {"from": (until - BACK).isoformat(), "to": until.isoformat(), **({"site": site} if who == CENTRE else {})}
    headers = {"Authorization": f"Bearer {fleet.token(who)}"}
    async with web_client(fleet.url(who).removeprefix("http://"), headers) as client:
        for which in ("alarms", "outputs"):
            told[which], after = [], "0"
            while after:
                page = await client.get(f"/api/v1/history/{which}", params={**asked, "after": after})
                page.raise_for_status()
                told[which] += page.json()["items"]
                after = page.json()["next"]
        minute = until.replace(second=0, microsecond=0).isoformat()
        minutes = {"from": asked["from"], "to": minute, "step": "minute"}
        answer = await client.get(f"/api/v1/history/points/{site}/{POINT}", params=minutes)
        answer.raise_for_status()
        told["minutes"] = answer.json()["items"]
    return told
