"""From events to planned messages: one pipeline, pure. Time and events come in as values; the picture is all state.

    event -> fold -> suppress -> route -> STAGES of each person and channel -> a message of its own, or held back
    time  -> duties that begin, escalation, reminders -> the same STAGES
          -> what was held back and no longer is -> one message for each person and channel

STAGES (services.notifier.stages) are late, quiet and grouping; each answers why an item is held back now.
Sending, trying again and recording follow in services.notifier.post; what became of a message comes back by
:func:`settle`.
Promises: every event that matches is in exactly one message for each person and channel, or is held back and will be;
an ack stops only its own occurrence; an event taken twice is told once. Nothing is told of an alarm that is shelved,
suppressed or out of service; when that ends and it is still open, it is told then. An event that was taken before the
log's order came to it (``ahead``: by the live lane, while a backlog is read) is known when it comes again. A lane that
refused is offered an alarm that nobody acks again at a pace of its own, and at once when its address or channel has
changed.
"""

from services.notifier.lease import is_told_by
from services.notifier.messages import OVER, Form, Item, Kind, Lane, Message, lane_of, message_id, probe_message
from services.notifier.moments import passed_today
from services.notifier.picture import NEVER_TESTED, Ahead, LaneState, Open, Picture, Told
from services.notifier.routing import (
    Recipient,
    daily_lanes,
    refused_again_ms,
    repeats,
    severity_of,
    way_of,
)
from services.notifier.stages import MINUTE_MS, STAGES, Look, is_critical_alarm, is_gas, quiet
from services.notifier.turn import Turn
from shared.domain.events import Event, EventType
from shared.domain.plan import Severity

LATE_MS = 600_000
LOOK_MS_MAX = 20_000
"""An alarm that nobody has acked is looked at so often at least: a schedule may have begun."""

_ANNOUNCING = {
    EventType.ALARM_RAISED: Kind.RAISED,
    EventType.ALARM_ESCALATED: Kind.ESCALATED,
    EventType.ALARM_REANNOUNCED: Kind.AGAIN,
}
HIDING = {
    EventType.ALARM_SHELVED: "shelved",
    EventType.ALARM_SUPPRESSED: "suppressed",
    EventType.ALARM_OUT_OF_SERVICE: "out_of_service",
}
SHOWING = {EventType.ALARM_UNSHELVED, EventType.ALARM_UNSUPPRESSED, EventType.ALARM_IN_SERVICE}
CLOSING = {EventType.ALARM_CLEARED, EventType.ALARM_SUPERSEDED, EventType.ALARM_RETIRED}
_ACTIVE = "BC"
_UNACKED = "BDE"
_STANDING = "BE"
"""Unacked, and the condition or its latch still stands."""


def take(turn: Turn, event: Event, *, undurable: bool = False, late: bool = False, ahead: bool = False) -> None:
    """Take one event of the log, in its order or ``ahead`` of it."""
    picture = turn.picture
    if not event.type.startswith("ampward.alarm.") or event.id in picture.misc.undurable:
        return
    if undurable and not ahead:
        picture.remember_undurable(event.id)
    if event.type in SHOWING and not ahead:
        _show_closed(turn, event)
    if not event.occurrence:
        return
    before = picture.open.get(event.occurrence)
    if before is not None and before.ahead is not None and before.ahead.covers(event):
        return
    found = _known(turn, event)
    if found is None:
        return
    if ahead:
        found.ahead = Ahead(event.log_id, event.site_seq, event.ordinal, event.tick_ms)
    found.state = event.state or found.state
    picture.touch(event.occurrence)
    if event.type in _ANNOUNCING:
        _announced(turn, found, Item(_ANNOUNCING[EventType(event.type)], event, 0, undurable, late))
    elif event.type == EventType.ALARM_RETURNED:
        found.hidden = event.reason
        _over(turn, found, Item(Kind.RETURNED, event, 0, undurable, late))
    elif event.type in HIDING and severity_of(event) is not Severity.CRITICAL:
        found.hidden = HIDING[EventType(event.type)]
    elif event.type in SHOWING:
        _shown(turn, found, Item(Kind.AGAIN, event, 0, undurable, late))
    elif event.type in CLOSING:
        _closed(turn, found, Item(Kind.CLOSED, event, 0, undurable, late))


def find_open(turn: Turn, event: Event, hidden: str) -> None:
    """An alarm that was found open without an event that was read: it is told in a summary."""
    if event.occurrence in turn.picture.open:
        return
    found = Open(event, event.state, turn.moment.steady_ms, hidden)
    turn.picture.open[event.occurrence] = found
    turn.picture.touch(event.occurrence)
    item = Item(Kind.OPEN, event, late=True)
    if hidden:
        found.missed = item
    else:
        _announce(turn, found, item)


