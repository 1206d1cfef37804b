"""The state of a room: a fold over its inputs, owned and changed in place by step().

Only what has left its resting place is recorded one by one: an alarm that is normal, shown and not delayed has no
record. Everything that a timer needs is in the state itself; the heap of wakes is only an index of it and is made anew
from it.
"""

from dataclasses import dataclass, field

from shared.domain.alarm_machine import Override, State
from shared.domain.columns import Columns
from shared.domain.index import Index
from shared.domain.plan import Mode, RoomPlan, Severity
from shared.domain.trip import FAR_MS, NEVER_MS, TripState


@dataclass(slots=True)
class AlarmRecord:
    """An alarm that is not plainly normal, or is under an override."""

    state: State = State.A
    override: Override = Override.NONE
    occurrence: str = ""
    severity: Severity = Severity.WARNING
    since_ms: int = 0
    since_at_ms: int = 0
    """Wall clock's stamp of the same moment; nothing is decided by it."""
    until_ms: int = 0
    """End of a shelving or an out-of-service; 0 when it has none."""
    realarm_ms: int = FAR_MS
    why: str = ""
    """What suppresses it, or the reason of the person who overrode it."""
    trusted_ms: int = NEVER_MS
    """When it may suppress others again: FAR_MS while no value that makes it TRUE can be seen."""
    grace_ms: int = NEVER_MS
    """Until then it goes on suppressing what it did before a start of the log (shared.domain.grace)."""


@dataclass(slots=True)
class Pending:
    """A delay that runs: of a row that would become TRUE (on) or FALSE."""

    on: bool
    since_ms: int
    due_ms: int
    """FAR_MS when it has elapsed while the value was unknown: it fires at the next sample that is TRUE."""


@dataclass(slots=True)
class ScanState:
    """One device's scans as this room sees them."""

    boot: str = ""
    device_seq: int = 0
    answered_ms: int = 0
    heard_ms: int = 0
    """When the device answered last in any way, be it with an exception."""
    is_cut: bool = False
    """Its line was not there when it was asked last."""
    lost: bool = False
    """All its points have been said to be lost, in one event."""
    late_ms: int = NEVER_MS
    """Since when its scans come late, or the run was last told of; NEVER_MS when they come in time."""
    late_count: int = 0
    """Late scans of the run that no event has named yet, and their lowest and highest device_seq."""
    late_first: int = 0
    late_last: int = 0


@dataclass(slots=True)
class BatteryState:
    mode: Mode = Mode.UNKNOWN
    candidate: Mode = Mode.UNKNOWN
    candidate_ms: int = 0
    recovery_until_ms: int = NEVER_MS
    boosting: bool = False
    """In boost, or unknown since: gas may be made."""
    boost_ms: int = NEVER_MS
    """Last moment at which boost was so or could not be excluded: run-on counts from here."""


@dataclass(slots=True)
class OutputState:
    on: bool = False
    by: tuple[str, ...] = ()
    confirmed: bool = False
    failed: bool = False
    proof_due_ms: int = FAR_MS
    proved: bool = False
    """Airflow has been seen since the demand began."""
    run_up_ms: int = FAR_MS
    """The end of run-up: until then airflow that goes is that of the demand before, running down."""
    read_back: int = -1
    """From Reports, when no point shows it: 0, 1, or -1 for unknown."""
    silenced: bool = False
    local: str = ""
    """Cause of the trip that guard made by itself and has not ended."""
    local_until_ms: int = FAR_MS
    """guard was started anew and must say its trip again until then."""
    local_gas_ms: int = NEVER_MS
    test_until_ms: int = NEVER_MS
    test_by: str = ""
    lease: str = ""
    """The last of the centre that was taken: epoch and number. It outlives its end: none before it comes back."""
    lease_until_ms: int = NEVER_MS
    lease_by: str = ""
    falling_due_ms: int = FAR_MS
    falling_from: int = 0
    """Highest gas value when the present look at its fall began."""
    due_ms: int = FAR_MS


