"""The gateway's port over the running site. Everything read here is a value that the writer's thread has left.

The only work done in the gateway's loop is formatting; reading events older than the tail goes to a thread.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic

from services.gateway.cursors import decode_cursor, encode_cursor
from services.gateway.views import (
    AlarmItem,
    Check,
    CommandAnswer,
    CommandState,
    CursorGone,
    EventItem,
    IdReused,
    OutputItem,
    PointItem,
    Readiness,
    SiteStatus,
    Upkeep,
)
from services.site.answers import Answers, Decided, stored_answer
from services.site.counts import Counts
from services.site.guard_link import GuardState
from services.site.shown import Shown, output_items
from services.site.tail import Tail
from services.site.view_lines import NOT_TOLD_YET, SUPPLEMENTS
from shared.devices.plan import SitePlan
from shared.domain.events import About
from shared.domain.inputs import Command
from shared.log.port import Cursor
from shared.runtime.metrics import MetricValues, Sample

ANSWER_WAIT_S = 5.0
UPKEEP_S = 1.0
"""So long an answer about upkeep is given again: who asks often does not take the writer's time."""
GUARD_SILENT_S = 10.0
LOOP_MS_MAX = 2000
"""An older poll-and-trip loop sends the relay modules nothing any more: then the trip is not ready."""
PROGRAM_SILENT_S = 10.0
"""The writer gives a sign each second; so long without one it is stuck in the disk."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the views look at."""

    plan: Callable[[], SitePlan]
    shown: Callable[[], Shown]
    guard: Callable[[], GuardState]
    counts: Counts
    tail: Tail
    answers: Answers
    put_command: "Callable[[Command], Future[Decided]]"
    position: Callable[[str], bytes | None]
    """A position of the log, read in the gateway's thread."""
    upkeep: "Callable[[], Future[Upkeep]]"
    """Told by the writer's thread, between two groups."""
    mqtt: Callable[[], str]
    version: str
    attempts: Callable[[], Mapping[tuple[str, str], int]] = dict
    """Of the notifier, by channel and result."""
    measured: Callable[[], tuple[Sample, ...]] = tuple
    """What else is measured: ages of deliveries, the uplink."""
    messages: Callable[[], tuple[str, ...]] = tuple
    """What became of the last message by each channel, and of the heartbeat, in words."""


