"""Sending: planned messages out by their channels, tried again until taken or refused for good, and recorded.

    planned --(committed as sending)--> channel.send --> Sent     settled, a Report
                                                    |-> Refused  settled, a Report, delivery_failing as a pulse
                                                    |-> Failed   again after 5 s, 10 s, 20 s ... without end

Promises: no channel waits for another, and none for a hanging one: at most six sends at a time by each channel, two of
them kept free for critical alarms; a send that does not end is given up. What goes first: critical, then by age; what
follows an unsettled message waits for it. No message is ever given up but what is refused for good, or whose person or
channel is no longer in the site file; the pipeline offers a lane that refused the open alarm again.
A channel that failed three times on end, or for two minutes, is told as failing; its next success ends that. What the
log is to be told goes into the ledger with what it tells of.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Protocol

from services.notifier.compose import compose
from services.notifier.ledger_port import Change, Row
from services.notifier.messages import FROM_EVENTS, Form, Kind, Message
from services.notifier.picture import Picture
from services.notifier.pipeline import settle
from services.notifier.ports import WHY_CHARACTERS_MAX, Channel, Failed, Outcome, Refused, Sent
from services.notifier.reports import BoxReport
from services.notifier.routing import Setting, way_of
from shared.domain.inputs import ReportKind
from shared.log.steps import Step, no_step
from shared.runtime.logging import logger
from shared.runtime.metrics import Ages
from shared.runtime.tracing import OFF, Span, Spans, Stage, input_of

AT_A_TIME = 6
FOR_URGENT = 2
SEND_S = 45.0
"""A channel has a time of its own, which is shorter."""
FIRST_RETRY_MS = 5_000
RETRY_MAX_MS = 300_000
URGENT_RETRY_MAX_MS = 60_000
ASKED_RETRY_MAX_MS = 3_600_000
FAILING_TIMES = 3
FAILING_S = 120.0
LOOK_S = 1.0
TRACED_MAX = 20
"""Of the things that one message tells."""


class Desk(Protocol):
    """What the post needs of the notifier around it."""

    @property
    def picture(self) -> Picture: ...
    def setting(self) -> Setting: ...
    def steady_ms(self) -> int: ...
    def wall_ms(self) -> int: ...
    async def commit(self, change: Change, reports: Sequence[BoxReport] = ()) -> None:
        """Into the ledger, and the Reports with it, which the log is told afterwards."""
        ...


def retry_ms(row: Row, asked_ms: int) -> int:
    """How long to wait after this many attempts: doubled each time, up to a limit."""
    most = URGENT_RETRY_MAX_MS if row.message.urgent else RETRY_MAX_MS
    own = min(FIRST_RETRY_MS << min(row.attempts - 1, 16), most)
    return max(own, min(asked_ms, URGENT_RETRY_MAX_MS if row.message.urgent else ASKED_RETRY_MAX_MS))


@dataclass(slots=True)
class Health:
    """One channel's luck."""

    failures: int = 0
    """On end."""
    since: float = 0.0
    """time.monotonic() of the first of them."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Last:
    """What became of the last attempt by a channel."""

    state: str
    """sent, refused, failed"""
    at_ms: int
    person: str
    why: str


@dataclass(slots=True)
class Counter:
    """Attempts by channel and result, for metrics; and the last of each channel, since the start."""

    attempts: dict[tuple[str, str], int] = field(default_factory=dict)
    last: dict[str, Last] = field(default_factory=dict)
    ages: dict[str, Ages] = field(default_factory=dict)
    """By channel: from the frame behind the oldest event that a message is the first to tell of, to its taking."""
    spans: Spans = OFF

    def add(self, row: Row) -> None:
        lane = row.message.lane
        self.attempts[lane.channel, row.state] = self.attempts.get((lane.channel, row.state), 0) + 1
        self.last[lane.channel] = Last(row.state, row.changed_at_ms, lane.person, row.why)
        first = [item.event.at_ms for item in row.message.items if item.kind in FROM_EVENTS]
        if row.state == "sent" and first and row.message.form is not Form.SUMMARY:
            age_ms = row.changed_at_ms - min(first)
            self.ages.setdefault(lane.channel, Ages()).add(age_ms / 1000)
        if self.spans.is_on and row.state != "failed":
            self._trace(row)

    def _trace(self, row: Row) -> None:
        """Of what it is the first to tell of; no person and no words."""
        message = row.message
        attributes: dict[str, str | int] = {
            "channel": message.lane.channel,
            "message": message.id,
            "attempts": row.attempts,
        }
        for item in [item for item in message.items if item.kind in FROM_EVENTS][:TRACED_MAX]:
            began_ms, failed = item.event.at_ms, "refused" if row.state == "refused" else ""
            of, ended_ms = input_of(item.event), row.changed_at_ms
            self.spans.tell(Span(Stage.MESSAGE, of, began_ms, ended_ms, message.id, attributes, failed))


class Post:
    """All messages that are not settled. Lives in one event loop."""

    def __init__(
        self, desk: Desk, *, step: Step = no_step, send_s: float = SEND_S, counts: Counter | None = None
    ) -> None:
        self.counts = counts if counts is not None else Counter()
        self._desk = desk
        self._step = step
        self._send_s = send_s
        self._rows: dict[str, Row] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._channels: dict[str, Channel] = {}
        self._health: dict[str, Health] = {}
        self._woken = asyncio.Event()
        self._log = logger(part="notifier")

    @property
    def waiting(self) -> int:
        """Messages that are not settled."""
        return len(self._rows)

    def use(self, channels: Mapping[str, Channel]) -> None:
        """From now on by these."""
        self._channels = dict(channels)
        self._woken.set()

    def put(self, rows: Iterable[Row]) -> None:
        """Rows that are in the ledger already."""
        for row in rows:
            if row.message.id in self._rows:
                continue
            again = row.state == "sending"
            self._rows[row.message.id] = replace(row, state="failed", repeat=True) if again else row
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled; then what is under way stays in the ledger as sending."""
        try:
            while True:
                self._woken.clear()
                self._start()
                await self._watch()
                try:
                    async with asyncio.timeout(LOOK_S):
                        await self._woken.wait()
                except TimeoutError:
                    continue
        finally:
            for task in self._under_way.values():
                task.cancel()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def drain(self, seconds: float) -> None:
        """Let what is under way end, for at most so long."""
        if self._under_way:
            await asyncio.wait(list(self._under_way.values()), timeout=seconds)

    # Choosing

    def _start(self) -> None:
        now = self._desk.steady_ms()
        busy: dict[str, int] = {}
        for row in map(self._rows.get, self._under_way):
            if row is not None:  # A settled one only reports what became of it.
                busy[row.message.lane.channel] = busy.get(row.message.lane.channel, 0) + 1
        due = [row for row in self._rows.values() if row.due_ms <= now and row.message.id not in self._under_way]
        due.sort(key=lambda row: (not row.message.urgent, row.message.at_ms))
        for row in due:
            channel = row.message.lane.channel
            most = AT_A_TIME if row.message.urgent else AT_A_TIME - FOR_URGENT
            if busy.get(channel, 0) >= most or not self._may_go(row.message):
                continue
            busy[channel] = busy.get(channel, 0) + 1
            task = asyncio.create_task(self._deliver(row), name=f"send {row.message.id}")
            self._under_way[row.message.id] = task
            task.add_done_callback(self._done(row.message.id))

    def _may_go(self, message: Message) -> bool:
        """What it follows has arrived, or was refused."""
        return message.urgent or not any(ident in self._rows for ident in message.follows if ident != message.id)

    def _done(self, ident: str) -> Callable[["asyncio.Task[None]"], None]:
        def done(task: "asyncio.Task[None]") -> None:
            self._under_way.pop(ident, None)
            self._woken.set()
            if not task.cancelled() and (fault := task.exception()) is not None:
                row = self._rows.get(ident)
                if row is not None:
                    self._rows[ident] = replace(row, due_ms=self._desk.steady_ms() + FIRST_RETRY_MS)
                self._log.error("send_fault", message=ident, fault=repr(fault))

        return done

    # One message

    async def _deliver(self, row: Row) -> None:
        message = row.message
        row = replace(row, state="sending", attempts=row.attempts + 1, changed_at_ms=self._desk.wall_ms())
        self._rows[message.id] = row
        way = way_of(self._desk.setting(), message.lane)
        hopeless = self._hopeless(message)
        if hopeless is not None:
            await self._settle(row, hopeless, way, is_tried=False)
            return
        await self._desk.commit(Change(rows={message.id: row}))
        self._step("before send")
        outcome = await self._send(row)
        self._step("after send")
        await self._settle(row, outcome, way)
        self._step("after settle")

    def _hopeless(self, message: Message) -> Refused | None:
        setting, lane = self._desk.setting(), message.lane
        if lane.channel not in setting.plan.channels:
            return Refused(f"the channel {lane.channel} is no longer in the site file")
        if lane.person not in setting.people:
            return Refused(f"{lane.person} is no longer in the site file")
        if not setting.reaches(lane.channel, lane.person):
            return Refused(f"{lane.person} has no address for {lane.channel} in the site file")
        return None

    async def _send(self, row: Row) -> Outcome:
        setting, lane = self._desk.setting(), row.message.lane
        channel = self._channels.get(lane.channel)
        if channel is None:
            return Failed(f"the channel {lane.channel} could not be opened")
        outgoing = compose(
            row.message,
            setting,
            setting.people[lane.person],
            repeat=row.repeat,
            fault=lambda fault: self._log.error("text_fault", message=row.message.id, fault=repr(fault)),
        )
        try:
            async with asyncio.timeout(self._send_s):
                return await channel.send(outgoing)
        except TimeoutError:
            return Failed("gave no answer in its time", maybe_taken=True)
        except Exception as fault:
            self._log.error("channel_fault", channel=lane.channel, fault=repr(fault))
            return Failed(f"a fault of the channel: {type(fault).__name__}", maybe_taken=True)

    def _last_refusal(self, message: Message) -> str:
        """Why the lane refused last; "" when it has taken a message since."""
        lane = self._desk.picture.lanes.get(message.lane.key)
        return lane.why if lane is not None else ""

    async def _settle(self, row: Row, outcome: Outcome, way: str, *, is_tried: bool = True) -> None:
        message, now = row.message, self._desk.wall_ms()
        before, refused_before = row.why, self._last_refusal(message)
        match outcome:
            case Sent(receipt):
                row = replace(row, state="sent", why=receipt[:WHY_CHARACTERS_MAX], changed_at_ms=now)
            case Refused(why):
                row = replace(row, state="refused", why=why[:WHY_CHARACTERS_MAX], changed_at_ms=now)
            case Failed(why, asked_ms, maybe_taken):
                row = replace(
                    row,
                    state="failed",
                    why=why[:WHY_CHARACTERS_MAX],
                    changed_at_ms=now,
                    due_ms=self._desk.steady_ms() + retry_ms(row, asked_ms),
                    repeat=row.repeat or maybe_taken,
                )
        self.counts.add(row)
        if row.state == "failed":
            self._rows[message.id] = row
        else:
            self._rows.pop(message.id, None)
            settle(self._desk.picture, message, refused=way if row.state == "refused" else "", why=row.why)
        reports = [report_of(row)] if row.state != "failed" or row.why != before else []
        if is_tried:
            reports += self._judge(row, refused_before)
        await self._desk.commit(Change(records=self._desk.picture.take_changed(), rows={message.id: row}), reports)

    # The channel's health

    def _judge(self, row: Row, refused_before: str) -> list[BoxReport]:
        """What an attempt says of its channel."""
        channel = row.message.lane.channel
        health = self._health.setdefault(channel, Health())
        is_reminder = bool(row.message.items) and all(item.kind is Kind.REMINDER for item in row.message.items)
        if row.state == "refused" and is_reminder and row.why == refused_before:
            return []  # Offered again and refused again: told as failing when it began.
        if row.state == "refused":
            why = f"{row.message.lane.person}: {row.why}"
            return [BoxReport(ReportKind.DELIVERY_FAILING, channel, why, pulse=True)]
        if row.state == "sent":
            self._health[channel] = Health()
            if channel in self._desk.picture.misc.failing:
                self._hurry(channel)
            return self._changed(channel, "")
        health.failures += 1
        health.since = health.since or monotonic()
        health.why = row.why
        return self._changed(channel, row.why) if health.failures >= FAILING_TIMES else []

    def _hurry(self, channel: str) -> None:
        """The channel works again: what waits for its next attempt need not."""
        now = self._desk.steady_ms()
        for ident, row in self._rows.items():
            if row.message.lane.channel == channel and row.state == "failed" and ident not in self._under_way:
                self._rows[ident] = replace(row, due_ms=now)
        self._woken.set()

    async def _watch(self) -> None:
        """A channel that fails slowly is failing too."""
        for channel, health in list(self._health.items()):
            if health.failures and monotonic() - health.since >= FAILING_S:
                reports = self._changed(channel, health.why)
                if reports:
                    await self._desk.commit(Change(records=self._desk.picture.take_changed()), reports)

    def _changed(self, channel: str, why: str) -> list[BoxReport]:
        """That it fails, or with an empty ``why`` that it works: once at each change."""
        picture = self._desk.picture
        if bool(why) == (channel in picture.misc.failing):
            return []
        picture.fails(channel, why)
        return [BoxReport(ReportKind.DELIVERY_FAILING, channel, why or "messages arrive again", on=bool(why))]


def report_of(row: Row) -> BoxReport:
    """What became of a message, or of its last attempt."""
    kind = ReportKind.DELIVERY_SENT if row.state == "sent" else ReportKind.DELIVERY_FAILED
    lane = row.message.lane
    return BoxReport(kind, f"{lane.channel}/{lane.person}", detail_of(row), pulse=True)


def detail_of(row: Row) -> str:
    """The Report's text: message, thread and attempt for the core, then the other side's words."""
    message = row.message
    said = ["refused"] if row.state == "refused" else []
    said += ["repeat"] if row.repeat else []
    said += [str(message.form)] if row.message.form != "alarm" else []
    said += [row.why] if row.why else []
    return f"{message.id} {message.thread} {row.attempts} {': '.join(said)}".rstrip()
