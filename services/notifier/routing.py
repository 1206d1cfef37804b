"""Who is to be told of an alarm at a moment: routes, schedules, people and the channels that reach them.

A route matches by severity (this or graver), room and rule. When an alarm matches routes and none of them is in force
at that hour, a critical one goes to all of them: it is never left to nobody because of a gap between two shifts.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from zoneinfo import ZoneInfo

from services.notifier.messages import Lane
from services.notifier.moments import Moment, within
from shared.domain.events import About, Event
from shared.domain.notify_plan import REPEAT_MS_MAX, NotifyPlan, Person, Route
from shared.domain.plan import Severity

REPEAT_MARGIN_MS = 15_000
"""A look and a send take their time: what must come every five minutes is planned so much sooner."""
CRITICAL_AGAIN_MS = REPEAT_MS_MAX - REPEAT_MARGIN_MS
REFUSED_AGAIN_MS = 3_600_000
"""A lane that refused an alarm below critical is asked again so often: at most 24 messages a day for each open alarm,
person and channel, put together at one a minute like all others."""
DELIVERY_FAILING = "delivery_failing"


@dataclass(frozen=True)
class Setting:
    """What decisions rest on beside events: the plan, and how things are called. Made anew at a reload."""

    plan: NotifyPlan
    zone: ZoneInfo
    site: str
    """Id of the site."""
    name: str
    """The site's name for people."""
    language: str
    rooms: Mapping[str, str] = field(default_factory=dict)
    """Names of rooms for people, by id."""
    people: dict[str, Person] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "people", {person.id: person for person in self.plan.people})

    def reaches(self, channel: str, person: str) -> bool:
        """Whether the channel is there and the person has what it needs."""
        found = self.people.get(person)
        if found is None or channel not in self.plan.channels:
            return False
        return bool({"email": found.email, "sms": found.phone}.get(channel, "any"))


@dataclass(frozen=True, slots=True)
class Recipient:
    """A lane that a route leads to."""

    lane: Lane
    route: Route
    step: int = 0
    """0: told at once; n: told when nobody has acked for n times the route's escalate_after."""


def severity_of(event: About | Event) -> Severity:
    return Severity[event.severity.upper()]


def matches(route: Route, event: About | Event) -> bool:
    if severity_of(event) < route.severity:
        return False
    return (not route.rooms or event.room in route.rooms) and (not route.rules or event.rule in route.rules)


def in_force(setting: Setting, route: Route, moment: Moment) -> bool:
    """Whether the route's schedule holds now."""
    if not route.when:
        return True
    found = next((one for one in setting.plan.schedules if one.id == route.when), None)
    return found is not None and within(found.hours, moment.wall_ms, setting.zone)


def routes_for(setting: Setting, event: Event, moment: Moment) -> tuple[Route, ...]:
    """The routes that an alarm takes now."""
    matching = tuple(route for route in setting.plan.routes if matches(route, event))
    now = tuple(route for route in matching if in_force(setting, route, moment))
    return now or (matching if severity_of(event) is Severity.CRITICAL else ())


def recipients(setting: Setting, event: Event, moment: Moment) -> tuple[Recipient, ...]:
    """Every lane once for each step and route, in the order in which they would be told."""
    found = [one for route in routes_for(setting, event, moment) for one in line_of(setting, route, event)]
    return tuple(sorted(found, key=lambda one: one.step * one.route.escalate_after_ms))


def line_of(setting: Setting, route: Route, event: Event) -> Iterator[Recipient]:
    """The lanes of one route, first those that are told at once."""
    for step, person in _in_line(route):
        for channel in _channels(setting, route, person, event):
            yield Recipient(Lane(person, channel), route, step)


def _in_line(route: Route) -> Iterator[tuple[int, str]]:
    yield from ((0, person) for person in route.to)
    if route.escalate_after_ms:
        yield from enumerate(route.escalate_to, 1)


def _channels(setting: Setting, route: Route, person: str, event: Event) -> tuple[str, ...]:
    """Those that reach the person; a failing channel's own alarm goes by others, as long as there is another."""
    reaching = [channel for channel in dict.fromkeys(route.by) if setting.reaches(channel, person)]
    if event.rule != DELIVERY_FAILING:
        return tuple(reaching)
    failing = failing_channel(event)
    others = [channel for channel in reaching if channel != failing]
    more = [one for one in setting.plan.channels if one != failing and setting.reaches(one, person)]
    return tuple(others or more or reaching)


def failing_channel(event: Event) -> str:
    """The channel that a delivery_failing alarm is about: SITE/_site/CHANNEL/delivery_failing."""
    return event.subject.removesuffix(f"/{event.rule}").rpartition("/")[2]


def repeat_ms(recipient: Recipient, severity: Severity) -> int:
    """How often this lane is told again while nobody acks; 0: not."""
    given = recipient.route.repeat_ms
    if severity is not Severity.CRITICAL:
        return given
    return min(given or CRITICAL_AGAIN_MS, CRITICAL_AGAIN_MS)


def repeats(line: Iterable[Recipient], severity: Severity) -> dict[str, int]:
    """By lane the shortest repeat of all its routes; 0: none of them repeats."""
    found: dict[str, int] = {}
    for one in line:
        every, key = repeat_ms(one, severity), one.lane.key
        found[key] = min(found.get(key) or every, every or found.get(key, 0))
    return found


def refused_again_ms(severity: Severity) -> int:
    """How often a lane that refused an alarm is offered it again while nobody acks, whatever its routes repeat."""
    return CRITICAL_AGAIN_MS if severity is Severity.CRITICAL else REFUSED_AGAIN_MS


def way_of(setting: Setting, lane: Lane) -> str:
    """A mark of how the lane reaches the person: another one when the address or the channel has changed."""
    person = setting.people.get(lane.person)
    plans = {"email": (person and person.email, setting.plan.email), "webhook": setting.plan.webhook}
    return sha256(repr((lane.key, plans.get(lane.channel))).encode()).hexdigest()[:16]


def daily_lanes(setting: Setting) -> tuple[Lane, ...]:
    """Every lane that a route may ever use."""
    found = {
        Lane(person, channel)
        for route in setting.plan.routes
        for person in (*route.to, *route.escalate_to)
        for channel in route.by
        if setting.reaches(channel, person)
    }
    return tuple(sorted(found, key=lambda lane: lane.key))