class SiteViews:
    """Implements services.gateway.views.Views."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._upkeep: Upkeep | None = None
        self._upkeep_at = 0.0

    def sites(self) -> frozenset[str]:
        return frozenset({self._parts.plan().decision.site})

    def alarms(self) -> tuple[tuple[AlarmItem, ...], int]:
        shown = self._parts.shown()
        return shown.alarms, shown.as_of_ms

    def points(self) -> tuple[PointItem, ...]:
        return self._parts.shown().points

    def outputs(self) -> tuple[OutputItem, ...]:
        return output_items(self._parts.shown().outputs, self._parts.guard().outputs)

    def status(self) -> SiteStatus:
        shown, plan = self._parts.shown(), self._parts.plan()
        return SiteStatus(
            site=plan.decision.site,
            name=plan.name,
            version=self._parts.version,
            decision=shown.decision,
            log_id=shown.log_id,
            head_seq=shown.head_seq,
            undurable=shown.undurable,
            demo=plan.demo,
            assumed=assumed(plan),
            mqtt=self._parts.mqtt(),
            notes=(SUPPLEMENTS, *self._parts.messages()),
            rooms=tuple(room.id for room in plan.decision.rooms),
            rooms_before=tuple(room.was for room in plan.decision.rooms if room.was),
        )

    def readiness(self) -> Readiness:
        guard, shown = self._parts.guard(), self._parts.shown()
        speaks = guard.connected and monotonic() - guard.heard_at < GUARD_SILENT_S
        why = "" if speaks else "guard is not connected"
        is_fresh = guard.loop_age_ms <= LOOP_MS_MAX
        acts = speaks and guard.ready_at_ms > 0 and guard.ready and is_fresh
        silent = "; ".join(guard.unreachable)
        lacks = "; ".join(guard.not_ready)
        held = guard.outputs
        unarmed = "; ".join(f"{one.id}: {one.armed_reason or 'no record'}" for one in held.values() if not one.armed)
        age = monotonic() - self._parts.counts.alive_at
        checks = {
            "guard": Check(speaks, why or f"pid {guard.pid}"),
            "trip": Check(acts, why or ("polls, decides and can write" if acts else lacks or "starting")),
            "outputs": Check(speaks and not silent, why or silent),
            "armed": Check(bool(held) and not unarmed, unarmed[:2000] if held else NOT_TOLD_YET),
            "log": Check(not shown.undurable, "inputs are not on disk at present" if shown.undurable else ""),
            "writer": Check(age < PROGRAM_SILENT_S, f"last sign of life {age:.0f} s ago"),
        }
        return Readiness(ready=checks["trip"].ok, armed=checks["armed"].ok, checks=checks)

    def metrics(self) -> MetricValues:
        shown, counts, guard = self._parts.shown(), self._parts.counts, self._parts.guard()
        active: dict[str, int] = {}
        for item in shown.alarms:
            if item.state in ("B", "C", "E", "F"):
                active[item.severity] = active.get(item.severity, 0) + 1
        return MetricValues(
            frames_accepted=counts.frames,
            frames_lost=counts.frames_lost + guard.dropped,
            alarms_active=active,
            deadletters=counts.dead_letters,
            trip_armed=self.readiness().armed,
            log_head_sequence=shown.head_seq,
            frame_age_s=counts.frame_age_s(device.id for device in self._parts.plan().decision.devices),
            notify_attempts=self._parts.attempts(),
            more=self._parts.measured(),
        )

    def head(self) -> Cursor | None:
        return self._parts.tail.head

    def cursor_text(self, cursor: Cursor) -> str:
        return encode_cursor(cursor)

    def read_cursor(self, text: str) -> Cursor | None:
        return decode_cursor(text)

    async def read_events(self, cursor: Cursor | None, limit: int) -> tuple[EventItem, ...] | CursorGone:
        return self.events_after(cursor, limit)

    def events_after(self, cursor: Cursor | None, limit: int) -> tuple[EventItem, ...] | CursorGone:
        return self._parts.tail.after(cursor, limit)

    def pass_over(self, cursor: Cursor | None, wanted: Callable[[About], bool]) -> Cursor | None:
        return self._parts.tail.pass_over(cursor, wanted)

    async def wait_for_events(self, cursor: Cursor | None, timeout_s: float) -> bool:
        loop = asyncio.get_running_loop()
        grown = asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(grown.set)

        self._parts.tail.listen(wake)
        try:
            if self._parts.tail.is_behind(cursor):
                return True
            async with asyncio.timeout(timeout_s):
                await grown.wait()
        except TimeoutError:
            return False
        finally:
            self._parts.tail.unlisten(wake)
        return True

    async def submit(self, command: Command) -> CommandAnswer | IdReused:
        answers = self._parts.answers
        known = answers.begin(command)
        if known is False:
            return IdReused(command.id)
        if isinstance(known, CommandAnswer) and known.state is not CommandState.PENDING:
            return known
        if known is True:
            waiting = asyncio.wrap_future(self._parts.put_command(command))
            try:
                async with asyncio.timeout(ANSWER_WAIT_S):
                    decided = await asyncio.shield(waiting)
                if isinstance(decided, IdReused):
                    return decided
            except TimeoutError:
                waiting.cancel()
        return answers.get(command.id) or CommandAnswer(command.id, CommandState.PENDING)

    def command_state(self, command_id: str) -> CommandAnswer | None:
        known = self._parts.answers.get(command_id)
        return known or stored_answer(command_id, self._parts.position(f"command/{command_id}"))

    async def upkeep(self) -> Upkeep | None:
        if self._upkeep is None or monotonic() - self._upkeep_at > UPKEEP_S:
            try:
                async with asyncio.timeout(ANSWER_WAIT_S):
                    # Shielded, because the writer cannot give an answer to a future that was cancelled.
                    self._upkeep = await asyncio.shield(asyncio.wrap_future(self._parts.upkeep()))
            except TimeoutError:
                return None
            self._upkeep_at = monotonic()
        return self._upkeep


def assumed(plan: SitePlan) -> tuple[str, ...]:
    """Channels whose addresses are ours, not the vendor's: never shown as the vendor's."""
    return tuple(
        f"{device.id}.{channel.name}"
        for device in plan.decision.devices
        for channel in device.channels
        if channel.assumed
    )
