"""Who would be told of an alarm, in order: the same decisions as when it is raised, told instead of done."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.notifier.compose import Composer
from services.notifier.messages import Form, Item, Kind, Message, message_id
from services.notifier.moments import Moment, within
from services.notifier.routing import (
    Recipient,
    Setting,
    in_force,
    line_of,
    matches,
    recipients,
    repeat_ms,
    severity_of,
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
    """Again so often; 0: not."""
    route: int
    now: bool
    """It would be sent at this hour."""
    note: str
    """Why not, or what else a person should know."""
    subject: str
    """What would be read, in the person's language."""


def explain(setting: Setting, event: Event, moment: Moment) -> tuple[Step, ...]:
    """Every lane that the alarm may ever take, first those that are told at once; each lane once for each moment."""
    now = {(one.lane, one.route.number, one.step) for one in recipients(setting, event, moment)}
    found = [
        _step(setting, event, moment, one, is_now=(one.lane, one.route.number, one.step) in now)
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


def _step(setting: Setting, event: Event, moment: Moment, one: Recipient, *, is_now: bool) -> Step:
    person = setting.people[one.lane.person]
    notes = []
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
        repeat_ms=repeat_ms(one, severity_of(event)),
        route=one.route.number,
        now=is_now,
        note="; ".join(notes),
        subject=subject,
    )
