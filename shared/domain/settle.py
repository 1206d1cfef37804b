"""After anything changed: alarms, the rows that count them, and outputs, until nothing changes any more.

Order within a step: alarms by their depth under suppressors and then their place in the plan; then what is suppressed
by design, so that nothing is announced that is over in the same moment; then counts; then outputs.
"""

from shared.domain import alarms, outputs, rules
from shared.domain.turn import Turn

ROUNDS_MAX = 64
"""Each round can only be caused by the one before: alarm -> count -> alarm ..., output -> its alarm -> standby output.
A plan would need a chain of dozens of counts to come near this."""


def settle(turn: Turn) -> None:
    """Bring the room to rest."""
    for _ in range(ROUNDS_MAX):
        if turn.dirty:
            changed = sorted(sorted(turn.dirty), key=turn.state.index.rank.__getitem__)
            turn.dirty.clear()
            for a in changed:
                alarms.process(turn, a)
        elif turn.suppress_dirty:
            looked = sorted(turn.suppress_dirty)
            turn.suppress_dirty.clear()
            for a in looked:
                alarms.suppress(turn, a)
        elif turn.rows_dirty:
            looked = sorted(turn.rows_dirty)
            turn.rows_dirty.clear()
            for row in looked:
                rules.look(turn, row)
        elif turn.outputs_dirty:
            outputs.evaluate(turn)
        else:
            return
    raise AssertionError("a room does not come to rest")
