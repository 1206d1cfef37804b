"""What step() takes: a closed list of inputs, each with its place in the log.

An :class:`Entry` is one accepted input: ``site_seq`` is dense over the site's life, ``tick_ms`` are the log's
milliseconds, never falling, and the only time that step() knows; ``at_ms`` is the wall clock's stamp (UTC, milliseconds
since 1970) and nothing is ever decided by it. Bodies are the classes below. On the wire and in the log a scan is a
``Frame`` of raw register words (shared.devices.frame); shared.devices decodes it into the :class:`Scan` of step().
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from shared.domain.plan import RoomPlan, Severity
from shared.domain.units import NoData

if TYPE_CHECKING:
    from numpy import int8, int64
    from numpy.typing import NDArray


class Scan(NamedTuple):
    """One decoded scan of one device for one room: as many values as ScanPlan.count, in that order.

    A failed or skipped poll has the same shape with a reason in every place. ``late`` scans are recorded and never
    evaluated: device_seq not above the last one of this boot, or age over the stale time.
    """

    device: str
    boot: str
    device_seq: int
    sampled_at_ms: int
    age_ms: int
    outcome: NoData
    """PRESENT when the poll succeeded, else why there are no values at all."""
    values: "NDArray[int64]"
    reasons: "NDArray[int8]"


class What(StrEnum):
    """What an operator asks for."""

    ACK = "ack"
    RESET = "reset"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SILENCE = "silence"
    OUT_OF_SERVICE = "out_of_service"
    IN_SERVICE = "in_service"
    MAINTENANCE = "maintenance"
    TEST = "test"
    BASELINE = "baseline"
    REPLACE = "replace"
    CALIBRATED = "calibrated"
    PROOF_TESTED = "proof_tested"
    HOLD_ON = "hold_on"
    """The centre's lease: an output stays on for so long. ``occurrence`` names it: epoch and number, 16 hex digits
    each, so that a later one is the greater text."""


class Refusal(StrEnum):
    """Why a command was rejected; each is a problem type of the HTTP interface."""

    UNKNOWN_SUBJECT = "unknown-subject"
    NOT_ACTIVE = "not-active"
    ALREADY = "already"
    """It is so already: acked, shelved, in service."""
    OTHER_OCCURRENCE = "other-occurrence"
    SEVERITY_ROSE = "severity-rose"
    """The severity the person saw is lower than the present one."""
    CONDITION_TRUE = "condition-true"
    """Reset while the condition is TRUE or unknown."""
    NOT_LATCHED = "not-latched"
    NOT_ACKED = "not-acked"
    """Reset of a latch that nobody has acked."""
    NOT_SHELVED = "not-shelved"
    REASON_MISSING = "reason-missing"
    DURATION_MISSING = "duration-missing"
    DURATION_TOO_LONG = "duration-too-long"
    SECOND_PERSON_MISSING = "second-person-missing"
    MEASURE_MISSING = "measure-missing"
    SERIAL_MISSING = "serial-missing"
    OTHER_SERIAL = "other-serial"
    """The old serial is not the one that is known."""
    OUT_OF_RANGE = "out-of-range"
    STALE_LEASE = "stale-lease"
    """A lease with this number, or a later one, was given already."""
    NOT_SUPPORTED = "not-supported"


class Command(NamedTuple):
    """A person's act. ``occurrence`` and ``severity_seen`` are what the person saw ("" and None when not given: then an
    ack is refused unless exactly one occurrence is active under this subject)."""

    id: str
    what: What
    subject: str
    """Alarm, output, device, part, jar, string, battery, room or site path, by ``what``."""
    occurrence: str
    severity_seen: Severity | None
    reason: str
    actor: str
    for_ms: int
    """Duration of a shelving, an out-of-service or a maintenance; 0 when not given."""
    second_person: str = ""
    measure: str = ""
    """The compensating measure while an alarm of the highest class is out of service."""
    old_serial: str = ""
    new_serial: str = ""
    """Of a replacement."""
    value: int = 0
    """A baseline in uOhm; 0: it is measured."""
    age_ms: int = 0
    """How long ago a calibration or a proof test was done."""


class Rules(NamedTuple):
    """The decision version from here on, for one room; what is in both plans keeps its state by id (or ``was``)."""

    version: str
    plan: RoomPlan
    actor: str


class Start(NamedTuple):
    """The log was opened: first record under a fresh log_id."""

    log_id: str
    previous_log_id: str
    previous_seq: int
    clean: bool
    boot: str


class Tick(NamedTuple):
    """Time passed in this room and nothing else came for a second."""

    room: str


class ReportKind(StrEnum):
    """What the world did that cannot be derived; alarms of the same name are bound to some of them by ReportRow."""

    LOCAL_TRIP = "local_trip"
    """guard demanded an output itself: subject = output, detail = cause; state off = trip ended."""
    WRITE = "write"
    """A coil was written: subject = output, state = value written, detail = outcome."""
    READ_BACK = "read_back"
    OUTPUT_MISMATCH = "output_mismatch"
    OUTPUT_CONTESTED = "output_contested"
    RELAY_FOREIGN_WRITE = "relay_foreign_write"
    TRIP_UNEXPLAINED = "trip_unexplained"
    COILS_AT_START = "coils_at_start"
    WATCHDOG_OFF = "watchdog_off"
    LEASE_EXPIRED = "lease_expired"
    GUARD_STARTED = "guard_started"
    LOG_UNDURABLE = "log_undurable"
    LOG_DAMAGED = "log_damaged"
    LOG_RESTORED = "log_restored"
    """The log came from a backup: detail says which, and what may be missing."""
    DISK_LOW = "disk_low"
    CLOCK_STEP = "clock_step"
    REPLAY_DIFFERS = "replay_differs"
    CONFIG_REJECTED = "config_rejected"
    RETENTION = "retention"
    SNAPSHOT = "snapshot"
    """The whole state was kept: detail names its site_seq and hash."""
    ARMED = "armed"
    DELIVERY_SENT = "delivery_sent"
    """A message was taken over: subject = site/_site/channel/person, detail = message, thread, attempt, answer."""
    DELIVERY_FAILED = "delivery_failed"
    """An attempt failed, or was refused for good: the same."""
    DELIVERY_RECEIPTED = "delivery_receipted"
    """The other side has told later that it arrived: the same."""
    DELIVERY_FAILING = "delivery_failing"
    """Messages do not get out by a channel: subject = site/_site/channel."""
    HEARTBEAT = "heartbeat"
    """The sign of life to an outsider arrives (on) or does not: subject = site/_site/heartbeat, detail says why."""
    LEDGER = "ledger"
    """The notifier's delivery ledger was set aside, or is in memory only."""
    NOTIFY_LEASE = "notify_lease"
    """The centre tells people of this site (on), or the site does again (off): subject = site/_site/notify, detail =
    holder and epoch of the lease."""
    TOKENS = "tokens"
    """A named token was made, changed or revoked: subject = site/_site/tokens/name, detail says what and by whom."""
    PUSHED_FILE = "pushed_file"
    """A file of the fleet's was taken in (on) or refused: subject = site/_site/files/name, detail = its SHA-256, who
    pushed it, and why not."""
    SITE_LOST = "site_lost"
    """In the log of the pseudo-site _fleet, as all that follow: nothing comes from a site; subject _fleet/SITE/site."""
    LINK_LOST = "link_lost"
    SERVICE_LOST = "service_lost"
    BLOCK_DIFFERS = "block_differs"
    POISON = "poison"
    RULESET_DRIFT = "ruleset_drift"
    CERTIFICATE_EXPIRING = "certificate_expiring"
    TOKEN_EXPIRING = "token_expiring"
    UNDELIVERED = "undelivered"
    """A command got no answer within its time to live: subject = _fleet/SITE/commands, detail = id, act, subject. Or a
    message of the centre's was refused for good: subject = _fleet/SITE/messages, detail = id, person, channel, why."""


class Report(NamedTuple):
    """Something happened outside the core. ``on`` is the state it tells of; a pulse is on with ``pulse`` set."""

    kind: str
    subject: str
    """Output, device or ``site/_site/...`` path."""
    on: bool
    pulse: bool
    detail: str


class Resync(NamedTuple):
    """Inputs were lost: the state after the loss is ``state`` (the form of core.state_to_data), for one room."""

    cause: str
    first_lost: int
    last_lost: int
    state: str
    """JSON text, so that it stays bytes-equal through every codec."""
    room: str = ""
    """The room whose state this is."""


class Undecodable(NamedTuple):
    """A record that no decoder understood; its bytes are kept as a dead letter under this hash."""

    sha256: str
    size: int
    source: str
    reason: str


Body = Scan | Command | Rules | Start | Tick | Report | Resync | Undecodable


class Entry(NamedTuple):
    """One accepted input with its place: (site, log_id, site_seq) is its id."""

    log_id: str
    site_seq: int
    tick_ms: int
    at_ms: int
    body: Body


@dataclass(frozen=True, slots=True)
class Rejected:
    """A refused command: the reason's name, and what the operator should know."""

    refusal: Refusal
    text: str
    occurrence: str
    severity: Severity | None
