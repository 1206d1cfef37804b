"""The processor on the site's log: inputs are numbered, stepped, and committed with their events in one transaction.

    bodies -> mint site_seq, tick_ms -> bytes -> fold (step per room) -> events -> group -> journal -> log

Promises: what ``commit`` returns with ``durable`` is in an fsynced transaction; the states are the fold of the inputs,
also after a restart; the same command id again gives the same answer and makes no second input. ``offer`` steps at
once, so that it is known whether somebody waits for the commit; nothing of it may be acted on before that. While the
disk takes nothing it goes on undurable (shared.log.journal), says so as a Report, and writes what it holds as soon as
it can.
Raises: LogDamaged when the log, opened again after trouble, is not what was written (end the process: its next start
sets the log aside); LogNewer and Busy from ``open``.
Synchronous, one thread. Housekeeping is done in ``tick``, which wants to be called four times a second: Ticks for
silent rooms, a snapshot an hour or every 20,000 inputs, retention, packing; one bounded piece a call.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from secrets import token_hex

from services.processor import opening
from services.processor.committed import Committed, committed_from
from services.processor.fold import Fold
from services.processor.keeping import Keeping, Sent, no_fleet
from services.processor.repeats import Repeats, decode_answer, encode_answer, place
from services.processor.restore import CLOSED, restore
from services.processor.taker import Offered, Taken, Taker, Unreadable
from shared.devices.plan import DecisionPlan, LogLimits
from shared.domain import core
from shared.domain.errors import LogDamaged, LogError, LogFull
from shared.domain.ids import SITE_ROOM
from shared.domain.inputs import Command, ReportKind, Start, Tick
from shared.domain.state import RoomState
from shared.log.chain import states_hash
from shared.log.journal import Journal
from shared.log.port import Folding, Group, Head, InputRow, Log, Reading
from shared.log.sequencer import Minted, Moment, Sequencer
from shared.log.steps import Step, no_step
from shared.log.store import Store
from shared.runtime.clocks import Clock
from shared.wire.anchors import encode_anchor
from shared.wire.events import stamp
from shared.wire.inputs import RuleSet, WireBody, decode_input, report
from shared.wire.plans import decision_version, encode_decision

TICK_MS = 1_000
SNAPSHOT_MS = 3_600_000
SNAPSHOT_INPUTS = 20_000
DISK_CHECK_MS = 10_000
TIDY_MS = 1_000
"""20 ms of packing a second: half a MiB of records, 40 GiB a day."""
MIB = 1 << 20
NOT_SYNCED = False

__all__ = ["Committed", "Runner", "Unreadable"]


class Runner:
    """See the module. ``open`` first, ``close`` last."""

    def __init__(
        self,
        store: Store,
        decision: DecisionPlan,
        clock: Clock,
        *,
        limits: LogLimits | None = None,
        new_id: Callable[[], str] = lambda: token_hex(16),
        step: Step = no_step,
        sent: Sent = no_fleet,
    ) -> None:
        self._store = store
        self._decision = decision
        self._clock = clock
        self._limits = limits or LogLimits()
        self._new_id = new_id
        self._step = step
        self._sent = sent
        self._bodies = {self._version_of(decision): encode_decision(decision)}
        self.version = self._version_of(decision)
        self.log_id = ""
        self.undurable = False
        self._aside: Callable[[Sequence[Group]], Log] | None = None
        self._last_input: dict[str, int] = {}
        self._since_snapshot = 0
        self._next_snapshot = self._next_disk = self._next_tidy = 0
        self._disk_low = False
        self._is_damaged = False
        self._durable_seq = 0
        self._pending: list[Committed] = []
        self._open = Taken()
        """Numbered and stepped, not committed yet."""
        self._repeats = Repeats()
        self._moment = Moment(0, 0, NOT_SYNCED, "")
        """When the newest inputs were taken."""

    @staticmethod
    def _version_of(decision: DecisionPlan) -> str:
        return str(decision_version(encode_decision(decision)))

    def open(self, boot: str, on_recovered: opening.Recovered | None = None) -> Committed:
        """Restores the state and writes the Start."""
        opened = self._store.open()
        found = opening.look(opened)
        self._bodies = {**found.rulesets, **self._bodies}
        if opened.last is not None and opened.last is not opened.log:
            opened.last.close()
        log = opened.log if found.damage is None else None
        self._journal = Journal(log, self._open_log, self._store)
        self._keeping = Keeping(self._store, self._limits, self._subject("log"), self._sent)
        self._journal.trouble = str(opened.trouble or "")
        now = self._now()
        self._sequencer = Sequencer.resume(found.start_after, found.anchor, now)
        self._durable_seq = found.restored.site_seq
        self.log_id = self._new_id()
        fold = opening.fold_for(found)
        fold.rulesets = self._ruleset
        start = opening.start_body(found, self.log_id, boot)
        bodies = opening.first_bodies(found, start, self.version, self._first_reports(found))
        self._taker = Taker(fold, self._mint, self._rebuild)
        self._since_snapshot = found.restored.since_snapshot
        kept = opening.kept_with(start, found, self._journal.position, on_recovered)
        first = self._append(bodies, kept, rulesets=self._bodies_for(bodies))
        self._store.take_ballast()
        self._write_head()
        tick = self._sequencer.tick_ms
        self._next_snapshot = tick + SNAPSHOT_MS
        self._last_input = dict.fromkeys(self.states, tick)
        self._disk_low = self._is_told(ReportKind.DISK_LOW)
        if not self.undurable and self._is_told(ReportKind.LOG_UNDURABLE):
            self._append([self._undurable_report(on=False)])
        return self._all(first)

    def _is_told(self, kind: ReportKind) -> bool:
        """Whether the last Report of this kind that the log holds said that it is so."""
        box = self.states.get(SITE_ROOM)
        views = core.alarms(box) if box is not None else ()
        return any(view.rule == kind.value and view.condition == "true" for view in views)

    def _first_reports(self, found: opening.Found) -> list[WireBody]:
        reports: list[WireBody] = []
        subject = self._subject("log")
        if found.damage is not None:
            name = self._aside_name()
            follows, after = found.follows, found.start_after
            self._aside = lambda groups: self._store.replace(after, follows, name, groups)
            reports.append(opening.damage_report(found, subject, name))
        reports += [report(ReportKind.LOG_DAMAGED, subject, pulse=True, detail=note) for note in found.notes]
        if self._sequencer.clock_fault:
            detail = self._sequencer.clock_fault
            reports.append(report(ReportKind.CLOCK_STEP, self._subject("clock"), pulse=True, detail=detail))
        return reports

    def _aside_name(self) -> str:
        return "damaged-" + stamp(self._clock.wall_ms()).replace(":", "").replace(".", "")

    def _open_log(self, groups: Sequence[Group], *, is_tight: bool = False) -> Log:
        """The log again, with these groups written; a damaged one is first set aside."""
        if self._aside is None:
            return self._store.reopen(groups, is_tight=is_tight)
        if is_tight:
            raise LogFull("the damaged log is not set aside yet")
        log = self._aside(groups)
        self._aside = None
        return log

    def _bodies_for(self, bodies: Sequence[WireBody]) -> dict[str, bytes]:
        return {body.version: self._bodies[body.version] for body in bodies if isinstance(body, RuleSet)}

    def _subject(self, part: str) -> str:
        return f"{self._decision.site}/{SITE_ROOM}/{part}"

    @property
    def states(self) -> dict[str, RoomState]:
        """The rooms as they are now; not to be kept over the next call."""
        return self._taker.fold.states

    @property
    def head(self) -> Head:
        """Where the log stands, durable or not; the hash is that of the durable part."""
        log = self._journal.log
        if log is not None:
            return log.head()
        return Head(self.log_id, self._sequencer.site_seq, self._sequencer.tick_ms, self._clock.wall_ms(), b"")

    def reader(self) -> Reading | None:
        """A reader for one other thread; None while the log cannot be opened."""
        log = self._journal.log
        return None if log is None else log.reader()

    def position(self, name: str) -> bytes | None:
        return self._journal.position(name)

    def offer(self, bodies: Sequence[Offered]) -> bool:
        """Numbers and steps the bodies behind what was offered before; True when somebody waits for the commit."""
        self._take(bodies)
        return self._open.is_urgent or self._repeats.any

    def commit(self, bodies: Sequence[Offered] = (), positions: Mapping[str, bytes] | None = None) -> Committed:
        """One group: all that was offered and these, with their events; durable on return or (said so) undurable."""
        self._take(bodies)
        again, self._repeats = self._repeats, Repeats()
        if self._open.inputs:
            made = self._all(self._append((), positions))
        else:
            made = Committed(0, 0, (), (), self._keep_positions(positions or {}), {})
        answers = {**again.answers, **made.answers}
        return made._replace(answers=answers, repeated=frozenset(again.answers), reused=frozenset(again.reused))

    def _keep_positions(self, positions: Mapping[str, bytes]) -> bool:
        """Positions without an input; True when they are durable."""
        if not positions:
            return not self.undurable
        return self._journal.append(Group((), (), positions=dict(positions)), self._now().mono_ms)

    def _is_repeat(self, body: Offered) -> bool:
        if not isinstance(body, Command):
            return False
        before, stored = self._open.answers.get(body.id), self._journal.position(place(body.id))
        if before is None and stored is not None:
            before = decode_answer(stored)
        if before is not None:
            self._repeats.note(body, before)
        return before is not None

    def _close_group(self) -> None:
        """What was offered is a group of its own before anything else is begun."""
        if self._open.inputs:
            self._pending.append(self._append(()))

    def change_rules(self, decision: DecisionPlan, actor: str) -> Committed:
        """The decision version from here on; nothing happens when it is the present one."""
        self._close_group()
        version = self._version_of(decision)
        self._decision = decision
        if version == self.version:
            return Committed(0, 0, (), (), not self.undurable, {})
        self._bodies = {self.version: self._bodies[self.version], version: encode_decision(decision)}
        self.version = version
        body = RuleSet(version, actor)
        made = self._append([body], rulesets=self._bodies_for([body]))
        tick = self._sequencer.tick_ms
        self._last_input = {room: self._last_input.get(room, tick) for room in self.states}
        return self._all(made)

    def tick(self) -> Committed | None:
        """What time brings: Ticks, checks of clock and disk, retries, and one piece of housekeeping."""
        self._close_group()
        now = self._now()
        tick_ms = self._sequencer.time(now)
        bodies: list[WireBody] = [
            Tick(room) for room, last in self._last_input.items() if tick_ms - last >= TICK_MS and room in self.states
        ]
        step = self._sequencer.wall_step(now)
        if step:
            detail = f"the wall clock stepped by {step} ms"
            bodies.append(report(ReportKind.CLOCK_STEP, self._subject("clock"), pulse=True, detail=detail))
        if tick_ms >= self._next_disk:
            self._next_disk = tick_ms + DISK_CHECK_MS
            bodies += self._disk_reports()
        made = self._append(bodies) if bodies else None
        if self.undurable:
            self._try_again(now)
        else:
            kept = self._keep_house(tick_ms)
            self._pending += [] if kept is None else [kept]
        return self._all(made) if made is not None or self._pending else None

    def _disk_reports(self) -> list[WireBody]:
        free, low = self._store.free_bytes(), self._limits.disk_low_mib * MIB
        self._store.take_ballast()
        is_low = free < (low * 5 // 4 if self._disk_low else low)
        if is_low == self._disk_low:
            return []
        self._disk_low = is_low
        return [report(ReportKind.DISK_LOW, self._subject("disk"), on=is_low, detail=f"{free // MIB} MiB are free")]

    def _keep_house(self, tick_ms: int) -> Committed | None:
        if self._since_snapshot >= SNAPSHOT_INPUTS or tick_ms >= self._next_snapshot:
            return self.snapshot()
        log = self._journal.log
        if log is None or self._is_damaged:
            return None
        try:
            due = self._keeping.due(log, tick_ms)
            if due is not None:
                return self._append([due.report], folding=due.folding)
            if tick_ms >= self._next_tidy:
                self._next_tidy = tick_ms + TIDY_MS
                log.tidy()
        except LogDamaged as damage:
            return self._leave_alone(damage)
        except LogFull:
            self._next_tidy = tick_ms + DISK_CHECK_MS
        except LogError:
            self._journal.suspect()
        return None

    def _leave_alone(self, damage: LogDamaged) -> Committed:
        """An old record is not what was written: said once a start, and nothing is packed or deleted any more."""
        self._is_damaged = True
        detail = f"{damage}; nothing older is packed or deleted until the log is set aside by hand"
        return self._append([report(ReportKind.LOG_DAMAGED, self._subject("log"), pulse=True, detail=detail)])

    def snapshot(self, why: str = "") -> Committed | None:
        """Keeps the whole state, and its hash as a Report; None while undurable."""
        self._close_group()
        if self.undurable:
            return None
        states = self._taker.fold.snapshot()
        detail = f"{self._sequencer.site_seq} {states_hash(states).hex()} {why}".rstrip()
        self._since_snapshot = 0
        self._next_snapshot = self._sequencer.tick_ms + SNAPSHOT_MS
        body = report(ReportKind.SNAPSHOT, self._subject("log"), pulse=True, detail=detail)
        made = self._append([body], snapshots=states)
        self._write_head()
        return made

    def close(self) -> None:
        """A clean stop: the state is kept, so the next start has nothing to fold."""
        self.snapshot(CLOSED)
        self._journal.close()
        self._store.close()

    # How a group is made and kept

    def _append(
        self,
        bodies: Sequence[Offered],
        positions: Mapping[str, bytes] | None = None,
        *,
        rulesets: Mapping[str, bytes] | None = None,
        snapshots: Mapping[str, bytes] | None = None,
        folding: Folding | None = None,
    ) -> Committed:
        """Takes the bodies, appends their group, and says so when that changed what can be kept."""
        taken, durable = self._put(bodies, positions or {}, rulesets, snapshots, folding)
        if durable == self.undurable:
            self._tell_change(durable=durable)
        elif self.undurable and self._journal.wants_checkpoint(self._now().mono_ms):
            self._checkpoint()
        return committed_from(taken, durable=durable)

    def _put(
        self,
        bodies: Sequence[Offered],
        positions: Mapping[str, bytes],
        rulesets: Mapping[str, bytes] | None = None,
        snapshots: Mapping[str, bytes] | None = None,
        folding: Folding | None = None,
        *,
        is_checkpoint: bool = False,
    ) -> tuple[Taken, bool]:
        self._step("before append")
        self._take(bodies)
        taken, self._open = self._open, Taken()
        if any(isinstance(body, Start) for body in bodies):
            taken.log_id = self.log_id
        group = taken.group({**positions, **self._own_positions(taken)}, rulesets or {})
        if snapshots or folding:
            group = replace(group, snapshots=dict(snapshots or {}), folding=folding)
        durable = self._journal.append(group, self._moment.mono_ms, is_checkpoint=is_checkpoint)
        if durable:
            self._durable_seq = self._sequencer.site_seq
        self._since_snapshot += len(taken.inputs)
        self._last_input.update(dict.fromkeys(taken.rooms & self._last_input.keys(), self._sequencer.tick_ms))
        self._step("before acting")
        return taken, durable

    def _take(self, bodies: Sequence[Offered]) -> None:
        """Into the open group. Each is asked about when its turn comes: it may repeat the one before it."""
        if bodies:
            self._moment = self._now()
            self._taker.take((body for body in bodies if not self._is_repeat(body)), self.log_id, self._open)

    def _own_positions(self, taken: Taken) -> dict[str, bytes]:
        now = self._moment
        anchor = encode_anchor(self._sequencer.tick_ms, now.wall_ms, now.mono_ms, now.boot)
        answers = {place(name): encode_answer(answer) for name, answer in taken.answers.items()}
        return {opening.CLOCK_POSITION: anchor, **answers}

    def _tell_change(self, *, durable: bool) -> None:
        """The log has just become undurable, or durable again: that is an input too."""
        self.undurable = not durable
        body = self._undurable_report(on=not durable)
        taken, now_durable = self._put([body], {})
        self._pending.append(committed_from(taken, durable=now_durable))
        if now_durable == self.undurable:
            self._tell_change(durable=now_durable)
        elif self.undurable:
            self._checkpoint()

    def _undurable_report(self, *, on: bool) -> WireBody:
        detail = self._journal.trouble if on else "what was kept in memory is written"
        return report(ReportKind.LOG_UNDURABLE, self._subject("log"), on=on, detail=detail)

    def _checkpoint(self) -> None:
        """Resyncs in the ring: what is older may go, replay can start again here."""
        bodies = opening.resyncs(self._taker.fold, "undurable", self._durable_seq + 1, self._sequencer.site_seq)
        taken, durable = self._put(bodies, {}, is_checkpoint=True)
        self._pending.append(committed_from(taken, durable=durable))
        if durable:
            self._tell_change(durable=durable)

    def _try_again(self, now: Moment) -> None:
        if self._journal.retry_due(now.mono_ms) and self._journal.retry(now.mono_ms):
            self._durable_seq = self._sequencer.site_seq
            self._tell_change(durable=True)

    def _all(self, first: Committed | None) -> Committed:
        """What the call put in by itself, and what followed from it."""
        parts = [part for part in (first, *self._pending) if part is not None and part.last_seq]
        self._pending = []
        if not parts:
            return Committed(0, 0, (), (), not self.undurable, {})
        parts.sort(key=lambda part: part.first_seq)
        return Committed(
            parts[0].first_seq,
            parts[-1].last_seq,
            tuple(event for part in parts for event in part.events),
            tuple(cursor for part in parts for cursor in part.cursors),
            all(part.durable for part in parts) and not self.undurable,
            {name: answer for part in parts for name, answer in part.answers.items()},
        )

    def _mint(self) -> Minted:
        return self._sequencer.mint(self._moment)

    def _now(self) -> Moment:
        clock = self._clock
        return Moment(clock.monotonic_ms(), clock.wall_ms(), clock.synced(), clock.boot())

    def _ruleset(self, version: str) -> bytes | None:
        return self._bodies.get(version) or self._journal.ruleset(version)

    def _rebuild(self, before: Sequence[InputRow]) -> Fold:
        """The fold again, from the log and what is not in it yet."""
        log = self._journal.committed
        if log is None:
            raise LogError("the state cannot be made again while the log cannot be read")
        fold = restore(log, self._ruleset).fold
        for row in (*self._journal.waiting(), *before):
            fold.apply(decode_input(row.data))
        return fold

    def _write_head(self) -> None:
        log = self._journal.log
        if log is not None:
            self._store.write_head(log.head())
