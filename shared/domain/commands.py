"""Operators' commands: what each does, and every reason to refuse it.

A command is checked whole before anything changes; a refused one makes exactly one ampward.input.rejected event with
the present occurrence and severity, an accepted one never makes that event. An ack names what the person saw: the
occurrence and the severity. Without an occurrence it is taken only when exactly one open occurrence stands under the
subject. No command lowers a demand, except that silence quiets a buzzer until the next alarm. A lease of the centre is
a command too, in the order of the log as every other.
"""

from collections.abc import Callable

from shared.domain import alarms, upkeep
from shared.domain.alarm_machine import UNACKED, Override, OverrideTrigger, State, Trigger
from shared.domain.events import EventType
from shared.domain.ids import SITE_ROOM
from shared.domain.index import covers, highest_severity
from shared.domain.inputs import Command, Refusal, Rejected, What
from shared.domain.plan import OutputKind, Severity
from shared.domain.state import Maintenance
from shared.domain.trip import FAR_MS
from shared.domain.turn import Turn, Wake

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
SHELVE_MAX_MS = 24 * HOUR_MS
MAINTENANCE_MAX_MS = 24 * HOUR_MS
OUT_OF_SERVICE_MAX_MS = 30 * 24 * HOUR_MS
TEST_MAX_MS = HOUR_MS
LEASE_MAX_MS = 15 * MINUTE_MS
CENTRE = "centre:"
"""What the actor of a command begins with that came down from the fleet."""
REMIND_MS = 15 * MINUTE_MS
"""A maintenance of twice this is told of so long before its end."""
LEASE_DIGITS = 32
TEST_MS = 10_000
"""A test without a duration lasts so long."""

_ONE_ALARM = "name an alarm, SITE/ROOM/POINT/RULE"
_SUBJECTS: dict[What, str] = {
    What.ACK: f"{_ONE_ALARM}, or a place with one that is open, SITE/ROOM",
    What.RESET: f"{_ONE_ALARM}, or a place with one that is open, SITE/ROOM",
    What.SHELVE: _ONE_ALARM,
    What.UNSHELVE: _ONE_ALARM,
    What.OUT_OF_SERVICE: _ONE_ALARM,
    What.IN_SERVICE: f"{_ONE_ALARM}, a room, SITE/ROOM, or the site",
    What.MAINTENANCE: "name a room, SITE/ROOM, or the site",
    What.SILENCE: "name a buzzer, SITE/ROOM/OUTPUT, a room, SITE/ROOM, or the site",
    What.TEST: "name an output, SITE/ROOM/OUTPUT, or a way to a person, SITE/_site/CHANNEL/PERSON",
    What.REPLACE: "name a part as `ampward stock` lists it: a jar, SITE/ROOM/BATTERY/2S4, its module or sensor, a"
    " gas head, SITE/ROOM/POINT, or a device, SITE/ROOM/DEVICE",
    What.BASELINE: "name a jar, SITE/ROOM/BATTERY/2S4, a string, SITE/ROOM/BATTERY/STRING, or a battery",
    What.CALIBRATED: "name a hydrogen detector, SITE/ROOM/POINT",
    What.PROOF_TESTED: "name an output, SITE/ROOM/OUTPUT",
    What.HOLD_ON: "name an output, SITE/ROOM/OUTPUT",
}
"""What a person may name, said when there is nothing of that name."""


def take(turn: Turn, command: Command) -> None:
    """Carry out a command, or refuse it."""
    rejected = _HANDLERS[command.what](turn, command)
    if rejected is not None:
        text = rejected.text
        if rejected.refusal is Refusal.UNKNOWN_SUBJECT and not text:
            text = _SUBJECTS.get(command.what, "")
        turn.emit(
            EventType.INPUT_REJECTED,
            command.subject,
            occurrence=rejected.occurrence,
            severity=rejected.severity.label if rejected.severity is not None else "",
            reason=f"{rejected.refusal.value}: {text}" if text else rejected.refusal.value,
            actor=command.actor,
        )


def _no(refusal: Refusal, text: str = "") -> Rejected:
    return Rejected(refusal, text, "", None)


def _no_alarm(turn: Turn, a: int, refusal: Refusal, text: str = "") -> Rejected:
    record = turn.state.records.get(a)
    if record is None or not record.occurrence:
        return _no(refusal, text)
    return Rejected(refusal, text, record.occurrence, record.severity)


# Ack and reset: by occurrence


