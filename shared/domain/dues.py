"""What has to be done again and again: calibrations of detectors, proof tests of outputs.

    FALSE --(every_ms since it was done, or first in the plan)--> TRUE --(done)--> FALSE

A proof test is told by a person, or seen: an output that only a test switched on, and whose proof came while the test
lasted, or a commissioning record that guard tells of at its start. Durations are the log's; dates are for people.
"""

from shared.domain.conditions import FALSE, TRUE, RowKind
from shared.domain.events import EventType
from shared.domain.rows import observe
from shared.domain.state import RoomState
from shared.domain.trip import FAR_MS
from shared.domain.turn import Turn, Wake
from shared.domain.upkeep_plan import DueKind

TESTED = ("test",)
"""What demands an output when nothing but a test does."""
COMMISSIONED = "commissioned"
"""The first word of an ARMED Report that names its record: "commissioned AGE_MS AT by WHO"."""


def find(state: RoomState, kind: DueKind, subject: str) -> int | None:
    """Position of the due of a detector or an output; None when nothing is due there."""
    found = (at for at, due in enumerate(state.plan.dues) if due.kind is kind and due.subject == subject)
    return next(found, None)


def done(turn: Turn, at: int, *, age_ms: int, reason: str, actor: str, is_taken_for_done: bool = False) -> None:
    """It was done so long ago, and is due again from then; or is taken for done until a person says when it was."""
    state = turn.state
    plan, due = state.plan.dues[at], state.dues[at]
    due.since_ms, due.done_at_ms, due.by = turn.now - age_ms, turn.entry.at_ms - age_ms, actor
    due.is_taken_for_done = is_taken_for_done
    kind = EventType.CALIBRATION_DONE if plan.kind is DueKind.CALIBRATION else EventType.PROOF_TEST_DONE
    turn.emit(kind, plan.subject, reason=reason, actor=actor, until_ms=max(due.since_ms + plan.every_ms, 0))
    look(turn, state.index.special[(RowKind.DUE, at)])


def look(turn: Turn, row: int) -> None:
    """Bring one due up to the time."""
    state = turn.state
    at = state.index.rows[row].at
    is_over = turn.now >= state.dues[at].since_ms + state.plan.dues[at].every_ms
    if is_over:
        state.silent.add(row)
    else:
        state.silent.discard(row)
    observe(turn, row, TRUE if is_over else FALSE)
    turn.wake(Wake.DUE, row, due_ms(state, row))


def due_ms(state: RoomState, row: int) -> int:
    """When it becomes overdue, FAR_MS when it is."""
    at = state.index.rows[row].at
    return FAR_MS if row in state.silent else state.dues[at].since_ms + state.plan.dues[at].every_ms


def begin(turn: Turn) -> None:
    """Time begins: everything is first seen now."""
    for due in turn.state.dues:
        due.since_ms = turn.now


def proven(turn: Turn, o: int) -> None:
    """An output was proven; whether that was a proof test."""
    output, plan = turn.state.outputs[o], turn.state.plan.outputs[o]
    at = find(turn.state, DueKind.PROOF_TEST, plan.id) if output.by == TESTED else None
    if at is not None:
        done(turn, at, age_ms=0, reason="proven by a test", actor=output.test_by)


def commissioned(turn: Turn, o: int, detail: str) -> None:
    """guard tells of an output's commissioning record; the same one counts once."""
    at = find(turn.state, DueKind.PROOF_TEST, turn.state.plan.outputs[o].id)
    word, _, rest = detail.partition(" ")
    age, _, record = rest.partition(" ")
    if at is None or word != COMMISSIONED or not (age.isascii() and age.isdecimal() and len(age) < 15):
        return
    due = turn.state.dues[at]
    if due.record != record:
        due.record = record
        if turn.now - int(age) >= due.since_ms or not due.done_at_ms:
            done(turn, at, age_ms=int(age), reason="commissioned", actor=record.partition(" by ")[2])
