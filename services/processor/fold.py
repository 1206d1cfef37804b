"""Room states as a fold over inputs: what routes an input to its rooms and gives it to step().

The one place where runner, restore, replay and verify meet, so that they cannot differ. A frame goes to the rooms of
its device, a command or Report to the room in its subject (a site-wide one to every room, any other to the box's own),
a Start or rule set to all. A room that a rule set no longer has goes on with an empty plan, and its numbers with it.

After a hole in site_seq (inputs lost while undurable, DESIGN.md section 4) no room is stepped until its Resync.
Promises: the same inputs give the same events. Raises WireError or LogDamaged for a rule set whose body is not there.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import assert_never

from shared.devices.columns import ScanDecoder
from shared.devices.frame import Frame, FrameRun
from shared.devices.plan import DecisionPlan
from shared.domain import core, runs
from shared.domain.errors import LogDamaged
from shared.domain.events import Event
from shared.domain.ids import SITE_ROOM
from shared.domain.inputs import Body, Command, Entry, Report, Resync, Rules, Start, Tick, Undecodable, What
from shared.domain.plan import RoomPlan
from shared.domain.state import RoomState
from shared.log.port import Snapshot
from shared.wire.event_lines import EventLines
from shared.wire.events import encode_event
from shared.wire.frame_runs import decode_run
from shared.wire.inputs import Input, RuleSet, decode_input
from shared.wire.linking import behind_lengths
from shared.wire.plans import decode_decision
from shared.wire.rows import InputRow
from shared.wire.states import decode_state, encode_state
from shared.wire.uncut import Inputs

DECISION = ""
"""The name under which a snapshot keeps the decision version; no room is called so."""

SITE_WIDE = frozenset({What.ACK, What.RESET, What.SILENCE, What.MAINTENANCE, What.IN_SERVICE})
"""Commands that may name the whole site; any other means one alarm, output or jar."""

RUN_MIN = 4
"""Fewer frames are not worth being taken together."""

RuleSets = Callable[[str], bytes | None]


class Fold:
    """The rooms of one site. Owns their states: nobody else may keep a reference over ``apply``."""

    def __init__(self, rulesets: RuleSets) -> None:
        self.rulesets = rulesets
        self.states: dict[str, RoomState] = {}
        self.decision: DecisionPlan | None = None
        self.version = ""
        self.log_id = ""
        self.site_seq = 0
        self.tick_ms = 0
        self.lost: set[str] = set()
        """Rooms whose state is not known since a hole, until their Resync."""
        self._is_blind = False
        """The log begins after another that was set aside: its rooms come with a Resync each."""
        self._devices: dict[str, tuple[ScanDecoder, tuple[str, ...]]] = {}
        self._lines: dict[str, EventLines] = {}
        """By room."""

    def apply(self, entry: Input) -> list[Event]:
        """The events of one input, over all its rooms, in order."""
        if self.site_seq == 0:
            self._is_blind = isinstance(entry.body, Start) and entry.body.previous_log_id != ""
        elif entry.site_seq != self.site_seq + 1:
            self.lost = set(self.states)
        self.site_seq = entry.site_seq
        self.tick_ms = entry.tick_ms
        body = entry.body
        match body:
            case Frame():
                return self._frame(entry, body)
            case Tick(room=room):
                return self._step([room], entry, body)
            case Report() | Command():
                return self._step(self.rooms_of(body), entry, body)
            case RuleSet():
                return self.change_rules(entry, body)
            case Start():
                self.log_id = body.log_id
                return self._step(list(self.states), entry, body)
            case Resync(room=room):
                self.lost.discard(room)
                return self._step([room], entry, body)
            case Undecodable():
                return self._step([SITE_ROOM], entry, body)
            case _:
                assert_never(body)

    def apply_all(self, rows: Sequence[InputRow]) -> Iterator[tuple[int, bytes]]:
        """The events of inputs that follow one another, as :meth:`apply` gives them one by one; in parts, and quicker.

        They come as so many, and their bytes behind lengths (shared.wire.linking): most are never anything else.
        After each part ``lost`` says which rooms' states are not known.
        """
        inputs, at = Inputs.of(rows), 0
        while at < len(inputs):
            entry = decode_input(inputs.data(at))
            found = self._run(entry, inputs, at)
            if found is None:
                yield _written(self.apply(entry))
                at += 1
            else:
                run, runner = found
                yield from self._apply_run(run, runner, inputs, at)
                at += run.frames

    def _run(self, entry: Input, inputs: Inputs, at: int) -> tuple[FrameRun, runs.Runner] | None:
        """The run that begins with this input, which stands at this place, when there is one and it is worth it."""
        if not isinstance(entry.body, Frame) or self.lost or entry.site_seq != self.site_seq + 1:
            return None
        device = entry.body.device
        decoder, rooms = self._devices.get(device, (None, ()))
        state = self.states.get(rooms[0]) if len(rooms) == 1 else None
        if decoder is None or state is None or not runs.can_take(state, device):
            return None
        run = decode_run(inputs, at)
        values = None if run is None else decoder.decode_run(run)
        if run is None or values is None or len(values) < RUN_MIN:
            return None
        run = run.shortened(len(values))
        place = run.device, run.boot, run.log_id, run.site_seq, run.device_seq
        scans = runs.Run(*place, run.ticks, run.stamps, run.sampled_at, run.ages, values)
        return run, runs.Runner(state, scans, self._lines.setdefault(rooms[0], EventLines()))

    def _apply_run(self, run: FrameRun, runner: runs.Runner, inputs: Inputs, at: int) -> Iterator[tuple[int, bytes]]:
        done = 0
        while done < run.frames:
            told = runner.take(done)
            if told.scans:
                done += told.scans
                self.site_seq = run.site_seq + done - 1
                self.tick_ms = run.ticks[done - 1]
                yield told.events, told.lines
            else:
                yield _written(self.apply(decode_input(inputs.data(at + done))))
                done += 1

    def rooms_of(self, body: Command | Report) -> list[str]:
        """Where it goes by its subject; a command for nothing that there is goes to the box, which refuses it once."""
        parts = body.subject.split("/")
        if len(parts) > 1:
            return [parts[1] if parts[1] in self.states else SITE_ROOM]
        is_site = self.decision is None or body.subject == self.decision.site
        is_everywhere = isinstance(body, Report) or (is_site and body.what in SITE_WIDE)
        return list(self.states) if is_everywhere else [SITE_ROOM]

    def deciding(self, command: Command) -> list[str]:
        """The rooms that decide upon it: all that it goes to, but for those whose state is lost."""
        return [room for room in self.rooms_of(command) if room in self.states and room not in self.lost]

    def rooms_of_device(self, device: str) -> tuple[str, ...]:
        """The rooms that see this device's frames."""
        known = self._devices.get(device)
        return () if known is None else known[1]

    def knows(self, device: str) -> bool:
        """Whether frames of this device belong to the site."""
        return device in self._devices

    def _frame(self, entry: Input, frame: Frame) -> list[Event]:
        known = self._devices.get(frame.device)
        if known is None:
            return []
        decoder, rooms = known
        events: list[Event] = []
        for room in rooms:
            events += self._step([room], entry, decoder.decode(frame))
        return events

    def _step(self, rooms: list[str], entry: Input, body: Body) -> list[Event]:
        events: list[Event] = []
        taken = Entry(entry.log_id, entry.site_seq, entry.tick_ms, entry.at_ms, body)
        for room in rooms:
            if room in self.lost or room not in self.states:
                continue
            self.states[room], made = core.step(self.states[room], taken)
            events += made
        return events

    def change_rules(self, entry: Input, change: RuleSet) -> list[Event]:
        """Every room goes over to the rule set, at the place of ``entry``."""
        self.use_rules(change.version, entry.site_seq)
        assert self.decision is not None
        events: list[Event] = []
        old, self.states = self.states, {}
        for plan in self.decision.rooms:
            name = plan.id if plan.id in old else plan.was
            state = old.pop(name, None)
            is_lost = self._is_blind if state is None else name in self.lost
            events += self._go_over(plan, None if is_lost else state, entry, change, is_lost=is_lost)
        for room, state in old.items():
            is_lost = room in self.lost
            events += self._go_over(self._empty(room), None if is_lost else state, entry, change, is_lost=is_lost)
        self._is_blind = False
        return events

    def _go_over(
        self, plan: RoomPlan, state: RoomState | None, entry: Input, change: RuleSet, *, is_lost: bool
    ) -> list[Event]:
        """One room under its new plan; of a lost one only the plan counts, for the Resync to come."""
        room = str(plan.id)
        self.states[room] = state or core.initial(plan, change.version, self.log_id)
        (self.lost.add if is_lost else self.lost.discard)(room)
        return self._step([room], entry, Rules(change.version, plan, change.actor))

    def use_rules(self, version: str, site_seq: int = 0) -> None:
        """Decide by this version from here on; the rooms' states are not touched."""
        body = self.rulesets(version)
        if body is None:
            raise LogDamaged(site_seq, f"the body of rule set {version} is missing")
        self.decision = decode_decision(body)
        self.version = version
        self._devices = {each.id: (ScanDecoder(each), tuple(map(str, each.rooms))) for each in self.decision.devices}

    def _empty(self, room: str) -> RoomPlan:
        assert self.decision is not None
        return RoomPlan(id=SITE_ROOM.__class__(room), site=self.decision.site, name="")

    def snapshot(self) -> dict[str, bytes]:
        """The whole state: rooms by name, and the decision version under ``DECISION``."""
        states = {room: encode_state(core.state_to_data(state)) for room, state in self.states.items()}
        return {**states, DECISION: self.version.encode()}

    def restore(self, snapshot: Snapshot) -> None:
        """Stand where the snapshot stood."""
        version = snapshot.states[DECISION].decode()
        if version:
            self.use_rules(version, snapshot.site_seq)
        self._stand(snapshot)

    def stand_by(self, other: "Fold", snapshot: Snapshot) -> None:
        """Stand where the snapshot stood, with the rule set that the other fold has at hand: the snapshot's own."""
        self.decision, self.version, self._devices = other.decision, other.version, other._devices
        self._stand(snapshot)

    def _stand(self, snapshot: Snapshot) -> None:
        plans = {str(plan.id): plan for plan in self.decision.rooms} if self.decision else {}
        self.states = {
            room: core.state_from_data(plans.get(room) or self._empty(room), self.version, decode_state(data))
            for room, data in snapshot.states.items()
            if room != DECISION
        }
        ordered = [*plans, *(room for room in self.states if room not in plans)]
        self.states = {room: self.states[room] for room in ordered if room in self.states}
        self.log_id = snapshot.log_id
        self.site_seq = snapshot.site_seq
        self.lost = set()


def _written(events: Sequence[Event]) -> tuple[int, bytes]:
    return len(events), behind_lengths(map(encode_event, events))