def _ack(turn: Turn, command: Command) -> Rejected | None:
    found = _one(turn, command, lambda state: state in UNACKED)
    if isinstance(found, Rejected):
        return found
    record = turn.state.records[found]
    if record.state not in UNACKED:
        return _no_alarm(turn, found, Refusal.ALREADY, "acked")
    if command.severity_seen is not None and command.severity_seen < record.severity:
        return _no_alarm(turn, found, Refusal.SEVERITY_ROSE, f"it is {record.severity.label} now")
    alarms.move(turn, found, Trigger.ACK)
    alarms.tell(turn, found, EventType.ALARM_ACKED, reason=command.reason, actor=command.actor)
    alarms.close_if_normal(turn, found, actor=command.actor)
    return None


def _reset(turn: Turn, command: Command) -> Rejected | None:
    found = _one(turn, command, lambda state: state in (State.E, State.F))
    if isinstance(found, Rejected):
        return found
    record = turn.state.records[found]
    if record.state in (State.B, State.C):
        return _no_alarm(turn, found, Refusal.CONDITION_TRUE, "the condition is true")
    if record.state is State.D:
        return _no_alarm(turn, found, Refusal.NOT_LATCHED)
    if alarms.has_unknown_raw(turn, found):
        return _no_alarm(turn, found, Refusal.CONDITION_TRUE, "the condition is unknown")
    if record.state is State.E:
        return _no_alarm(turn, found, Refusal.NOT_ACKED)
    alarms.move(turn, found, Trigger.RESET)
    alarms.tell(turn, found, EventType.ALARM_RESET, reason=command.reason, actor=command.actor)
    alarms.close_if_normal(turn, found, actor=command.actor)
    return None


def _one(turn: Turn, command: Command, is_wanted: Callable[[State], bool]) -> int | Rejected:
    """The one alarm with an open occurrence that the command means."""
    state = turn.state
    exact = state.index.alarm_by_id.get(command.subject)
    if exact is not None:
        record = state.records.get(exact)
        if record is None or not record.occurrence:
            return _no(Refusal.NOT_ACTIVE)
        if command.occurrence and command.occurrence != record.occurrence:
            return _no_alarm(turn, exact, Refusal.OTHER_OCCURRENCE)
        return exact
    is_under = covers(state.plan, command.subject)
    if not any(is_under(alarm.id) for alarm in state.plan.alarms):
        return _no(Refusal.UNKNOWN_SUBJECT)
    opened = [a for a in sorted(state.records) if state.records[a].occurrence and is_under(state.plan.alarms[a].id)]
    if command.occurrence:
        same = [a for a in opened if state.records[a].occurrence == command.occurrence]
        return same[0] if same else _no(Refusal.OTHER_OCCURRENCE)
    wanted = [a for a in opened if is_wanted(state.records[a].state)] or opened
    if len(wanted) > 1:
        return _no(Refusal.OTHER_OCCURRENCE, f"{len(wanted)} alarms are open there, name one")
    return wanted[0] if wanted else _no(Refusal.NOT_ACTIVE)


# Overrides


def _alarm(turn: Turn, command: Command) -> int | Rejected:
    a = turn.state.index.alarm_by_id.get(command.subject)
    return _no(Refusal.UNKNOWN_SUBJECT) if a is None else a


def _override(turn: Turn, a: int) -> Override:
    record = turn.state.records.get(a)
    return Override.NONE if record is None else record.override


def _shelve(turn: Turn, command: Command) -> Rejected | None:
    a = _alarm(turn, command)
    if isinstance(a, Rejected):
        return a
    override = _override(turn, a)
    if override in (Override.SHELVED, Override.OUT_OF_SERVICE):
        return _no_alarm(turn, a, Refusal.ALREADY, override.value)
    trouble = _reason_and_end(command, SHELVE_MAX_MS)
    if trouble is not None:
        return _no_alarm(turn, a, *trouble)
    alarms.begin_override(
        turn, a, OverrideTrigger.SHELVE, why=command.reason, actor=command.actor, for_ms=command.for_ms
    )
    return None


def _unshelve(turn: Turn, command: Command) -> Rejected | None:
    a = _alarm(turn, command)
    if isinstance(a, Rejected):
        return a
    if _override(turn, a) is not Override.SHELVED:
        return _no_alarm(turn, a, Refusal.NOT_SHELVED)
    alarms.end_override(turn, a, OverrideTrigger.UNSHELVE, reason=command.reason, actor=command.actor)
    return None


