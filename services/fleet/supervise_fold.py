"""The rooms of _fleet: inputs in, their events by the core out, and the link of the chain that binds both. Pure.

What a site's own log and runner do, without devices: Start, RuleSet, Report, Command, Tick. The same inputs in a block
give the centre's processor the same events, byte for byte (tests hold it against that fold).
Promises: nothing of a link is changed once it is made; a link that could not be kept is forgotten with this object.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from services.fleet.supervise_plan import FLEET, Fact
from shared.devices.plan import DecisionPlan
from shared.domain import core
from shared.domain.conditions import TRUE
from shared.domain.events import Event
from shared.domain.ids import SITE_ROOM, RoomId
from shared.domain.inputs import Body, Command, Entry, Report, Rules, Start, Tick, What
from shared.domain.plan import RoomPlan
from shared.domain.state import RoomState
from shared.domain.version import CORE_VERSION
from shared.log.chain import GENESIS, link
from shared.log.sequencer import Minted
from shared.wire.blocks import Block, BlockLink
from shared.wire.events import encode_event
from shared.wire.inputs import KINDS, RuleSet, encode_input
from shared.wire.plans import decision_version, encode_decision
from shared.wire.rows import EventBytes, InputRow
from shared.wire.states import decode_state, encode_state

Taken = Start | RuleSet | Report | Command | Tick
SITE_WIDE = frozenset({What.ACK, What.RESET, What.SILENCE, What.MAINTENANCE, What.IN_SERVICE})


@dataclass(frozen=True, slots=True)
class Made:
    """One link: a block of its own, the events as the core made them, the rooms that changed."""

    block: Block
    events: tuple[Event, ...]
    rooms: Mapping[str, bytes]
    """Their states after it."""
    at_ms: int


@dataclass
class FleetFold:
    """Where the log stands. One owner."""

    epoch: int = 0
    """The fence of the lease under which is written."""
    log_id: str = ""
    site_seq: int = 0
    hash: bytes = GENESIS
    plan: DecisionPlan | None = None
    version: str = ""
    states: dict[str, RoomState] = field(default_factory=dict)

    def restore(self, plan: DecisionPlan, states: Mapping[str, bytes]) -> None:
        """Stand where these states were kept."""
        self.use(plan)
        for room in plan.rooms:
            if str(room.id) in states:
                self.states[str(room.id)] = core.state_from_data(room, self.version, decode_state(states[str(room.id)]))
        for room_id in states.keys() - self.states.keys():
            empty = _empty(room_id)
            self.states[room_id] = core.state_from_data(empty, self.version, decode_state(states[room_id]))

    def use(self, plan: DecisionPlan) -> None:
        """Decide by this plan from the next RuleSet on."""
        self.plan, self.version = plan, decision_version(encode_decision(plan))

    def take(self, inputs: Iterable[tuple[Minted, Taken]]) -> Made:
        """One group of inputs, at least one: a Start is its first or in none."""
        rows, bodies, events, changed = list[InputRow](), list[EventBytes](), list[Event](), set[str]()
        at_ms = 0
        for minted, body in inputs:
            if isinstance(body, Start):
                self.log_id = body.log_id
            seq, tick_ms, at_ms = minted
            data = encode_input(self.log_id, seq, tick_ms, at_ms, body)
            rows.append(InputRow(seq, KINDS[type(body)], data))
            made = self._apply(minted, body, changed)
            bodies += [EventBytes(seq, ordinal, encode_event(event)) for ordinal, event in enumerate(made)]
            events += made
        before, bound = self.hash, link(self.hash, rows, bodies)
        self.site_seq, self.hash = bound.last_seq, bound.hash
        block = Block(
            FLEET,
            self.epoch,
            self.log_id,
            bound.first_seq,
            bound.last_seq,
            before,
            (BlockLink(bound.last_seq, bound.hash),),
            CORE_VERSION,
            tuple(rows),
            tuple(bodies),
        )
        kept = {room: encode_state(core.state_to_data(self.states[room])) for room in sorted(changed)}
        return Made(block, tuple(events), kept, at_ms)

    def next_due_ms(self) -> tuple[int, tuple[str, ...]]:
        """When the next timer goes off, by the log's time, and in which rooms."""
        due = {room: core.next_due_ms(state) for room, state in self.states.items()}
        first = min(due.values(), default=1 << 60)
        return first, tuple(room for room, ms in due.items() if ms == first)

    def stands(self, fact: Fact) -> bool | None:
        """Whether the log has this condition as TRUE; None for one that the plan does not know."""
        for state in self.states.values():
            for row in state.index.report_rows.get((fact.kind.value, fact.subject), ()):
                return bool(state.columns.cond[row] == TRUE)
        return None

    def alarms(self) -> tuple[core.AlarmView, ...]:
        """All that are not plainly normal, room by room."""
        return tuple(view for state in self.states.values() for view in core.alarms(state))

    def deciding(self, command: Command) -> Sequence[str]:
        """The rooms that a command goes to."""
        parts = command.subject.split("/")
        if len(parts) > 1:
            return [parts[1] if parts[1] in self.states else str(SITE_ROOM)]
        is_everywhere = command.subject == FLEET and command.what in SITE_WIDE
        return list(self.states) if is_everywhere else [str(SITE_ROOM)]

    def _apply(self, minted: Minted, body: Taken, changed: set[str]) -> list[Event]:
        match body:
            case Start():
                return self._step(list(self.states), minted, body, changed)
            case Tick(room=room):
                return self._step([room], minted, body, changed)
            case Command():
                return self._step(self.deciding(body), minted, body, changed)
            case Report(subject=subject):
                room = subject.split("/")[1]
                return self._step([room if room in self.states else str(SITE_ROOM)], minted, body, changed)
            case RuleSet(actor=actor):
                return self._change_rules(minted, actor, changed)
            case _:
                assert_never(body)

    def _change_rules(self, minted: Minted, actor: str, changed: set[str]) -> list[Event]:
        assert self.plan is not None, "a RuleSet names the plan in use"
        old, self.states = self.states, {}
        plans = [*self.plan.rooms, *(_empty(room) for room in old if room not in {str(r.id) for r in self.plan.rooms})]
        events: list[Event] = []
        for plan in plans:
            room = str(plan.id)
            self.states[room] = old.get(room) or core.initial(plan, self.version, self.log_id)
            events += self._step([room], minted, Rules(self.version, plan, actor), changed)
        return events

    def _step(self, rooms: Iterable[str], minted: Minted, body: Body, changed: set[str]) -> list[Event]:
        events: list[Event] = []
        taken = Entry(self.log_id, *minted, body)
        for room in rooms:
            if room in self.states:
                self.states[room], made = core.step(self.states[room], taken)
                events += made
                changed.add(room)
        return events


def _empty(room: str) -> RoomPlan:
    """Of a room that is watched no more: its numbers go on."""
    return RoomPlan(RoomId(room), FLEET, "")