def notice(turn: Turn, event: Event, hidden: str) -> None:
    """An alarm that is open and was passed over when it was raised: it is told when somebody's duty for it begins."""
    if event.occurrence not in turn.picture.open:
        missed = Item(Kind.OPEN, event) if hidden else None
        turn.picture.open[event.occurrence] = Open(event, event.state, turn.moment.steady_ms, hidden, missed)
        turn.picture.touch(event.occurrence)


def find_again(turn: Turn, item: Item, hidden: str) -> None:
    """An alarm that is open on a restored box: told to whoever is in line and whoever was told of it before."""
    event = item.event
    found = turn.picture.open.setdefault(event.occurrence, Open(event, event.state, turn.moment.steady_ms))
    found.state, found.hidden, found.over = event.state, hidden, None
    turn.picture.touch(event.occurrence)
    if hidden:
        found.missed = item
        return
    before = [key for key, told in found.told.items() if told.is_open]
    _announce(turn, found, item)
    in_line = {one.lane.key for one in turn.line(found.event) if not one.step}
    for key in before:
        if key not in in_line and not found.told[key].is_next:
            _offer(turn, found, lane_of(key), item)


def find_gone(turn: Turn, occurrence: str) -> None:
    """An alarm that was known as open is so no more, and the events that would tell were not read."""
    found = turn.picture.open[occurrence]
    over = found.over or Item(Kind.CLOSED, found.event, late=True)
    found.hidden, found.over, found.closed = "", None, True
    turn.picture.touch(occurrence)
    _over(turn, found, over)


def due(turn: Turn, *, caught_up: bool = True) -> None:
    """What time alone brings. ``caught_up`` is False while older events are still to be read: then nothing is told of
    alarms that may be over by now, and the summary waits."""
    turn.is_ahead &= not caught_up
    if caught_up or turn.is_ahead:
        for occurrence, found in list(turn.picture.open.items()):
            is_due = turn.picture.looked.get(occurrence, 0) <= turn.moment.steady_ms
            is_due = is_due and (found.ahead is not None or not turn.is_ahead)
            if is_due and found.state in _UNACKED and not found.hidden and not found.closed:
                turn.picture.looked[occurrence] = turn.moment.steady_ms + LOOK_MS_MAX
                _attend(turn, found)
        for key in list(turn.picture.held):
            _flush(turn, key)
    if caught_up:
        _forget_closed(turn)
    _test_daily(turn)


def settle(picture: Picture, message: Message, *, refused: str = "", why: str = "") -> None:
    """A message reached the other side, or was refused by this way and for this reason."""
    lane = picture.lanes.get(message.lane.key)
    if lane is not None and lane.pending == message.id:
        picture.lane(message.lane).pending = ""
    if refused or (lane is not None and lane.refused):
        lane = picture.lane(message.lane)
        lane.refused, lane.why = refused, why if refused else ""
    for occurrence in message.occurrences:
        found = picture.open.get(occurrence)
        told = found.told.get(message.lane.key) if found is not None else None
        if told is not None:
            told.pending = "" if told.pending == message.id else told.pending
            told.refused = refused
            told.heard = told.heard or not refused
            picture.touch(occurrence)


def _forget_closed(turn: Turn) -> None:
    """A closed occurrence is kept as long as something of it is held back, for its thread."""
    over = [occurrence for occurrence, found in turn.picture.open.items() if found.closed and found.over is None]
    closed = [occurrence for occurrence in over if turn.picture.open[occurrence].ahead is None]
    if closed:
        held = {item.event.occurrence for items in turn.picture.held.values() for item in items.values()}
        for occurrence in closed:
            if occurrence not in held:
                turn.picture.forget(occurrence)


# Folding


def _known(turn: Turn, event: Event) -> Open | None:
    """The occurrence's record; None when the event is to be passed over."""
    picture = turn.picture
    found = picture.open.get(event.occurrence)
    if event.type == EventType.ALARM_RAISED:
        if found is not None:
            return None
        found = picture.open[event.occurrence] = Open(event, event.state, turn.moment.steady_ms)
    elif found is None and event.type in _ANNOUNCING:
        found = picture.open[event.occurrence] = Open(event, event.state, turn.moment.steady_ms)
    return found