def _out_of_service(turn: Turn, command: Command) -> Rejected | None:
    a = _alarm(turn, command)
    if isinstance(a, Rejected):
        return a
    if _override(turn, a) is Override.OUT_OF_SERVICE:
        return _no_alarm(turn, a, Refusal.ALREADY, "out of service")
    critical = highest_severity(turn.state.index, a) is Severity.CRITICAL
    trouble = _reason_and_end(command, OUT_OF_SERVICE_MAX_MS, needs_end=critical)
    if trouble is not None:
        return _no_alarm(turn, a, *trouble)
    if critical and (not command.second_person.strip() or command.second_person.strip() == command.actor):
        return _no_alarm(turn, a, Refusal.SECOND_PERSON_MISSING, "a critical alarm needs one besides the actor")
    if critical and not command.measure.strip():
        return _no_alarm(turn, a, Refusal.MEASURE_MISSING, "a critical alarm needs a compensating measure")
    parts = [command.reason]
    if command.second_person.strip():
        parts.append(f"second person {command.second_person.strip()}")
    if command.measure.strip():
        parts.append(f"measure {command.measure.strip()}")
    alarms.begin_override(
        turn, a, OverrideTrigger.OUT_OF_SERVICE, why="; ".join(parts), actor=command.actor, for_ms=command.for_ms
    )
    return None


def _in_service(turn: Turn, command: Command) -> Rejected | None:
    if command.subject in turn.state.maintenance:
        end_maintenance(turn, command.subject, reason=command.reason, actor=command.actor)
        return None
    a = _alarm(turn, command)
    if isinstance(a, Rejected):
        return a if not _is_place(turn, command.subject) else _no(Refusal.ALREADY, "in service")
    if _override(turn, a) is not Override.OUT_OF_SERVICE:
        return _no_alarm(turn, a, Refusal.ALREADY, "in service")
    alarms.end_override(turn, a, OverrideTrigger.IN_SERVICE, reason=command.reason, actor=command.actor)
    return None


def _reason_and_end(command: Command, longest_ms: int, *, needs_end: bool = True) -> tuple[Refusal, str] | None:
    if not command.reason.strip():
        return Refusal.REASON_MISSING, ""
    if command.for_ms < 0 or (needs_end and command.for_ms == 0):
        return Refusal.DURATION_MISSING, ""
    if command.for_ms > longest_ms:
        longest = f"{longest_ms // HOUR_MS} h" if longest_ms >= HOUR_MS else f"{longest_ms // MINUTE_MS} min"
        return Refusal.DURATION_TOO_LONG, f"at most {longest}"
    return None


# Maintenance


def _is_place(turn: Turn, subject: str) -> bool:
    """The site, the room, or something in it that alarms stand under."""
    is_under = covers(turn.state.plan, subject)
    return any(is_under(alarm.id) for alarm in turn.state.plan.alarms)


def _maintenance(turn: Turn, command: Command) -> Rejected | None:
    if not _is_place(turn, command.subject):
        return _no(Refusal.UNKNOWN_SUBJECT)
    if command.subject in turn.state.maintenance:
        return _no(Refusal.ALREADY, "in maintenance")
    trouble = _reason_and_end(command, MAINTENANCE_MAX_MS)
    if trouble is not None:
        return _no(*trouble)
    until_ms = turn.now + command.for_ms
    remind_ms = until_ms - REMIND_MS if command.for_ms >= 2 * REMIND_MS else FAR_MS
    turn.state.maintenance[command.subject] = Maintenance(until_ms, command.actor, command.reason, remind_ms)
    turn.emit(
        EventType.MAINTENANCE_STARTED,
        command.subject,
        reason=command.reason,
        actor=command.actor,
        until_ms=until_ms,
    )
    turn.wake(Wake.MAINTENANCE, 0, min(until_ms, remind_ms))
    alarms.suppress_open(turn)
    return None


def advance_maintenance(turn: Turn, due: int) -> None:
    """End what is over by ``due``, and tell of what ends soon."""
    for subject, maintenance in sorted(turn.state.maintenance.items()):
        if maintenance.until_ms <= due:
            end_maintenance(turn, subject, reason="time is over", actor="")
        elif maintenance.remind_ms <= due:
            maintenance.remind_ms = FAR_MS
            turn.emit(
                EventType.MAINTENANCE_ENDING,
                subject,
                reason=maintenance.reason,
                actor=maintenance.actor,
                until_ms=maintenance.until_ms,
            )


def end_maintenance(turn: Turn, subject: str, *, reason: str, actor: str) -> None:
    """By a person, or because its time is over."""
    del turn.state.maintenance[subject]
    turn.emit(EventType.MAINTENANCE_ENDED, subject, reason=reason, actor=actor)
    alarms.suppress_open(turn)


# Outputs


