"""Inputs were lost: the room goes on from the state after the loss, and its events say where it stands.

What is told follows from the Resync alone, since a replay that begins with it knows nothing older: after the event
ampward.log.resynced each open occurrence is announced again and each output is demanded or released, as it is now.
Whoever folds the events takes occurrences that are not named there for closed: their ends were lost with the inputs.
"""

import json

from shared.domain import alarms
from shared.domain.events import EventType
from shared.domain.inputs import Resync
from shared.domain.snapshot import state_from_data
from shared.domain.state import RoomState
from shared.domain.turn import Turn


def take_up(old: RoomState, body: Resync) -> RoomState:
    """The state that a Resync brings, the old one when it brings none.

    Of the old one only plan and version count: after a hole it is stale, and its timers must not go off.
    """
    if not body.state:
        return old
    return state_from_data(old.plan, old.version, json.loads(body.state))


def tell(turn: Turn, body: Resync) -> None:
    """Say what was lost, and how the room stands after it."""
    state = turn.state
    lost = f"{body.cause}: inputs {body.first_lost} to {body.last_lost} are lost"
    turn.emit(EventType.LOG_RESYNCED, f"{state.plan.site}/{state.plan.id}", reason=lost)
    for a, record in sorted(state.records.items()):
        if record.occurrence:
            alarms.tell(turn, a, EventType.ALARM_REANNOUNCED, reason=alarms.hidden_by(record))
    for plan, output in zip(state.plan.outputs, state.outputs, strict=True):
        kind = EventType.OUTPUT_DEMANDED if output.on else EventType.OUTPUT_RELEASED
        turn.emit(kind, plan.id, state="on" if output.on else "off", reason=", ".join(output.by))
    turn.outputs_dirty = True
