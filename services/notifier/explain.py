"""Who would be told of an alarm, in order: the same decisions as when it is raised, told instead of done."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.notifier.compose import Composer
from services.notifier.messages import Form, Item, Kind, Message, lane_of, message_id
from services.notifier.moments import Moment, within
from services.notifier.picture import LaneState
from services.notifier.routing import (
    Recipient,
    Setting,
    in_force,
    line_of,
    matches,
    recipients,
    refused_again_ms,
    repeat_ms,
    repeats,
    severity_of,
    way_of,
)
from shared.domain.events import Event
from shared.domain.plan import Severity


@dataclass(frozen=True, slots=True)
class Step:
    """One message that would go out."""

    person: str
    channel: str
    after_ms: int
    """From the alarm on, while nobody acknowledges."""
    repeat_ms: int
    """Again so often; 0: not. The shortest of all routes that hold now; of a lane that refused, its own pace."""
    route: int
    now: bool
    """It would be sent at this hour."""
    note: str
    """Why not, or what else a person should know."""
    subject: str
    """What would be read, in the person's language."""


def explain(
    setting: Setting, event: Event, moment: Moment, lanes: Mapping[str, LaneState] | None = None
) -> tuple[Step, ...]:
    """Every lane that the alarm may ever take, first those that are told at once; each lane once for each moment.

    ``lanes`` is what the ledger knows of them: which of them refused their last message, and why.
    """
    line = recipients(setting, event, moment)
    now = {(one.lane, one.route.number, one.step) for one in line}
    every = repeats(line, severity_of(event))
    refused = {key: state.why for key, state in (lanes or {}).items() if _refuses(setting, key, state)}
    found = [
        _step(setting, event, moment, one, every if (one.lane, one.route.number, one.step) in now else {}, refused)
        for route in setting.plan.routes
        if matches(route, event)
        for one in line_of(setting, route, event)
    ]
    found.sort(key=lambda step: (step.after_ms, step.route))
    return tuple(_once(found))


def _once(steps: list[Step]) -> Iterator[Step]:
    """A lane is told by the first of its routes; later ones add nothing."""
    told: set[tuple[str, str]] = set()
    for step in steps:
        lane = (step.person, step.channel)
        if lane in told:
            continue
        if step.now:
            told.add(lane)
        yield step


def _refuses(setting: Setting, key: str, state: LaneState) -> bool:
    """The last word was a refusal, and neither address nor channel has changed since."""
    return bool(state.refused) and state.refused == way_of(setting, lane_of(key))


def _step(
    setting: Setting,
    event: Event,
    moment: Moment,
    one: Recipient,
    every: Mapping[str, int],
    refused: Mapping[str, str],
) -> Step:
    """``every`` is by lane and empty for one that is not told now."""
    person = setting.people[one.lane.person]
    notes = []
    is_now, key = bool(every), one.lane.key
    if key in refused:
        notes.append(f"refused the last message, offered so often again: {refused[key]}")
    if one.route.when and not in_force(setting, one.route, moment):
        notes.append(f"only in the hours of {one.route.when}" + (", or when no route is in force" if is_now else ""))
    is_critical = severity_of(event) is Severity.CRITICAL
    if person.quiet and not is_critical:
        held = within(person.quiet, moment.wall_ms, setting.zone)
        notes.append("held back now: quiet hours" if held else "held back in quiet hours")
    item = Item(Kind.NEXT if one.step else Kind.RAISED, event)
    message = Message(
        message_id(one.lane, item.key), one.lane, Form.ALARM, (item,), "", (), urgent=is_critical, at_ms=0
    )
    subject, _ = Composer(setting, person.language).of(message, repeat=False)
    return Step(
        person=one.lane.person,
        channel=one.lane.channel,
        after_ms=one.step * one.route.escalate_after_ms,
        repeat_ms=(
            refused_again_ms(severity_of(event))
            if key in refused
            else every.get(key, repeat_ms(one, severity_of(event)))
        ),
        route=one.route.number,
        now=is_now,
        note="; ".join(notes),
        subject=subject,
    )