def _silence(turn: Turn, command: Command) -> Rejected | None:
    """One buzzer, a room's, or (the site's name) all there are: then a quiet room refuses nothing."""
    state = turn.state
    plans = state.plan.outputs
    if command.subject in (state.plan.site, f"{state.plan.site}/{state.plan.id}"):
        meant = list(state.index.buzzers)
    else:
        meant = [o for o, plan in enumerate(plans) if plan.id == command.subject]
        if not meant:
            return _no(Refusal.UNKNOWN_SUBJECT)
        if plans[meant[0]].kind is not OutputKind.BUZZER:
            return _no(Refusal.NOT_SUPPORTED, "only a buzzer can be silenced")
    sounding = [o for o in meant if state.outputs[o].on]
    if not sounding and command.subject != state.plan.site:
        silent = any(state.outputs[o].silenced for o in meant)
        return _no(Refusal.ALREADY, "silenced") if silent else _no(Refusal.NOT_ACTIVE)
    for o in sounding:
        state.outputs[o].silenced = True
        turn.emit(EventType.OUTPUT_SILENCED, plans[o].id, state="off", reason=command.reason, actor=command.actor)
    turn.outputs_dirty = True
    return None


def _test(turn: Turn, command: Command) -> Rejected | None:
    state = turn.state
    o = next((o for o, plan in enumerate(state.plan.outputs) if plan.id == command.subject), None)
    if o is None and _is_way(turn, command.subject):
        turn.emit(EventType.TEST_REQUESTED, command.subject, reason=command.reason, actor=command.actor)
        return None
    if o is None:
        known = command.subject in state.index.alarm_by_id or _is_place(turn, command.subject)
        return _no(Refusal.NOT_SUPPORTED, "only outputs can be tested") if known else _no(Refusal.UNKNOWN_SUBJECT)
    if command.for_ms > TEST_MAX_MS:
        return _no(Refusal.DURATION_TOO_LONG, "at most 1 h")
    until_ms = turn.now + (command.for_ms if command.for_ms > 0 else max(TEST_MS, 2 * state.plan.outputs[o].run_up_ms))
    state.outputs[o].test_until_ms = max(state.outputs[o].test_until_ms, until_ms)
    state.outputs[o].test_by = command.actor
    turn.emit(EventType.TEST_REQUESTED, command.subject, reason=command.reason, actor=command.actor, until_ms=until_ms)
    turn.outputs_dirty = True
    return None


def _hold_on(turn: Turn, command: Command) -> Rejected | None:
    """The centre's lease: on for so long from now. There is none that says off."""
    o = next((o for o, plan in enumerate(turn.state.plan.outputs) if plan.id == command.subject), None)
    if o is None:
        return _no(Refusal.UNKNOWN_SUBJECT)
    output = turn.state.outputs[o]
    if not command.actor.startswith(CENTRE):
        return _no(Refusal.NOT_SUPPORTED, "only the fleet's centre gives leases; at the site there is test")
    if len(command.occurrence) != LEASE_DIGITS or not set(command.occurrence) <= set("0123456789abcdef"):
        return _no(Refusal.OUT_OF_RANGE, "a lease is named by epoch and number, 16 hexadecimal digits each")
    if command.occurrence <= output.lease:
        epoch, number = int(output.lease[:16], 16), int(output.lease[16:], 16)
        return Rejected(Refusal.STALE_LEASE, f"epoch {epoch} number {number} was given already", output.lease, None)
    trouble = _reason_and_end(command, LEASE_MAX_MS)
    if trouble is not None:
        return _no(*trouble)
    output.lease, output.lease_by = command.occurrence, command.actor
    output.lease_until_ms = turn.now + command.for_ms
    turn.emit(
        EventType.OUTPUT_LEASED,
        command.subject,
        state="on",
        reason=command.reason,
        actor=command.actor,
        until_ms=output.lease_until_ms,
    )
    turn.outputs_dirty = True
    return None


def _is_way(turn: Turn, subject: str) -> bool:
    """SITE/_site/CHANNEL/PERSON, of a channel that messages go out by: a test message is asked for."""
    channel, _, person = subject.rpartition("/")
    is_below = channel.startswith(f"{turn.state.plan.site}/{SITE_ROOM}/")
    return bool(person) and is_below and f"{channel}/delivery_failing" in turn.state.index.alarm_by_id


_HANDLERS: dict[What, Callable[[Turn, Command], Rejected | None]] = {
    What.ACK: _ack,
    What.RESET: _reset,
    What.SHELVE: _shelve,
    What.UNSHELVE: _unshelve,
    What.SILENCE: _silence,
    What.OUT_OF_SERVICE: _out_of_service,
    What.IN_SERVICE: _in_service,
    What.MAINTENANCE: _maintenance,
    What.TEST: _test,
    What.REPLACE: upkeep.replace,
    What.BASELINE: upkeep.baseline,
    What.CALIBRATED: upkeep.calibrated,
    What.PROOF_TESTED: upkeep.proof_tested,
    What.HOLD_ON: _hold_on,
}
