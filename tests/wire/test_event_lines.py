"""Events written from pieces that stand ready are the bytes that the one encoder gives."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.columns import as_column
from shared.domain.core import initial
from shared.domain.crossings import CLEARED, RAISED, RETURNED, STATES, SUPERSEDED, TYPES, Facts, code
from shared.domain.events import Event
from shared.domain.ids import AlarmId, event_id
from shared.domain.measures import of_column
from shared.domain.plan import RoomPlan
from shared.domain.state import RoomState
from shared.domain.upkeep_plan import NO_LIMIT
from shared.wire.event_lines import EventLines
from shared.wire.events import encode_event
from shared.wire.linking import behind_lengths
from tests.bench.rooms import room

NUMBER = 1 << 53
ROWS = 11
"""Of one module: ten limits and a deviation."""
LIMIT = st.one_of(st.integers(-NUMBER, NUMBER), st.just(NO_LIMIT))
LIMITS = st.lists(LIMIT, min_size=ROWS, max_size=ROWS)
FACT = st.tuples(
    st.sampled_from((SUPERSEDED, RAISED, RETURNED, CLEARED)),
    st.integers(0, ROWS - 1),
    st.integers(0, len(STATES) - 1),
    st.text("0123456789abcdef", min_size=32, max_size=32),
    st.integers(-NUMBER, NUMBER),
)
Fact = tuple[int, int, int, str, int]
"""(what, row, place of the alarm's letter, occurrence, value)."""
Told = tuple[int, int, int, list[Fact]]
MOMENTS = st.lists(st.tuples(*[st.integers(0, NUMBER)] * 3, st.lists(FACT, min_size=1, max_size=20)), max_size=3)


def _state(name: str, version: str) -> RoomState:
    """One module with good values, whose first alarm has a name that JSON must escape."""
    plan: RoomPlan = room(1)
    plan = replace(plan, alarms=(replace(plan.alarms[0], id=AlarmId(name)), *plan.alarms[1:]))
    state = initial(plan, version, "log")
    state.columns.reasons.fill(0)
    return state


def _event(state: RoomState, told: Told, ordinal: int, limits: list[int]) -> Event:
    site_seq, now, at_ms, facts = told
    what, row, letter, occurrence, value = facts[ordinal]
    alarm = state.plan.alarms[state.index.rows[row].alarm]
    severity = state.index.rows[row].severity.label
    measured = of_column(state, row, value, limits[row]) if what in (RAISED, RETURNED) else ("", "", "", "")
    place = "log", site_seq, ordinal, now, at_ms, state.version
    head = TYPES[what], event_id("log", site_seq, "r1", ordinal), "bench", "r1", state.room_no + 1, *place
    state.room_no += 1
    return Event(*head, alarm.id, occurrence, alarm.rule, severity, STATES[letter], *measured, "", "", 0)


def _facts(moments: list[Told], limits: list[int]) -> Facts:
    """All of them as columns."""
    rows = [(*told[:3], ordinal, *fact) for told in moments for ordinal, fact in enumerate(told[3])]
    seqs, ticks, stamps, ordinals, whats, at, letters, names, values = zip(*rows, strict=True) if rows else [()] * 9
    codes = [code(what, row, letter) for what, row, letter in zip(whats, at, letters, strict=True)]
    return Facts(
        "log",
        as_column(seqs),
        as_column(ticks),
        as_column(stamps),
        as_column(ordinals),
        as_column(codes),
        names,
        as_column(range(len(rows))),
        as_column(values),
        {row: limits[row] for row in at},
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(MOMENTS, LIMITS), max_size=3), st.text(max_size=10), st.text(max_size=4))
def test_pieces_make_the_bytes_of_the_encoder(
    runs: list[tuple[list[Told], list[int]]], name: str, version: str
) -> None:
    """Whatever the numbers, names and limits that move: equal bytes; also when another rule set follows."""
    lines = EventLines()
    for state in (_state(name, version), _state(name, version + "x")):
        for moments, limits in runs:
            made = lines.of_facts(_facts(moments, limits), state)
            events = [_event(state, told, n, limits) for told in moments for n in range(len(told[3]))]
            assert made == behind_lengths(map(encode_event, events))
