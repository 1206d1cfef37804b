"""What step() gives: events, with a fixed set of fields that are integers and strings only.

There is no choice between absent and null: what does not apply is "" or 0. The bytes of an event are the codec's
(shared.wire.events), in the order of the fields here; nothing that differs between runners (received times, traces) is
in them.
"""

from enum import StrEnum
from typing import NamedTuple


class EventType(StrEnum):
    """Every event that the core can make; the number is the version of its shape."""

    ALARM_RAISED = "ampward.alarm.raised.v1"
    ALARM_ESCALATED = "ampward.alarm.escalated.v1"
    ALARM_RETURNED = "ampward.alarm.returned.v1"
    ALARM_ACKED = "ampward.alarm.acked.v1"
    ALARM_RESET = "ampward.alarm.reset.v1"
    ALARM_CLEARED = "ampward.alarm.cleared.v1"
    ALARM_SUPERSEDED = "ampward.alarm.superseded.v1"
    ALARM_REANNOUNCED = "ampward.alarm.reannounced.v1"
    ALARM_SHELVED = "ampward.alarm.shelved.v1"
    ALARM_UNSHELVED = "ampward.alarm.unshelved.v1"
    ALARM_SUPPRESSED = "ampward.alarm.suppressed.v1"
    ALARM_UNSUPPRESSED = "ampward.alarm.unsuppressed.v1"
    ALARM_OUT_OF_SERVICE = "ampward.alarm.out_of_service.v1"
    ALARM_IN_SERVICE = "ampward.alarm.in_service.v1"
    ALARM_RETIRED = "ampward.alarm.retired.v1"
    """The rule of an open alarm is no longer in the rule set: its close."""
    OUTPUT_DEMANDED = "ampward.output.demanded.v1"
    OUTPUT_RELEASED = "ampward.output.released.v1"
    OUTPUT_CONFIRMED = "ampward.output.confirmed.v1"
    OUTPUT_FAILED = "ampward.output.failed.v1"
    OUTPUT_CONTESTED = "ampward.output.contested.v1"
    OUTPUT_SILENCED = "ampward.output.silenced.v1"
    OUTPUT_LEASED = "ampward.output.leased.v1"
    """The centre holds it on for so long, whatever else demands it."""
    SIGNAL_LOST = "ampward.signal.lost.v1"
    SIGNAL_RESTORED = "ampward.signal.restored.v1"
    INPUT_REJECTED = "ampward.input.rejected.v1"
    INPUT_LATE = "ampward.input.late.v1"
    INPUT_GAP = "ampward.input.gap.v1"
    INPUT_UNDECODABLE = "ampward.input.undecodable.v1"
    MODE_CHANGED = "ampward.mode.changed.v1"
    MAINTENANCE_STARTED = "ampward.maintenance.started.v1"
    MAINTENANCE_ENDING = "ampward.maintenance.ending.v1"
    """It ends in a quarter of an hour."""
    MAINTENANCE_ENDED = "ampward.maintenance.ended.v1"
    PART_REPLACED = "ampward.part.replaced.v1"
    BASELINE_REQUESTED = "ampward.baseline.requested.v1"
    BASELINE_SET = "ampward.baseline.set.v1"
    CALIBRATION_DONE = "ampward.calibration.done.v1"
    PROOF_TEST_DONE = "ampward.proof_test.done.v1"
    RULES_CHANGED = "ampward.rules.changed.v1"
    LOG_STARTED = "ampward.log.started.v1"
    LOG_RESYNCED = "ampward.log.resynced.v1"
    TEST_REQUESTED = "ampward.test.requested.v1"
    DELIVERY_SENT = "ampward.delivery.sent.v1"
    DELIVERY_FAILED = "ampward.delivery.failed.v1"
    DELIVERY_RECEIPTED = "ampward.delivery.receipted.v1"
    REPORT_RECORDED = "ampward.report.recorded.v1"


FAMILIES = tuple(sorted({kind.value.rsplit(".", 2)[0] for kind in EventType}))
"""What the types begin with, without what happened and the version: ampward.alarm, ampward.baseline ..."""


def is_type_prefix(text: str) -> bool:
    """Whether the type of some event begins so; of an empty text each does."""
    return any(kind.value.startswith(text) for kind in EventType)


class Event(NamedTuple):
    """One fact that the core derived. Field order is the byte order."""

    type: str
    id: str
    site: str
    room: str
    room_no: int
    """Dense per room, from 1."""
    log_id: str
    site_seq: int
    """(site, log_id, site_seq) is the input that caused it: CloudEvents ``causationid``."""
    ordinal: int
    tick_ms: int
    at_ms: int
    version: str
    """Hash of the decision version."""
    subject: str
    """Alarm or output id, or the path of what it is about."""
    occurrence: str
    rule: str
    severity: str
    state: str
    """Process region A to F after the event, for alarms; on / off for outputs; the mode for modes."""
    value: str
    """Decimal string."""
    unit: str
    limit: str
    quality: str
    reason: str
    actor: str
    until_ms: int
    """tick_ms at which a shelving, an out-of-service or a maintenance ends, or 0."""


class About(NamedTuple):
    """What readers choose events by."""

    type: str
    site: str
    room: str
    rule: str
    severity: str


def about(event: Event) -> About:
    return About(event.type, event.site, event.room, event.rule, event.severity)
