"""The site between guard and the log: what comes in is committed, what follows from a commit is told.

    guard link ---- frames, Reports --> Writer --> Runner.commit --+--> ack, lease to guard
    gateway ------- commands ---------->                           +--> views, events, answers
                                                                   +--> tests of outputs to guard

All methods named ``_in_writer`` and everything they call run in the writer's thread, which owns the runner.
Promises: an ack follows a durable commit (while the log is undurable guard's own buffer stays the second copy); a lease
follows a commit of either kind; a command's answer is there before who waits for it wakes.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from time import monotonic
from typing import TYPE_CHECKING

from services.gateway.views import IdReused, Upkeep
from services.processor.opening import GUARD_POSITION, KNOWN_POSITION
from services.processor.runner import Committed, Runner
from services.site import shown as shown_parts
from services.site.answers import Answers, Decided
from services.site.backup.mark import RestoredMark
from services.site.counts import Counts
from services.site.explaining import Explaining, Held
from services.site.guard_link import GuardLink, Source
from services.site.log_time import LogTime
from services.site.loss_mark import Life, LossMark, lost, not_known
from services.site.reader import LogReader
from services.site.shown import NOTHING, Shown
from services.site.tail import Tail
from services.site.traces import SiteTraces
from services.site.upkeep_items import upkeep
from services.site.writer import InputBody, Item, Writer
from shared.devices.frame import Frame
from shared.devices.plan import DecisionPlan
from shared.domain import core
from shared.domain.events import EventType
from shared.domain.ids import SITE_ROOM
from shared.domain.inputs import Command, Report, ReportKind
from shared.domain.state import RoomState
from shared.runtime.clocks import Clock
from shared.runtime.logging import logger
from shared.runtime.undurable_events import Handing
from shared.wire.events import encode_event
from shared.wire.guardlink import Explain, Hello
from shared.wire.inputs import report

if TYPE_CHECKING:
    from services.site.hosted_link import HostedLink

LEASE_S = 1.0
SHOW_S = 0.5
KEEP_S = 1.0
NEVER_MS = 10 * 365 * 86_400_000
"""A folder without any history: no guard was here for longer than any watchdog, so what is on is the power-up state."""


def _ended(first: Committed, how: str) -> bool:
    """Whether the log before this Start ended so: "clean stop", "not clean stop"."""
    return any(event.type == EventType.LOG_STARTED and event.reason.endswith(f", {how}") for event in first.events)


class Service:
    """One site. ``open`` first; ``alive`` is called once a turn of the writer, ``ring`` after each group."""

    def __init__(
        self,
        runner: Runner,
        clock: Clock,
        site: str,
        *,
        time: LogTime,
        read: LogReader,
        mark: LossMark,
        handing: Handing,
        restored: RestoredMark,
        alive: Callable[[], None],
        ring: Callable[[], None],
        traces: SiteTraces,
    ) -> None:
        self.runner = runner
        self.counts = Counts()
        self.answers = Answers()
        self.tail = Tail(read)
        self.shown: Shown = NOTHING
        self.durable_seq = 0
        """Last input that is in the log."""
        self.writer = Writer(self._offer_in_writer, self._commit_in_writer, self._idle_in_writer)
        self._clock = clock
        self._time = time
        """The runner's."""
        self._site = site
        self._alive = alive
        self._ring = ring
        self._mark = mark
        self._handing = handing
        self._traces = traces
        self._restored = restored
        self._link: GuardLink | HostedLink | None = None
        self._held = Held()
        self._acked = 0
        self._is_fresh = False
        self._last_log_id = ""
        self._explaining = Explaining()
        self._kept: dict[str, bytes] = {}
        self._keeping = threading.Lock()
        self._kept_at = 0.0
        self._demands: dict[str, bool] = {}
        self._leased_at = 0.0
        self._shown_at = 0.0

    def open(self, boot: str, wanted: Sequence[str] = ()) -> dict[str, bytes | None]:
        """Restore the state, write the Start, begin to write. Gives the positions that are wanted: from here on the
        runner is the writer's alone. Raises what Runner.open does."""
        first = self.runner.open(boot, self._remember)
        head = self.runner.head
        self.durable_seq = first.first_seq - 1
        self.tail.begin(self.runner.log_id, first.first_seq - 1 if first.first_seq else head.site_seq)
        self._acked = self._held.n
        self._is_fresh = first.first_seq == 1
        told = [self._tell_losses(first), self._tell_restored()]
        self._after(first)
        for committed in told:
            if committed is not None:
                self._after(committed)
        stored = {name: self.runner.position(name) for name in wanted}
        self.writer.start()
        return stored

    def end(self, seconds: float) -> None:
        """Finish what is queued, and close the log. A writer that is not done by then, because the disk holds it, keeps
        the log: whoever closed it under that thread could end the process in the midst of a commit. The next start is
        then one after a kill."""
        self.writer.end(seconds)
        if self.writer.is_alive():
            logger().error("writer_stuck", after_s=seconds)
        else:
            self.runner.close()

    def _remember(
        self, states: Mapping[str, RoomState], position: Callable[[str], bytes | None], *, clean: bool
    ) -> dict[str, bytes]:
        self._last_log_id = next((state.log_id for state in states.values()), "")
        self._held = Held.from_bytes(position(GUARD_POSITION))
        kept = position(KNOWN_POSITION)
        return {KNOWN_POSITION: self._explaining.recover(states, self._held, kept, after_clean_stop=clean)}

    def _tell_losses(self, first: Committed) -> Committed | None:
        """What an undurable life before this one has decided upon and the log does not have."""
        last_seq = first.first_seq - 1
        sentences = lost(self._mark.open(), self._last_log_id, last_seq)
        if not sentences and not self._mark.readable and _ended(first, "not clean stop"):
            sentences = (not_known(last_seq),)
        if not sentences:
            return None
        subject = f"{self._site}/{SITE_ROOM}/lost"
        return self.runner.commit(
            [report(ReportKind.LOG_UNDURABLE, subject, pulse=True, detail=text) for text in sentences]
        )

    def _tell_restored(self) -> Committed | None:
        """That this log came from a backup, until the log itself has it."""
        restored = self._restored.read()
        if restored is None:
            return None
        subject = f"{self._site}/{SITE_ROOM}/log"
        body = report(ReportKind.LOG_RESTORED, subject, pulse=True, detail=restored.sentence())
        committed = self.runner.commit([body])
        if committed.durable:
            self._restored.remove()
        return committed

    def connect(self, link: "GuardLink | HostedLink") -> None:
        """From here on leases and acks go there."""
        self._link = link

    # The link's thread

    def held(self, guard_boot: str) -> int:
        held = self._held
        return held.n if held.boot == guard_boot else 0

    def take(self, body: Frame | Report, source: Source) -> None:
        self.writer.put(Item(body, source))

    def joined(self, hello: Hello) -> None:
        """Guard is there: tell it what the log knows, and give it a lease at once."""
        self.writer.call(lambda: self._greet_in_writer(hello))

    # Any thread

    def put_command(self, command: Command) -> "Future[Decided]":
        answer: Future[Decided] = Future()
        self.writer.put(Item(command, answer=answer))
        return answer

    def report(self, kind: ReportKind, part: str, detail: str, *, on: bool = True, pulse: bool = False) -> None:
        """Something about the box itself, as an input."""
        subject = f"{self._site}/{SITE_ROOM}/{part}"
        self.writer.put(Item(report(kind, subject, on=on, pulse=pulse, detail=detail)))

    def keep_position(self, name: str, value: bytes) -> None:
        """Put a reader's position into one of the next transactions."""
        with self._keeping:
            self._kept[name] = value

    def change_rules(self, decision: DecisionPlan, actor: str) -> "Future[None]":
        """The decision version from here on; done when the future is."""
        return self.writer.call(lambda: self._after(self.runner.change_rules(decision, actor)))

    def upkeep(self) -> "Future[Upkeep]":
        """What is built in and what is due now."""
        return self.writer.call(self._upkeep_in_writer)

    def record(self, reports: Sequence[Report], name: str, position: bytes) -> "Future[None]":
        """Reports and the position of who read as far as them, in one transaction."""
        return self.writer.call(lambda: self._after(self.runner.commit(reports, {name: position})))

    # The writer's thread

    def _upkeep_in_writer(self) -> Upkeep:
        now_ms = self._clock.wall_ms()
        return upkeep(self.runner.states, now_ms, now_ms)

    def _offer_in_writer(self, item: Item) -> bool:
        if item.source is None:
            return self.runner.offer((item.body,))
        self._explaining.taking(item.source.boot, self._held, self.runner.states)
        return self.runner.offer((self._timed(item.body, item.source),))

    def _timed(self, body: InputBody, source: Source) -> InputBody:
        """While the log goes through a pause its time is that of what comes, and so is a frame's age."""
        now = self._time.take(source.made_ms)
        if self._time.is_behind and isinstance(body, Frame) and source.made_ms >= 0:
            return body._replace(age_ms=max(0, now - source.made_ms))
        return body

    def _commit_in_writer(self, items: list[Item]) -> None:
        positions = self._take_kept()
        newest = next((item.source for item in reversed(items) if item.source is not None), None)
        if newest is not None:
            held = Held(newest.boot, newest.n, self._clock.wall_ms())
            positions[GUARD_POSITION] = held.to_bytes()
        committed = self.runner.commit((), positions)
        if newest is not None:
            self._held = held
        self._settle(items, committed)
        self._after(committed)

    def _take_kept(self) -> dict[str, bytes]:
        self._kept_at = monotonic()
        with self._keeping:
            taken, self._kept = self._kept, {}
        return taken

    def _settle(self, items: list[Item], committed: Committed) -> None:
        for item in items:
            if isinstance(item.body, Frame):
                self.counts.frame(item.body, self._clock.wall_ms())
            elif isinstance(item.body, Command):
                decided = self._decided(item.body, committed)
                if item.answer is not None and item.answer.set_running_or_notify_cancel():
                    item.answer.set_result(decided)

    def _decided(self, command: Command, committed: Committed) -> Decided:
        if command.id in committed.reused:
            self.answers.forget(command)
            return IdReused(command.id)
        answer = committed.answers[command.id]
        self.answers.settle(command, answer)
        return answer

    def _after(self, committed: Committed) -> None:
        self._lease()
        if committed.durable:
            self.durable_seq = committed.last_seq or self.durable_seq
            self._ack()
        self._keep_mark()
        if committed.events and not committed.durable:
            self._handing.put([encode_event(event) for event in committed.events])
        self._ring()
        self.counts.note(committed.events)
        self._traces.take(committed.events)
        self.tail.extend(committed.cursors, committed.events, durable=committed.durable)
        self._show(now=bool(committed.events))

    def _keep_mark(self) -> None:
        if not self.runner.undurable:
            self._mark.clear()
            self._handing.end()
        elif self.runner.head.site_seq > self.durable_seq:
            self._mark.note(Life(self.runner.log_id, self.durable_seq, self.runner.head.site_seq))

    def _ack(self) -> None:
        if self._link is not None and self._held.n != self._acked:
            self._acked = self._held.n
            self._link.ack(self._held.n)

    def _lease(self) -> None:
        """At each change of a demand, and each second; none from a state that is known to be old."""
        if self._time.is_behind:
            return
        demands = {view.id: view.on for state in self.runner.states.values() for view in core.outputs(state)}
        if self._link is None or (demands == self._demands and monotonic() - self._leased_at < LEASE_S):
            return
        self._demands, self._leased_at = demands, monotonic()
        self._link.lease(demands)

    def _show(self, *, now: bool) -> None:
        if not now and monotonic() - self._shown_at < SHOW_S:
            return
        self._shown_at = monotonic()
        head, states, at_ms = self.runner.head, self.runner.states, self._clock.wall_ms()
        self.shown = Shown(
            as_of_ms=at_ms,
            log_id=head.log_id,
            head_seq=head.site_seq,
            decision=self.runner.version,
            undurable=self.runner.undurable,
            tick_ms=head.tick_ms,
            alarms=shown_parts.alarm_items(states, at_ms, head.tick_ms),
            points=shown_parts.point_items(states),
            outputs=shown_parts.output_views(states),
        )

    def _idle_in_writer(self) -> None:
        """Once a turn, at least four times a second."""
        committed = self.runner.tick()
        if self._kept and monotonic() - self._kept_at >= KEEP_S:
            self.runner.commit((), self._take_kept())
        if committed is not None:
            self._after(committed)
        else:
            self._lease()
            self._show(now=False)
        self.counts.alive_at = monotonic()
        self._alive()

    def _greet_in_writer(self, hello: Hello) -> None:
        """A guard process that is new to the log asks what it may have found on."""
        self._leased_at = 0.0
        known = self._explaining.told(hello.boot, self._held, self.runner.states)
        if known is not None and self._link is not None:
            never_ms = NEVER_MS if self._is_fresh else -1
            away_ms = max(0, hello.started_at_ms - known.heard_at_ms) if known.heard_at_ms else never_ms
            self._link.explain(Explain(away_ms, known.outputs))
        self._lease()