@dataclass(slots=True)
class Maintenance:
    until_ms: int
    actor: str
    reason: str
    remind_ms: int = FAR_MS
    """When its end is told beforehand; FAR_MS when that was done or it is short."""


@dataclass(slots=True)
class PartState:
    """A part whose serial is not the plan's, or that was replaced."""

    serial: str = ""
    replaced_at_ms: int = 0
    """Wall clock's stamp, 0 for never; nothing is decided by it."""
    replaced_by: str = ""
    reason: str = ""
    times: int = 0


@dataclass(slots=True)
class BaselineState:
    """A baseline that is not the plan's, or is being measured."""

    value: int = 0
    """uOhm; 0 for none."""
    at_ms: int = 0
    """Wall clock's stamp of the moment it was set, 0 for never."""
    by: str = ""
    left: int = 0
    """So many good samples are still wanted."""
    samples: tuple[int, ...] = ()
    asked_by: str = ""
    reason: str = ""


@dataclass(slots=True)
class DueState:
    """When it was done last, or was first in the plan."""

    since_ms: int = 0
    done_at_ms: int = 0
    """Wall clock's stamp of the doing, 0 for never."""
    by: str = ""
    record: str = ""
    """The commissioning record that was counted last."""
    is_taken_for_done: bool = False
    """A new gas head comes calibrated; the day of its certificate, once it is told, may be an earlier one."""


@dataclass(slots=True)
class Histogram:
    """Seven days of |value| in float, one count a minute (shared.domain.medians)."""

    next_ms: int = NEVER_MS
    day_ms: int = NEVER_MS
    days: list[dict[int, int]] = field(default_factory=list)
    median: int = 0
    """Of all samples; 0 until there are enough of them."""
    known: bool = False
    """There are enough; follows from the counts."""


@dataclass(slots=True)
class RoomState:
    """Everything that step() remembers of one room."""

    plan: RoomPlan
    version: str
    log_id: str
    index: Index
    columns: Columns
    room_no: int = 0
    """Number of the last event: dense per room, from 1."""
    site_seq: int = 0
    tick_ms: int = 0
    boot: str = ""
    scans: list[ScanState] = field(default_factory=list)
    detectors: list[TripState] = field(default_factory=list)
    batteries: list[BatteryState] = field(default_factory=list)
    outputs: list[OutputState] = field(default_factory=list)
    records: dict[int, AlarmRecord] = field(default_factory=dict)
    pending: dict[int, Pending] = field(default_factory=dict)
    rises: dict[int, tuple[int, ...]] = field(default_factory=dict)
    unknown: set[int] = field(default_factory=set)
    """Rows that are no columns and whose last raw was UNKNOWN."""
    silent: set[int] = field(default_factory=set)
    """Lost, stale and due rows whose raw is TRUE."""
    unrest: set[int] = field(default_factory=set)
    """Stale rows that the next good value of their point changes; follows from the rest of the state."""
    doubted: set[int] = field(default_factory=set)
    """Active suppressors of which no value can be seen now; follows from the rest of the state."""
    begun: bool = False
    """An input was taken: before the first, no time has passed."""
    rates: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Of each rate row: (bucket, first good value in it), the oldest first."""
    histograms: dict[tuple[int, int], Histogram] = field(default_factory=dict)
    maintenance: dict[str, Maintenance] = field(default_factory=dict)
    parts: dict[int, PartState] = field(default_factory=dict)
    baselines: dict[int, BaselineState] = field(default_factory=dict)
    measuring: set[int] = field(default_factory=set)
    """Baselines that want samples; follows from the rest of the state."""
    dues: list[DueState] = field(default_factory=list)
    heap: list[tuple[int, int, int]] = field(default_factory=list)
    wakes: dict[tuple[int, int], int] = field(default_factory=dict)
