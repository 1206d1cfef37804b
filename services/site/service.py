"""The site between guard and the log: what comes in is committed, what follows from a commit is told.

    guard link ---- frames, Reports --> Writer --> Runner.commit --+--> ack, lease to guard
    gateway ------- commands ---------->                           +--> views, events, answers
                                                                   +--> tests of outputs to guard

All methods named ``_in_writer`` and everything they call run in the writer's thread, which owns the runner.
Promises: an ack follows a durable commit (while the log is undurable guard's own buffer stays the second copy); a lease
follows a commit of either kind; a command's answer is there before who waits for it wakes.
"""

import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic

from services.processor.runner import Committed, Runner
from services.site import shown as shown_parts
from services.site.answers import POSITION, THROUGH, Answers
from services.site.counts import Counts
from services.site.guard_link import GuardLink
from services.site.shown import NOTHING, Shown
from services.site.tail import Tail
from services.site.writer import Item, Writer
from shared.devices.frame import Frame
from shared.devices.plan import DecisionPlan
from shared.domain import core
from shared.domain.events import Event, EventType
from shared.domain.ids import SITE_ROOM
from shared.domain.inputs import Command, Report
from shared.log.port import Cursor
from shared.runtime.clocks import Clock
from shared.wire.guardlink import Explain, Explained, Hello

LEASE_S = 1.0
SHOW_S = 0.5
GUARD_POSITION = "guard"
TEST_MS = 10_000


@dataclass(frozen=True, slots=True)
class Held:
    """How far the log holds what guard sent, and when guard was last heard; a position of the log."""

    boot: str = ""
    n: int = 0
    at_ms: int = 0

    def to_bytes(self) -> bytes:
        return json.dumps([self.boot, self.n, self.at_ms]).encode()

    @staticmethod
    def from_bytes(data: bytes | None) -> "Held":
        return Held(*json.loads(data)) if data else Held()


class Service:
    """One open site. ``alive`` is called once a turn of the writer."""

    def __init__(self, runner: Runner, clock: Clock, site: str, tail: Tail, alive: Callable[[], None]) -> None:
        self.runner = runner
        self.counts = Counts()
        self.answers = Answers()
        self.tail = tail
        self.shown: Shown = NOTHING
        self.writer = Writer(self._commit_in_writer, self._idle_in_writer)
        self._clock = clock
        self._site = site
        self._alive = alive
        self._link: GuardLink | None = None
        self._held = Held.from_bytes(runner.position(GUARD_POSITION))
        self._before = self._held
        """What was held when this process began: the time guard was away is counted from it."""
        self._acked = self._held.n
        self._demands: dict[str, bool] = {}
        self._leased_at = 0.0
        self._shown_at = 0.0

    def connect(self, link: GuardLink) -> None:
        """From here on leases and acks go there."""
        self._link = link

    # The link's thread

    def held(self, guard_boot: str) -> int:
        held = self._held
        return held.n if held.boot == guard_boot else 0

    def take(self, body: Frame | Report, n: int, guard_boot: str) -> None:
        self.writer.put(Item(body, n, guard_boot))

    def joined(self, hello: Hello) -> None:
        """Guard is there: tell it what the log knows, and give it a lease at once."""
        self._leased_at = 0.0
        self.writer.call(lambda: self._explain_in_writer(hello))

    # Any thread

    def put_command(self, command: Command) -> "Future[Event | None]":
        answer: Future[Event | None] = Future()
        self.writer.put(Item(command, answer=answer))
        return answer

    def report(self, kind: str, subject: str, detail: str, *, on: bool = True, pulse: bool = False) -> None:
        """Something about the box itself, as an input."""
        self.writer.put(Item(Report(kind, f"{self._site}/{SITE_ROOM}/{subject}", on, pulse, detail)))

    def change_rules(self, decision: DecisionPlan, actor: str) -> "Future[None]":
        """The decision version from here on; done when the future is."""
        return self.writer.call(lambda: self._after(self.runner.change_rules(decision, actor)))

    # The writer's thread

    def _commit_in_writer(self, items: list[Item]) -> None:
        positions = self._positions(items)
        self._tell(self.runner.commit([item.body for item in items], positions), items)

    def _positions(self, items: list[Item]) -> dict[str, bytes]:
        positions = {THROUGH: str(self.shown.head_seq).encode()}
        stored = self.answers.to_store()
        if stored is not None:
            positions[POSITION] = stored
        newest = next((item for item in reversed(items) if item.n), None)
        if newest is not None:
            self._held = Held(newest.guard_boot, newest.n, self._clock.wall_ms())
            positions[GUARD_POSITION] = self._held.to_bytes()
        return positions

    def _tell(self, committed: Committed, items: list[Item]) -> None:
        for item in items:
            if isinstance(item.body, Frame):
                self.counts.frame(item.body.device, item.body.age_ms)
            elif isinstance(item.body, Command):
                refusal = committed.refusals.get(item.body.id)
                self.answers.settle(item.body, refusal)
                if refusal is None:
                    self._act(item.body, committed)
                if item.answer is not None and not item.answer.cancelled():
                    item.answer.set_result(refusal)
        self._after(committed)

    def _after(self, committed: Committed) -> None:
        self._lease()
        if committed.durable:
            self._ack()
        cursors = ((Cursor(event.log_id, event.site_seq, event.ordinal), event) for event in committed.events)
        self.tail.extend(cursors, durable=committed.durable)
        self._show(now=bool(committed.events))

    def _act(self, command: Command, committed: Committed) -> None:
        """An accepted test of an output is guard's to do."""
        asked = any(event.type == EventType.TEST_REQUESTED for event in committed.events)
        if self._link is not None and asked and command.subject in self._demands:
            self._link.test(command.subject, command.for_ms or TEST_MS)

    def _ack(self) -> None:
        if self._link is not None and self._held.n != self._acked:
            self._acked = self._held.n
            self._link.ack(self._held.n)

    def _lease(self) -> None:
        """At each change of a demand, and each second."""
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
            tick_ms=head.tick_ms,
            log_id=head.log_id,
            head_seq=head.site_seq,
            decision=self.runner.version,
            undurable=self.runner.undurable,
            alarms=shown_parts.alarm_items(states, at_ms, head.tick_ms),
            points=shown_parts.point_items(states),
            outputs=shown_parts.output_views(states),
        )

    def _idle_in_writer(self) -> None:
        """Once a turn, at least four times a second."""
        committed = self.runner.tick()
        if committed is not None:
            self._after(committed)
        else:
            self._lease()
        self.counts.alive_at = monotonic()
        self._alive()

    def _explain_in_writer(self, hello: Hello) -> None:
        if self._link is None or not hello.asks:
            return
        away = hello.started_at_ms - self._before.at_ms if self._before.at_ms else -1
        items = []
        for state in self.runner.states.values():
            at_limit = shown_parts.gas_at_limit(state)
            items += [Explained(view.id, view.on, at_limit) for view in core.outputs(state) if view.id in hello.asks]
        self._link.explain(Explain(max(-1, away), tuple(items)))