def _announced(turn: Turn, found: Open, item: Item) -> None:
    found.event = item.event
    found.since_ms = turn.moment.steady_ms
    found.hidden = item.event.reason
    if found.hidden:
        found.missed = item
    else:
        _announce(turn, found, item)


def _shown(turn: Turn, found: Open, item: Item) -> None:
    """A shelving, suppression or out-of-service ends. What is active the core announces itself, in the next event: it
    stays hidden until then."""
    is_latched = found.state == "E" and item.event.type != EventType.ALARM_UNSUPPRESSED
    if found.state in _ACTIVE or is_latched:
        return
    found.hidden = ""
    if found.over is not None:
        over, found.over = found.over, None
        _over(turn, found, over)
    elif found.state == "E" and found.missed is not None:
        found.event = item.event
        _announce(turn, found, item)


def _show_closed(turn: Turn, event: Event) -> None:
    """What was closed under the override that ends now."""
    for occurrence, found in list(turn.picture.open.items()):
        if found.closed and found.event.subject == event.subject and found.over is not None:
            found.hidden, over, found.over = "", found.over, None
            turn.picture.touch(occurrence)
            _over(turn, found, over)


def _over(turn: Turn, found: Open, item: Item) -> None:
    """Tell whoever was told that it is open."""
    if found.hidden:
        found.over = item
        return
    turn.picture.touch(item.event.occurrence)
    found.missed = None
    for key, told in list(found.told.items()):
        if told.is_open and (told.heard or not told.refused):
            told.is_open = False
            _offer(turn, found, lane_of(key), item)


def _closed(turn: Turn, found: Open, item: Item) -> None:
    if found.hidden.startswith("suppressed"):
        found.hidden = ""
    if any(told.is_open for told in found.told.values()):
        over, found.over = found.over or item, None
        _over(turn, found, over)
    found.closed = True


# Whom to tell


def _announce(turn: Turn, found: Open, item: Item) -> None:
    found.missed = None
    lanes = [one.lane for one in turn.line(found.event) if not one.step]
    if found.state in _UNACKED:
        # Whoever was told because nobody acked goes on being told.
        lanes += [lane_of(key) for key, told in found.told.items() if told.is_next]
    for lane in dict.fromkeys(lanes):
        _offer(turn, found, lane, item)


def _attend(turn: Turn, found: Open) -> None:
    """Duties that begin, escalation and reminders of an alarm that nobody has acked."""
    now = turn.moment.steady_ms
    line = turn.line(found.event)
    is_cut_off = bool(found.told) and all(told.refused for told in found.told.values())
    before = tuple(found.told)
    for one in line:
        if one.lane.key not in found.told and found.state in _STANDING:
            at_ms = 0 if one.step == 0 or is_cut_off else found.since_ms + one.step * one.route.escalate_after_ms
            if now >= at_ms:
                _tell_next(turn, found, one)
            else:
                _look_again(turn, found, at_ms)
    severity = severity_of(found.event)
    is_reminded = found.state in _STANDING or severity is Severity.CRITICAL
    every_ms = repeats(line, severity)
    for key in before:
        if key not in every_ms:
            continue
        told, lane = found.told[key], lane_of(key)
        every = refused_again_ms(severity) if told.refused else every_ms[key]
        is_due = every > 0 and now - told.at_ms >= every
        if told.refused and told.refused != way_of(turn.setting, lane):
            is_due = not _is_reminded(turn, lane, found.event.occurrence)
        if is_reminded and is_due and told.first and not told.pending:
            found.reminders += 1
            _offer(turn, found, lane, Item(Kind.REMINDER, found.event, found.reminders))
        if every > 0:
            _look_again(turn, found, told.at_ms + every)


def _look_again(turn: Turn, found: Open, at_ms: int) -> None:
    """Time brings something at ``at_ms``; until then, or until something happens, the occurrence is left alone."""
    looked, occurrence = turn.picture.looked, found.event.occurrence
    now = turn.moment.steady_ms
    looked[occurrence] = min(looked.get(occurrence, now), max(at_ms, now + 1))


def _tell_next(turn: Turn, found: Open, one: Recipient) -> None:
    kind = Kind.NEXT if one.step else Kind.OPEN
    _offer(turn, found, one.lane, Item(kind, found.event))
    found.told[one.lane.key].is_next = one.step > 0


# One person and channel


