"""Time lines: what happens, and who is told what and when."""

from services.notifier.picture import Picture
from shared.domain.notify_plan import Hours, Schedule
from shared.domain.plan import Severity
from tests.services.notifier.lines import World, route, setting
from tests.services.notifier.samples import ANNA, BEN

GAS = "r1/gas1/h2_alarm"


def test_an_alarm_is_told_at_once_and_so_is_its_end() -> None:
    """Whoever was told of an alarm is told when it is back to normal, in the same thread."""
    world = World(setting())
    world.line(
        (
            (0, world.does("raised"), ["anna/email alarm raised rule"], "at once"),
            (90, world.does("acked"), [], "an ack is no news"),
            (5, world.does("returned", state="A"), ["anna/email alarm returned rule"], "it is over"),
            (0, world.does("cleared"), [], "its close tells nothing more"),
        )
    )
    first, last = world.messages
    assert first.thread == last.thread == world.events[0].occurrence
    assert last.follows == (first.id,)


def test_who_was_not_told_hears_nothing_of_the_end() -> None:
    """A return-to-normal goes only to those who know of the alarm."""
    world = World(setting(route("anna", severity=Severity.ALARM)))
    world.line(
        (
            (0, world.does("raised"), [], "a warning does not match"),
            (90, world.does("returned"), [], "nobody knows of it"),
        )
    )


