"""The alarm's state machine: two regions, kept apart (DOMAIN.md section 6, letters as in ISA-18.2).

Process region. A normal, B active unacked, C active acked, D returned unacked, E latched unacked, F latched acked:

    A --true--> B --ack--> C --false--> A
    B --false--> D --ack--> A
    B --latched--> E --ack--> F --reset--> A
    C --latched--> F
    C --rose--> B
    C --realarm--> B
    B --rose--> B
    D --true--> B
    E --true--> B
    F --true--> B

"false" is the end of the condition of an alarm that does not latch, "latched" of one that does. The three last arrows
begin a new occurrence and close the old one as superseded. "rose" is a higher severity, "realarm" the re-alarm timer or
the next pulse of what the alarm tells of; both withdraw the ack and keep the occurrence.

Override region. NONE, G shelved by a person, H suppressed by design, I out of service:

    NONE --shelve--> G --unshelve--> NONE
    G --expire--> NONE
    G --out_of_service--> I --in_service--> NONE
    I --expire--> NONE
    NONE --out_of_service--> I
    NONE --suppress--> H --unsuppress--> NONE
    H --shelve--> G
    H --out_of_service--> I

The process region runs on under any override; an override filters annunciation and never an output. A pair that is not
drawn has no arrow: :func:`after` and :func:`override_after` answer None, and the caller says why not.
"""

from enum import StrEnum


class State(StrEnum):
    """Process region."""

    __hash__ = str.__hash__

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"


class Trigger(StrEnum):
    """What moves the process region."""

    __hash__ = str.__hash__

    TRUE = "true"
    FALSE = "false"
    LATCHED = "latched"
    ACK = "ack"
    RESET = "reset"
    ROSE = "rose"
    REALARM = "realarm"


class Override(StrEnum):
    """Override region, by the names that interfaces show."""

    NONE = "none"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"


class OverrideTrigger(StrEnum):
    """What moves the override region."""

    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"
    EXPIRE = "expire"


LETTERS = {
    Override.NONE: "NONE",
    Override.SHELVED: "G",
    Override.SUPPRESSED: "H",
    Override.OUT_OF_SERVICE: "I",
}
"""The override states as the drawing names them."""

ACTIVE = "BC"
"""The condition is TRUE."""
UNACKED = "BDE"
LATCHED = "EF"
DEMANDING = ACTIVE + LATCHED
"""States are asked for by ``in`` one of these: an output that the alarm causes is demanded in the last."""

TABLE: dict[tuple[State, Trigger], State] = {
    (State.A, Trigger.TRUE): State.B,
    (State.B, Trigger.ACK): State.C,
    (State.B, Trigger.FALSE): State.D,
    (State.B, Trigger.LATCHED): State.E,
    (State.B, Trigger.ROSE): State.B,
    (State.C, Trigger.FALSE): State.A,
    (State.C, Trigger.LATCHED): State.F,
    (State.C, Trigger.ROSE): State.B,
    (State.C, Trigger.REALARM): State.B,
    (State.D, Trigger.ACK): State.A,
    (State.D, Trigger.TRUE): State.B,
    (State.E, Trigger.ACK): State.F,
    (State.E, Trigger.TRUE): State.B,
    (State.F, Trigger.RESET): State.A,
    (State.F, Trigger.TRUE): State.B,
}

OVERRIDES: dict[tuple[Override, OverrideTrigger], Override] = {
    (Override.NONE, OverrideTrigger.SHELVE): Override.SHELVED,
    (Override.NONE, OverrideTrigger.OUT_OF_SERVICE): Override.OUT_OF_SERVICE,
    (Override.NONE, OverrideTrigger.SUPPRESS): Override.SUPPRESSED,
    (Override.SHELVED, OverrideTrigger.UNSHELVE): Override.NONE,
    (Override.SHELVED, OverrideTrigger.EXPIRE): Override.NONE,
    (Override.SHELVED, OverrideTrigger.OUT_OF_SERVICE): Override.OUT_OF_SERVICE,
    (Override.SUPPRESSED, OverrideTrigger.UNSUPPRESS): Override.NONE,
    (Override.SUPPRESSED, OverrideTrigger.SHELVE): Override.SHELVED,
    (Override.SUPPRESSED, OverrideTrigger.OUT_OF_SERVICE): Override.OUT_OF_SERVICE,
    (Override.OUT_OF_SERVICE, OverrideTrigger.IN_SERVICE): Override.NONE,
    (Override.OUT_OF_SERVICE, OverrideTrigger.EXPIRE): Override.NONE,
}


def after(state: State, trigger: Trigger) -> State | None:
    """The state after a trigger, None when there is no such arrow."""
    return TABLE.get((state, trigger))


def override_after(override: Override, trigger: OverrideTrigger) -> Override | None:
    """The override after a trigger, None when there is no such arrow."""
    return OVERRIDES.get((override, trigger))
