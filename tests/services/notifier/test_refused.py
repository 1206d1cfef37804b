"""Time lines about those who refuse: an open alarm is offered again, at a pace of its own, until somebody acks."""

from dataclasses import replace

from services.notifier import pipeline
from services.notifier.picture import Picture
from services.notifier.routing import way_of
from tests.services.notifier.lines import EMAIL, World, route, setting
from tests.services.notifier.samples import ANNA, BEN

GAS = "r1/gas1/h2_alarm"


def test_when_everybody_refuses_the_next_people_are_told_at_once() -> None:
    """An alarm that can reach nobody in the first line does not wait for the escalation's time."""
    world = World(setting(route("anna", escalate_after_ms=600_000, escalate_to=("ben",))))
    world.settles = False
    world.take(world.event("raised", GAS, "critical"))
    world.settle(refused=True)
    assert world.wait(1) == ["ben/email alarm next h2_alarm"]
    pipeline.settle(world.picture, world.messages[-1])
    assert world.wait(285) == ["anna/email alarm reminder h2_alarm", "ben/email alarm reminder h2_alarm"]


def test_a_critical_alarm_that_everybody_refused_is_tried_again() -> None:
    """A mail server that refuses all of them for a while does not silence a gas alarm for ever."""
    world = World(setting(route("anna", repeat_ms=60_000)))
    world.settles = False
    world.take(world.event("raised", GAS, "critical"))
    for _ in range(4):
        world.settle(refused=True)
        assert world.wait(284) == []
        assert world.wait(1) == ["anna/email alarm reminder h2_alarm"]
    world.settle()
    assert world.wait(61) == ["anna/email alarm reminder h2_alarm"]


def test_a_lane_that_refused_is_tried_again_while_others_are_well() -> None:
    """Ben's address is wrong, anna hears everything: ben is offered the open alarm again, and gets reminders when it is
    taken, until somebody acks."""
    world = World(setting(route("anna", "ben", repeat_ms=3_600_000)))
    world.settles = False
    world.take(world.event("raised", GAS, "critical"))
    for _ in range(3):
        settle_for(world, ben_refuses=True)
        assert sorted(world.wait(285)) == [f"{one}/email alarm reminder h2_alarm" for one in ("anna", "ben")]
    settle_for(world, ben_refuses=False)
    world.take(world.event("acked", GAS, "critical"))
    assert world.wait(3600) == []


def test_a_lane_that_refused_hears_of_a_lesser_alarm_at_a_slower_pace() -> None:
    """Once an hour as long as it is open and unacked, whatever the route repeats."""
    for repeat_ms in (0, 60_000, 7_200_000):
        world = World(setting(route("anna", repeat_ms=repeat_ms)))
        world.settles = False
        world.take(world.event("raised", severity="alarm"))
        for _ in range(2):
            world.settle(refused=True)
            assert world.wait(3599) == []
            assert world.wait(1) == ["anna/email alarm reminder rule"]
        world.settle(refused=True)
        world.take(world.event("acked", severity="alarm"))
        assert world.wait(7200) == []


def test_a_lane_whose_address_was_put_right_is_told_at_once() -> None:
    """Whatever is open and refused goes out with the reload, also after a restart; what nobody changed waits."""
    world = World(setting(route("anna", "ben")))
    world.settles = False
    world.take(world.event("raised", GAS, "critical"), world.event("raised", "r1/fan/rule", "alarm"))
    world.settle(refused=True)
    assert world.wait(100) == []
    stored = {key: data for key, data in world.picture.all().items() if data is not None}
    world.picture = Picture.restore(stored)
    world.setting = setting(route("anna", "ben"), people=(ANNA, replace(BEN, email="ben@new.example.org")))
    assert world.wait(1) == ["ben/email alarm reminder h2_alarm", "ben/email alarm reminder rule"]
    assert world.wait(60) == []
    world.settle(refused=True)
    world.setting = setting(route("anna", "ben"), email=(replace(EMAIL, host="127.0.0.2"),))
    both = [f"{who}/email alarm reminder" for who in ("anna", "ben")]
    assert world.wait(1) == [f"{one} {what}" for what in ("h2_alarm", "rule") for one in both]


def test_who_has_heard_of_an_alarm_hears_of_its_end_though_a_reminder_was_refused() -> None:
    """One refusal in between does not leave an alarm open in somebody's eyes."""
    world = World(setting(route("anna")))
    world.take(world.event("raised", GAS, "critical"))
    world.settles = False
    assert world.wait(285) == ["anna/email alarm reminder h2_alarm"]
    pipeline.settle(world.picture, world.messages[-1], refused="w")
    assert world.take(world.event("returned", GAS, "critical", state="E")) == ["anna/email alarm returned h2_alarm"]


def settle_for(world: World, *, ben_refuses: bool) -> None:
    """Anna's messages arrive; ben's are refused or arrive."""
    for message in world.messages:
        refused = way_of(world.setting, message.lane) if ben_refuses and message.lane.person == "ben" else ""
        pipeline.settle(world.picture, message, refused=refused)
