"""What people are told beside alarms: that somebody works in a room, and tests of the way to them. Pure.

    maintenance.started, .ending, .ended -> one message to each person and channel of the routes for that room
    test.requested of SITE/_site/CHANNEL/PERSON -> one test message by that way

Promises: a notice is a message of its own, never urgent, held back in quiet hours and told once, also when it was read
before it was in the log. What is first read when older than ten minutes is told no more: it says what is to come.
"""

from services.notifier.messages import Item, Kind, Lane, probe_message
from services.notifier.pipeline import plan_notice
from services.notifier.routing import in_force, line_of
from services.notifier.stages import Look, quiet
from services.notifier.turn import Turn
from shared.domain.events import Event, EventType
from shared.domain.ids import SITE_ROOM

TYPES = frozenset(
    {
        EventType.MAINTENANCE_STARTED,
        EventType.MAINTENANCE_ENDING,
        EventType.MAINTENANCE_ENDED,
        EventType.TEST_REQUESTED,
    }
)


def take(turn: Turn, event: Event, *, undurable: bool = False, late: bool = False) -> None:
    """Take one event of the log, in its order; any but those of :data:`TYPES` are nothing."""
    picture = turn.picture
    if event.type not in TYPES or event.id in picture.misc.undurable:
        return
    if undurable:
        picture.remember_undurable(event.id)
    if late:
        return
    if event.type == EventType.TEST_REQUESTED:
        _test(turn, event)
        return
    for lane in _lanes(turn, event):
        item = Item(Kind.RAISED, event, undurable=undurable)
        if quiet(Look(picture, turn.setting, turn.moment, lane, picture.lane(lane), item)):
            picture.hold(lane, item, turn.leased)
        else:
            plan_notice(turn, lane, item)


def _lanes(turn: Turn, event: Event) -> tuple[Lane, ...]:
    """First in line by every route in force for the room; the whole site's maintenance, which every room tells of, is
    told once, to all of them."""
    setting, is_whole_site = turn.setting, event.subject == event.site
    if is_whole_site and event.room != SITE_ROOM:
        return ()
    found = [
        one.lane
        for route in setting.plan.routes
        if in_force(setting, route, turn.moment) and (is_whole_site or not route.rooms or event.room in route.rooms)
        for one in line_of(setting, route, event)
        if not one.step
    ]
    return tuple(dict.fromkeys(found))


def _test(turn: Turn, event: Event) -> None:
    """By the way that is named; a way that is not there is refused when it is sent, and recorded."""
    prefix = f"{event.site}/{SITE_ROOM}/"
    channel, _, person = event.subject.removeprefix(prefix).partition("/")
    if event.subject.startswith(prefix) and person:
        turn.planned.append(probe_message(Lane(person, channel), event.id, turn.moment.wall_ms))
