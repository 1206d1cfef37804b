"""What people are told beside alarms: maintenance of a room, and tests that were asked for."""

from dataclasses import replace

import pytest

from services.notifier import notices
from services.notifier.compose import compose
from services.notifier.messages import Form, Message, probe_id
from services.notifier.pipeline import due
from services.notifier.turn import Turn
from shared.domain.events import Event
from shared.domain.notify_plan import Hours
from shared.domain.plan import Severity
from tests.services.notifier.lines import World, route, setting
from tests.services.notifier.samples import ANNA, BEN

HOUR_MS = 3_600_000


def maintenance(world: World, what: str, subject: str = "s/r1", room: str = "r1") -> Event:
    """An event of the core about a maintenance that lasts an hour from now on."""
    until_ms = 0 if what == "ended" else world.now_ms + HOUR_MS
    event = world.event("acked", f"{room}/p/rule")._replace(occurrence="", rule="", severity="", state="")
    kind = f"ampward.maintenance.{what}.v1"
    return event._replace(type=kind, subject=subject, reason="inspection", actor="cli:anna", until_ms=until_ms)


def take(world: World, *events: Event, undurable: bool = False, late: bool = False) -> list[Message]:
    """What is planned at once, and what time brings then."""
    turn = Turn(world.picture, world.setting, world.moment())
    for event in events:
        notices.take(turn, event, undurable=undurable, late=late)
    due(turn)
    return turn.planned


def ways(messages: list[Message]) -> list[str]:
    return [f"{message.lane.key} {message.form} {message.items[0].event.subject}" for message in messages]


def test_whoever_holds_a_route_for_the_room_is_told_of_its_maintenance() -> None:
    """Begin, end soon, end: one message each for every way; not who is next in line, nor who holds another room."""
    routes = (
        route("anna", by=("email", "webhook"), severity=Severity.CRITICAL, escalate_after_ms=1, escalate_to=("ben",)),
        route("anna", number=2), route("ben", rooms=("r2",), number=3),
    )  # fmt: skip
    world = World(setting(*routes))
    for what in ("started", "ending", "ended"):
        told = take(world, maintenance(world, what))
        assert ways(told) == ["anna/email notice s/r1", "anna/webhook notice s/r1"]
        assert not any(message.urgent for message in told)
    assert ways(take(world, maintenance(world, "started", "s/r2", "r2")))[2:] == ["ben/email notice s/r2"]


def test_maintenance_of_the_whole_site_is_told_once_to_all() -> None:
    """Every room tells of it in the log; people get one message."""
    world = World(setting(route("anna"), route("ben", rooms=("r2",), number=2)))
    events = [maintenance(world, "started", "s", room) for room in ("r1", "r2", "_site")]
    assert ways(take(world, *events)) == ["anna/email notice s", "ben/email notice s"]


def test_notices_wait_for_the_end_of_quiet_hours_and_come_one_by_one() -> None:
    """Nothing wakes a sleeper; alarms that waited too are one message beside them."""
    night = (Hours(tuple(range(7)), 0, 60),)
    world = World(setting(people=(replace(ANNA, quiet=night), BEN)), wall_ms=1_767_222_000_000)
    assert take(world, maintenance(world, "started"), maintenance(world, "ended")) == []
    world.take(world.event("raised", "r1/a/one"), world.event("raised", "r1/b/two"))
    world.wait(3599)
    assert world.messages == []
    world.wait(1)
    forms = [message.form for message in world.messages]
    assert forms == [Form.NOTICE, Form.NOTICE, Form.GROUP]


def test_an_old_notice_is_told_no_more_and_none_is_told_twice() -> None:
    """What says what is to come is worth nothing hours later; one read before it was in the log comes again from it."""
    world = World(setting())
    assert take(world, maintenance(world, "started"), late=True) == []
    event = maintenance(world, "started")
    assert len(take(world, event, undurable=True)) == 1
    assert take(world, event) == []


@pytest.mark.parametrize(
    ("what", "language", "subject", "text"),
    [
        ("started", "en", "Maintenance: Room 1, until ", "People work here."),
        ("ending", "en", "Maintenance ends soon: Room 1, until ", "told again"),
        ("ended", "en", "Maintenance ended: Room 1", "told again"),
        ("started", "de", "Wartung: Room 1, bis ", "Hier wird gearbeitet."),
        ("ending", "de", "Wartung endet bald: Room 1, bis ", "wieder gemeldet"),
        ("ended", "de", "Wartung beendet: Room 1", "wieder gemeldet"),
    ],
)
def test_a_notice_says_where_until_when_why_and_by_whom(what: str, language: str, subject: str, text: str) -> None:
    """In the person's language, without a severity."""
    world = World(setting())
    (message,) = take(world, maintenance(world, what))
    faults: list[Exception] = []
    made = compose(message, world.setting, replace(ANNA, language=language), repeat=False, fault=faults.append)
    assert made.subject.startswith(subject) and text in made.text and made.severity == ""
    assert "inspection" in made.text and "cli:anna" in made.text
    assert not faults


def test_a_test_that_was_asked_for_goes_by_the_way_that_was_named() -> None:
    """One message, whose id follows from the event; a test of an output is nothing for people."""
    world = World(setting())
    event = maintenance(world, "started", "s/_site/webhook/ben", "_site")._replace(type="ampward.test.requested.v1")
    (message,) = take(world, event)
    assert (message.lane.key, message.form) == ("ben/webhook", Form.TEST)
    assert message.id == probe_id(message.lane, event.id)
    assert take(world, event._replace(subject="s/r1/io1-do0"), event._replace(subject="s/_site/webhook")) == []