def test_an_unacked_critical_alarm_is_told_again_without_end() -> None:
    """Every five minutes at the latest, even where the route gives no repeat, until somebody acks."""
    world = World(setting(route("anna")))
    again = "anna/email alarm reminder h2_alarm"
    assert world.take(world.event("raised", GAS, "critical")) == ["anna/email alarm raised h2_alarm"]
    assert world.wait(24 * 3600) == [again] * (24 * 3600 // 285)
    assert world.take(world.event("acked", GAS, "critical")) == []
    assert world.wait(3600) == []


def test_a_route_may_repeat_sooner_and_never_later() -> None:
    """repeat: 1min holds; repeat: 1h is cut to five minutes for a critical alarm and holds for a warning."""
    for given_ms, severity, expected in (
        (60_000, "critical", 60),
        (3_600_000, "critical", 12),
        (3_600_000, "alarm", 1),
    ):
        world = World(setting(route("anna", repeat_ms=given_ms)))
        world.take(world.event("raised", GAS, severity))
        assert len(world.wait(3600)) == expected


def test_a_latched_alarm_is_told_again_after_it_has_returned() -> None:
    """Nobody has acked it: that the gas is gone does not end the reminders."""
    world = World(setting())
    world.line(
        (
            (0, world.does("raised", GAS, "critical"), ["anna/email alarm raised h2_alarm"], "at once"),
            (60, world.does("returned", GAS, "critical", state="E"), ["anna/email alarm returned h2_alarm"], "over"),
            (285, None, ["anna/email alarm reminder h2_alarm"], "still not acked"),
            (1, world.does("acked", GAS, "critical", state="F"), [], "acked"),
            (900, None, [], "quiet"),
        )
    )


def test_no_reminder_while_the_first_message_is_on_its_way() -> None:
    """What is tried again and again is not piled up."""
    world = World(setting())
    world.settles = False
    world.take(world.event("raised", GAS, "critical"))
    assert world.wait(3600) == []
    world.settle()
    assert world.wait(1) == ["anna/email alarm reminder h2_alarm"]


def test_an_alarm_that_nobody_acks_goes_to_the_next_people() -> None:
    """One after the other, each after another escalate_after; they get the reminders and the end too."""
    carl = ANNA.__class__("carl", "Carl", email="carl@example.org")
    people = (ANNA, BEN, carl)
    line = route("anna", escalate_after_ms=120_000, escalate_to=("ben", "carl"))
    world = World(setting(line, people=people))
    world.line(
        (
            (0, world.does("raised", GAS, "critical"), ["anna/email alarm raised h2_alarm"], "first in line"),
            (119, None, [], "not yet"),
            (1, None, ["ben/email alarm next h2_alarm"], "second in line"),
            (120, None, ["carl/email alarm next h2_alarm"], "third in line"),
            (45, None, ["anna/email alarm reminder h2_alarm"], "five minutes after the first message"),
            (
                1,
                world.does("returned", GAS, "critical", state="E"),
                [f"{one}/email alarm returned h2_alarm" for one in ("anna", "ben", "carl")],
                "all who were told",
            ),
        )
    )


def test_an_ack_ends_the_escalation() -> None:
    """Acked in time, the next people are left in peace."""
    world = World(setting(route("anna", escalate_after_ms=120_000, escalate_to=("ben",))))
    world.line(
        (
            (0, world.does("raised", severity="alarm"), ["anna/email alarm raised rule"], "told"),
            (60, world.does("acked", severity="alarm"), [], "acked"),
            (600, None, [], "nobody else"),
        )
    )


def test_the_shortest_repeat_of_all_routes_holds() -> None:
    """A second route without a repeat does not end the repeat of the first."""
    for routes in ((60_000, 0), (0, 60_000), (120_000, 60_000)):
        first, second = (route("anna", repeat_ms=ms, number=number) for number, ms in enumerate(routes, 1))
        world = World(setting(first, second))
        world.take(world.event("raised", severity="alarm"))
        assert world.wait(180) == ["anna/email alarm reminder rule"] * 3


def test_an_ack_of_one_alarm_leaves_the_other_one() -> None:
    """Ack of A never acks B."""
    world = World(setting())
    world.take(world.event("raised", GAS, "critical"), world.event("raised", "r1/gas2/h2_alarm", "critical"))
    world.take(world.event("acked", GAS, "critical"))
    assert world.wait(301) == ["anna/email alarm reminder h2_alarm"]
    assert world.messages[-1].items[0].event.subject == "s/r1/gas2/h2_alarm"


def test_what_is_shelved_is_told_when_that_ends_and_it_is_still_open() -> None:
    """Nothing during the shelving, neither the alarm nor its reminders."""
    world = World(setting(route("anna", repeat_ms=60_000)))
    world.line(
        (
            (0, world.does("shelved", state="A", occurrence="", reason="painting"), [], "shelved while normal"),
            (5, world.does("raised", reason="shelved"), [], "hidden"),
            (600, None, [], "no reminder"),
            (0, world.does("unshelved", state="B"), [], "the core announces it itself"),
            (0, world.does("reannounced"), ["anna/email alarm again rule"], "still open"),
        )
    )


def test_the_end_of_a_told_alarm_waits_for_the_end_of_its_shelving() -> None:
    """Told, then shelved, then over and closed: whoever was told hears of it when the shelving ends."""
    world = World(setting())
    world.line(
        (
            (0, world.does("raised"), ["anna/email alarm raised rule"], "told"),
            (60, world.does("shelved", state="B", reason="suppressed noise"), [], "a person's words mean nothing here"),
            (5, world.does("returned", reason="shelved", state="A"), [], "hidden"),
            (0, world.does("cleared", reason="", state="A"), [], "closed"),
            (600, world.does("unshelved", state="A", occurrence=""), ["anna/email alarm returned rule"], "now"),
        )
    )


def test_what_is_suppressed_by_design_is_not_told() -> None:
    """A device behind a lost bus: one message, of the bus."""
    world = World(setting())
    why = "suppressed by s/r1/b1/bus_lost"
    world.line(
        (
            (0, world.does("raised", "r1/b1/bus_lost", "alarm"), ["anna/email alarm raised bus_lost"], "the bus"),
            (0, world.does("suppressed", "r1/d/device_lost", reason=why), [], "suppressed"),
            (0, world.does("raised", "r1/d/device_lost", reason=why), [], "hidden"),
            (0, world.does("returned", "r1/b1/bus_lost", "alarm"), [], "the lane's minute is not over"),
            (0, world.does("unsuppressed", "r1/d/device_lost"), [], "no longer suppressed"),
            (0, world.does("reannounced", "r1/d/device_lost"), [], "told with the next message"),
            (60, None, ["anna/email group returned bus_lost, again device_lost"], "both"),
        )
    )


def test_an_alarm_that_was_told_and_ends_under_a_suppression_is_told_as_over() -> None:
    """The pre-alarm is suppressed while 2 % stand, and closed with it: its own end is told all the same."""
    world = World(setting())
    why = f"suppressed by s/{GAS}"
    world.line(
        (
            (0, world.does("raised", "r1/gas1/h2_prealarm"), ["anna/email alarm raised h2_prealarm"], "1 %"),
            (60, world.does("raised", GAS, "critical"), ["anna/email alarm raised h2_alarm"], "2 %"),
            (0, world.does("suppressed", "r1/gas1/h2_prealarm", reason=why, state="B"), [], "by design"),
            (60, world.does("returned", "r1/gas1/h2_prealarm", reason=why, state="A"), [], "hidden"),
            (0, world.does("cleared", "r1/gas1/h2_prealarm"), ["anna/email alarm returned h2_prealarm"], "closed"),
        )
    )


def test_nothing_hides_a_critical_alarm() -> None:
    """A shelving or an out-of-service of a critical alarm silences no reminder."""
    world = World(setting())
    world.line(
        (
            (0, world.does("raised", GAS, "critical"), ["anna/email alarm raised h2_alarm"], "told"),
            (1, world.does("out_of_service", GAS, "critical", state="B", reason="work"), [], "recorded"),
            (285, None, ["anna/email alarm reminder h2_alarm"], "told all the same"),
        )
    )


def test_an_alarm_that_grows_graver_reaches_more_people() -> None:
    """The route for critical alarms is taken when the alarm becomes one, and its ack is void."""
    grave = route("ben", severity=Severity.CRITICAL, number=2)
    world = World(setting(route("anna"), grave))
    world.line(
        (
            (0, world.does("raised", severity="alarm"), ["anna/email alarm raised rule"], "an alarm"),
            (70, world.does("acked", severity="alarm"), [], "acked"),
            (
                1,
                world.does("escalated", severity="critical"),
                ["anna/email alarm escalated rule", "ben/email alarm escalated rule"],
                "critical",
            ),
        )
    )


def test_quiet_hours_hold_back_and_end_with_one_message() -> None:
    """Below critical everything waits for the morning; what came and went is in the same message."""
    night = (Hours(tuple(range(7)), 0, 60),)
    sleeper = ANNA.__class__("anna", "Anna", email="a@example.org", quiet=night)
    world = World(setting(people=(sleeper, BEN)), wall_ms=1_767_222_000_000)
    world.line(
        (
            (0, world.does("raised", "r1/a/one"), [], "quiet since midnight in Berlin"),
            (600, world.does("raised", "r1/b/two", "alarm"), [], "an alarm too"),
            (60, world.does("returned", "r1/a/one"), [], "and an end"),
            (
                60,
                world.does("raised", GAS, "critical"),
                ["anna/email alarm raised h2_alarm"],
                "critical breaks through",
            ),
            (60, world.does("acked", GAS, "critical"), [], "acked"),
            (2819, None, [], "still quiet"),
            (1, None, ["anna/email group raised one, raised two, returned one"], "one o'clock"),
        )
    )


def test_a_duty_that_begins_is_told_of_what_is_open_and_unacked() -> None:
    """At the change of shifts the new one learns what the old one has left."""
    late = Schedule("late", (Hours(tuple(range(7)), 120, 600),))
    shift = route("ben", when="late", number=2)
    world = World(setting(route("anna"), shift, schedules=(late,)))
    world.line(
        (
            (0, world.does("raised", severity="alarm"), ["anna/email alarm raised rule"], "one o'clock in Berlin"),
            (3599, None, [], "not on duty"),
            (20, None, ["ben/email alarm open rule"], "two o'clock"),
        )
    )


def test_a_critical_alarm_between_two_shifts_goes_to_all_of_them() -> None:
    """A gap in the schedules leaves no critical alarm to nobody; an alarm below that waits for the next shift."""
    late = Schedule("late", (Hours(tuple(range(7)), 120, 600),))
    world = World(setting(route("ben", when="late"), schedules=(late,)))
    assert world.take(world.event("raised", severity="alarm")) == []
    assert world.take(world.event("raised", GAS, "critical")) == ["ben/email alarm raised h2_alarm"]


def test_old_events_are_one_summary_for_each_person_and_channel() -> None:
    """What was first read after more than ten minutes comes in one message, gas too."""
    world = World(setting(route("anna", "ben", by=("email", "webhook"))))
    old = [
        world.event("raised", GAS, "critical"), world.event("raised", "r1/a/one"), world.event("returned", "r1/a/one"),
    ]  # fmt: skip
    what = "summary raised h2_alarm, raised one, returned one"
    assert sorted(world.take(*old, late=True)) == sorted(
        f"{who}/{how} {what}" for who in ("anna", "ben") for how in ("email", "webhook")
    )
    assert len(world.wait(301)) == 4, "the gas that is open is told again"


def test_an_undurable_event_is_told_once() -> None:
    """It is sent at once and marked; when it comes again from the log it is no news."""
    world = World(setting())
    events = [world.event("raised", GAS, "critical"), world.event("reannounced", GAS, "critical")]
    told = ["anna/email alarm raised h2_alarm", "anna/email alarm again h2_alarm"]
    assert world.take(*events, undurable=True) == told
    assert all(message.items[0].undurable for message in world.messages)
    restored = Picture.restore({key: data for key, data in world.picture.all().items() if data is not None})
    world.picture = restored
    assert world.take(*events) == []
    assert world.wait(120) == []


def test_a_flood_is_grouped_and_keeps_the_set() -> None:
    """1,000 alarms in ten seconds: at most a message a minute, each alarm in exactly one; gas on its own."""
    world = World(setting())
    for number in range(100):
        events = [world.event("raised", f"r1/p{number}-{k}/rule") for k in range(10)]
        if number % 5 == 0:
            events.append(world.event("raised", f"r1/gas{number}/h2_alarm", "critical"))
        world.take(*events)
        world.now_ms += 100
    world.wait(180)
    gas = [message for message in world.messages if message.items[0].event.rule == "h2_alarm"]
    others = [message for message in world.messages if message not in gas]
    assert [len(message.items) for message in gas] == [1] * 20
    assert [len(message.items) for message in others] == [1, 999]
    assert sorted(ident for message in world.messages for ident in message.event_ids) == sorted(
        event.id for event in world.events
    )
    assert others[1].at_ms - others[0].at_ms >= 60_000


def test_other_critical_alarms_are_grouped_after_ten_a_minute() -> None:
    """A hundred runaways at once: ten on their own, the rest together."""
    world = World(setting())
    world.take(*(world.event("raised", f"r1/s{n}/thermal_runaway", "critical") for n in range(100)))
    world.wait(61)
    assert [len(message.items) for message in world.messages] == [1] * 10 + [90]


def test_while_a_message_is_on_its_way_the_next_ones_are_put_together() -> None:
    """A channel that is down for an hour gets one message of that hour, not one each minute."""
    world = World(setting())
    world.settles = False
    world.take(world.event("raised", "r1/p/rule"))
    for number in range(60):
        world.take(world.event("raised", f"r1/p{number}/rule"))
        world.wait(60)
    assert len(world.messages) == 1
    world.settle()
    assert world.wait(1) == ["anna/email group 60 x raised rule"]


def test_a_failing_channel_is_told_by_another_one() -> None:
    """The alarm about e-mail does not go by e-mail."""
    world = World(setting(route("anna", by=("email", "webhook"))))
    failing = world.event("raised", "_site/email/delivery_failing", "alarm")
    assert world.take(failing) == ["anna/webhook alarm raised delivery_failing"]


def _tested_daily_at(hour: int) -> World:
    """A notifier that begins at one o'clock, with a daily test at that hour of anna and ben."""
    from shared.domain.notify_plan import DailyTest

    routes = route("anna", escalate_after_ms=1, escalate_to=("ben",))
    return World(setting(routes, daily_test=(DailyTest(hour * 60),)))


def test_the_daily_test_comes_once_a_day_to_every_lane() -> None:
    """At its hour by the site's clock, on the first day too."""
    world, both = _tested_daily_at(8), ["anna/email test", "ben/email test"]
    assert world.wait(7 * 3600 - 1) == []
    assert world.wait(2) == both
    assert world.wait(3600) == [], "once a day"
    assert world.wait(23 * 3600) == both


def test_a_daily_test_whose_hour_has_gone_by_at_the_first_start_waits_for_the_next_day() -> None:
    """Nobody is sent a test because a box was switched on in the afternoon."""
    world = _tested_daily_at(0)
    assert world.wait(22 * 3600) == []
    assert world.wait(3600) == ["anna/email test", "ben/email test"]


def test_deliveries_are_never_told() -> None:
    """The notifier does not notify of its own messages."""
    world = World(setting())
    event = world.event("raised")._replace(type="ampward.delivery.failed.v1")
    assert world.take(event) == []


def test_what_is_known_survives_a_restart() -> None:
    """From its records the picture is the same, and nothing is told twice."""
    world = World(setting(route("anna", escalate_after_ms=60_000, escalate_to=("ben",))))
    world.take(world.event("raised", GAS, "critical"), world.event("raised"), world.event("raised", "r1/q/rule"))
    before = world.picture.all()
    world.picture = Picture.restore({key: data for key, data in before.items() if data is not None})
    assert world.picture.all() == before
    assert world.wait(61) == [
        "ben/email alarm next h2_alarm", "ben/email alarm next rule", "anna/email alarm raised rule",
    ]  # fmt: skip