def _offer(turn: Turn, found: Open, lane: Lane, item: Item) -> None:
    """One item for one lane: planned on its own, or held back."""
    told = found.told.setdefault(lane.key, Told())
    turn.picture.touch(item.event.occurrence)
    told.is_open = item.kind not in OVER
    state = turn.picture.lane(lane)
    look = _look(turn, lane, state, item)
    if any(stage(look) for stage in STAGES):
        told.at_ms = turn.moment.steady_ms
        if item.kind is not Kind.REMINDER or not _is_reminded(turn, lane, item.event.occurrence):
            turn.picture.hold(lane, item, turn.leased)
        return
    if is_critical_alarm(item):
        if not is_gas(item):
            state.own_ms.append(turn.moment.steady_ms)
        _plan(turn, lane, (item,), Form.ALARM)
    else:
        _plan_grouped(turn, lane, state, (item,))


def _look(turn: Turn, lane: Lane, state: LaneState, item: Item) -> Look:
    return Look(turn.picture, turn.setting, turn.moment, lane, state, item)


def _is_reminded(turn: Turn, lane: Lane, occurrence: str) -> bool:
    """A reminder of it is held back already."""
    held = turn.picture.held.get(lane.key, {}).values()
    return any(one.kind is Kind.REMINDER and one.event.occurrence == occurrence for one in held)


def _flush(turn: Turn, key: str) -> None:
    """What was held back and no longer is, as one message. What is told ahead does not wait with what is old."""
    lane, state = lane_of(key), turn.picture.lanes[key]
    if state.pending or turn.moment.steady_ms - state.last_ms < MINUTE_MS:
        return
    held = turn.picture.held[key].items()
    ready = [number for number, item in held if not quiet(_look(turn, lane, state, item))]
    if turn.is_ahead:
        ready = [number for number in ready if not turn.picture.held[key][number].late]
    items = turn.picture.release(lane, ready) if ready else ()
    for item in items:
        if item.is_notice:
            plan_notice(turn, lane, item)
    alarms = [item for item in items if not item.is_notice]
    for is_ours in (False, True):  # What another tells is a message of its own; the lane waits for ours.
        mine = tuple(item for item in alarms if is_told_by(turn.sender, turn.leased, item) is is_ours)
        if mine:
            _plan_grouped(turn, lane, turn.picture.lane(lane), mine)


def _plan_grouped(turn: Turn, lane: Lane, state: LaneState, items: tuple[Item, ...]) -> None:
    form = Form.ALARM if len(items) == 1 else Form.GROUP
    if any(item.late for item in items):
        form = Form.SUMMARY
    state.last_ms = turn.moment.steady_ms
    state.pending = _plan(turn, lane, items, form).id


def _plan(turn: Turn, lane: Lane, items: tuple[Item, ...], form: Form) -> Message:
    ident = message_id(lane, *(item.key for item in items))
    told = [
        one
        for occurrence in dict.fromkeys(item.event.occurrence for item in items)
        if (found := turn.picture.open.get(occurrence)) is not None and (one := found.told.get(lane.key)) is not None
    ]
    occurrences = {item.event.occurrence for item in items}
    follows = tuple(dict.fromkeys(ident for one in told for ident in (one.first, one.last) if ident))
    message = Message(
        id=ident,
        lane=lane,
        form=form,
        items=items,
        thread=occurrences.pop() if len(occurrences) == 1 else message_id(lane, "group", ident),
        follows=follows[:20],
        urgent=any(is_critical_alarm(item) for item in items),
        at_ms=turn.moment.wall_ms,
    )
    for one in told:
        one.first = one.first or ident
        one.last = one.pending = ident
        one.count += 1
        one.at_ms = turn.moment.steady_ms
    turn.planned.append(message)
    return message


def _test_daily(turn: Turn) -> None:
    """Once a day a test message to each lane, when its minute has come while the notifier ran."""
    for test in turn.setting.plan.daily_test:
        day = passed_today(test.minute, turn.moment.wall_ms, turn.setting.zone)
        tested = turn.picture.misc.tested
        if not tested:  # The first look: a minute that has gone by already came before this notifier.
            turn.picture.tested_on(day or NEVER_TESTED)
        elif day and day != tested:
            turn.picture.tested_on(day)
            for lane in daily_lanes(turn.setting):
                turn.planned.append(probe_message(lane, day, turn.moment.wall_ms))


def plan_notice(turn: Turn, lane: Lane, item: Item) -> None:
    """A message of its own about something that is no alarm; those of one place are one thread."""
    ident, thread = message_id(lane, item.key), message_id(lane, "notice", item.event.subject)
    at_ms = turn.moment.wall_ms
    turn.planned.append(Message(ident, lane, Form.NOTICE, (item,), thread, (), urgent=False, at_ms=at_ms))
