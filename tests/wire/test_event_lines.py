"""Events written from pieces that stand ready are the bytes that the one encoder gives."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.core import initial
from shared.domain.crossings import CLEARED, RAISED, RETURNED, SUPERSEDED, TYPES, Fact, Moment
from shared.domain.events import Event
from shared.domain.ids import AlarmId, event_id
from shared.domain.measures import of_column
from shared.domain.plan import RoomPlan
from shared.domain.state import RoomState
from shared.domain.upkeep_plan import NO_LIMIT
from shared.wire.event_lines import EventLines
from shared.wire.events import encode_event
from tests.bench.rooms import room

NUMBER = 1 << 53
ROWS = 11
"""Of one module: ten limits and a deviation."""
FACTS = st.tuples(
    st.sampled_from((SUPERSEDED, RAISED, RETURNED, CLEARED)),
    st.integers(0, ROWS - 1),
    st.one_of(st.integers(-NUMBER, NUMBER), st.just(NO_LIMIT)),
    st.sampled_from("ABCDEF"),
    st.text("0123456789abcdef", min_size=32, max_size=32),
    st.integers(-NUMBER, NUMBER),
)
MOMENTS = st.tuples(*[st.integers(0, NUMBER)] * 3, st.lists(FACTS, max_size=20))


def _state(name: str, version: str) -> RoomState:
    """One module with good values, whose first alarm has a name that JSON must escape."""
    plan: RoomPlan = room(1)
    plan = replace(plan, alarms=(replace(plan.alarms[0], id=AlarmId(name)), *plan.alarms[1:]))
    state = initial(plan, version, "log")
    state.columns.reasons.fill(0)
    return state


def _event(state: RoomState, moment: Moment, ordinal: int, fact: Fact) -> Event:
    what, row, limit, letter, occurrence, value = fact
    alarm = state.plan.alarms[state.index.rows[row].alarm]
    severity = state.index.rows[row].severity.label
    measured = of_column(state, row, value, limit) if what in (RAISED, RETURNED) else ("", "", "", "")
    place = moment.log_id, moment.site_seq, ordinal, moment.now, moment.at_ms, state.version
    name = event_id(moment.log_id, moment.site_seq, "r1", ordinal)
    number = state.room_no + ordinal + 1
    head = TYPES[what], name, "bench", "r1", number, *place
    return Event(*head, alarm.id, occurrence, alarm.rule, severity, letter, *measured, "", "", 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(MOMENTS, max_size=3), st.text(max_size=10), st.text(max_size=4), st.text(max_size=4))
def test_pieces_make_the_bytes_of_the_encoder(
    moments: list[tuple[int, int, int, list[Fact]]], name: str, version: str, log_id: str
) -> None:
    """Whatever the numbers, names and limits that move: equal bytes; also when another rule set follows."""
    lines = EventLines()
    for state in (_state(name, version), _state(name, version + "x")):
        for site_seq, now, at_ms, facts in moments:
            moment = Moment(log_id, site_seq, now, at_ms)
            moment.facts += facts
            told = lines.of_facts([moment], state)
            assert told == [encode_event(_event(state, moment, *each)) for each in enumerate(facts)]
            state.room_no += len(facts)
