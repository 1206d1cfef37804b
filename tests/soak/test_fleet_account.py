"""The account of a fleet under kills says what was missed and what came twice; it excuses no more than was promised."""

import inspect
import random
from dataclasses import replace

from services.site.command import fleet as fleet_command
from services.site.command.service import SERVICES as ALL_SERVICES
from shared.domain.events import Event, EventType
from shared.domain.inputs import Report, ReportKind
from shared.wire.orders import FileOrder
from shared.wire.pushes import file_hash, sign_file
from tests.fleet.supervised import FLEET_KEY
from tests.services.gateway.samples import event
from tests.soak.fleet_account import BEFORE_S, RAISED, Copy, doubled, hand_overs, to_be_told
from tests.soak.launched import CENTRE, SERVERS, SERVICES, next_of
from tests.soak.pushed_files import judge_orders


def raised(number: int, severity: str = "critical") -> Event:
    return event(number)._replace(type=RAISED, id=f"e{number}", site="north", rule="h2_alarm", severity=severity)


def lease(number: int, *, on: bool) -> Event:
    return event(number)._replace(
        type=EventType.REPORT_RECORDED, rule=ReportKind.NOTIFY_LEASE, severity="", state="on" if on else "off",
        reason="notifier 1" if on else "the lease has ended",
    )  # fmt: skip


def copy(ident: str, at: float, *, who: str = CENTRE, repeat: bool = False, tells: str = "e1") -> Copy:
    return Copy(who, ident, repeat, at, (tells,))


def test_whoever_had_to_tell_is_named() -> None:
    """The site of what is critical, and of what came while it was to tell; the centre of what came under its lease."""
    events = [raised(1), raised(2, "warning"), lease(3, on=True), raised(4), raised(5, "warning")]
    events += [lease(6, on=False), raised(7, "warning")]
    events.append(raised(8, "warning")._replace(reason="suppressed by north/r1/gas1-h2/h2_alarm"))
    assert to_be_told(events) == {
        ("north", "e1"), ("north", "e2"), ("north", "e4"), (CENTRE, "e4"), (CENTRE, "e5"), ("north", "e7"),
    }  # fmt: skip


def test_a_second_copy_needs_its_mark_and_a_kill() -> None:
    """One kill excuses one marked copy, not two, and none that has no mark."""
    marked = [copy("m1", 100.0), copy("m1", 110.0, repeat=True)]
    assert doubled(marked, set(), [105.0]) == []
    assert doubled(marked, set(), [100.0 - BEFORE_S - 1]) == [
        "message m1 of both came 2 times, 0 reasons: centre after 0.0 s, centre after 10.0 s"
    ]
    [said] = doubled([*marked, copy("m1", 111.0, repeat=True)], set(), [105.0])
    assert said.startswith("message m1 of both came 3 times, 1 reasons")
    plain = [copy("m1", 100.0), copy("m1", 110.0)]
    assert doubled(plain, set(), [105.0]) == ["message m1 of both came 2 times without its mark"]


def test_site_and_centre_both_tell_what_is_critical_and_nothing_else() -> None:
    """The same event, each by its own way."""
    both = [copy("m1", 100.0), copy("m1", 100.5, who="north")]
    assert doubled(both, {"e1"}, []) == []
    assert len(doubled(both, set(), [100.2])) == 1


def test_an_event_is_new_in_one_message_only() -> None:
    """A second message about it under another id is a double too."""
    assert doubled([copy("m1", 100.0), copy("m2", 101.0)], set(), [100.5]) == ["e1 is new in 2 messages of both"]


def test_two_groups_that_tell_the_same_need_a_mark() -> None:
    """All but one of them; of critical alarms site and centre each have one."""
    groups = [Copy(CENTRE, f"g{n}", is_repeat=n == 3, at=100.0, events=("e1", f"e{n}")) for n in (2, 3)]
    assert doubled(groups, set(), [100.0]) == []
    plain = [*groups, replace(groups[0], who="north", id="g4")]
    assert doubled(plain, set(), [100.0]) == [f"e{n} is new in 2 messages of both" for n in (1, 2)]
    assert doubled(plain, {"e1", "e2"}, [100.0]) == []


def test_every_service_of_the_fleet_is_among_those_that_may_be_killed() -> None:
    """What `ampward fleet up` runs when nothing else is said, and every service that there is."""
    told = inspect.signature(fleet_command.up).parameters["services"].default
    assert sorted(SERVICES) == sorted(told.split(",")) == sorted(ALL_SERVICES)


def test_a_long_run_kills_every_server_and_service() -> None:
    """Whatever the seed, and though some are away when their turn comes; a server one time in three."""
    children = {f"site-north/{part}" for part in ("guard", "site", "history", "uplink")}
    names, servers = {*SERVERS, *SERVICES, "site-north", *children}, 0
    for seed in range(200):
        draw, killed = random.Random(seed), list[str]()
        for left in range(30, 0, -1):
            away = set(killed[-1:]) | {draw.choice(sorted(names))}
            killed.append(next_of(names - away, draw, killed, left))
        assert not {*SERVERS, *SERVICES} - set(killed)
        servers += sum(name in SERVERS for name in killed)
    assert 0.25 < servers / (200 * 30) < 0.4


def order(number: int, body: str = "rules: {}\n") -> FileOrder:
    unsigned = FileOrder(
        id=f"push-{number}-north", site="north", sent_at_ms=number, ttl_ms=1, name="rules.yaml", number=number,
        actor="cli:anna", body=body,
    )  # fmt: skip
    return sign_file(unsigned, FLEET_KEY)


def told_of(made: FileOrder, *, on: bool = True) -> Report:
    detail = f"{file_hash(made.body)} by {made.actor}"
    return Report(ReportKind.PUSHED_FILE, "north/_site/files/rules.yaml", on, False, detail)  # noqa: FBT003


def test_each_pushed_order_is_one_report_however_often_it_was_sent() -> None:
    """One that is missing, one too many, a refusal, a foreign signature and a second content are each said."""
    keys, one, other = [FLEET_KEY.public.text()], order(1), order(2, "rules: {a: 1}\n")
    assert judge_orders([one, one, other], keys, [told_of(one), told_of(other)]) == []
    assert judge_orders([one, other], keys, [told_of(one)]) == ["2 orders for 2 contents became 1 Reports for 1"]
    assert judge_orders([one], keys, [told_of(one), told_of(one)]) == ["1 orders for 1 contents became 2 Reports for 1"]
    assert len(judge_orders([one], keys, [told_of(one, on=False)])) == 2
    assert len(judge_orders([one], [], [told_of(one)])) == 1
    assert judge_orders([order(1), order(1, "other: 1\n")], keys, [told_of(one)]) == [
        "order push-1-north was sent with two contents"
    ]


def test_a_lease_that_begins_or_ends_is_a_hand_over_and_one_that_goes_on_is_none() -> None:
    """By the clock of the copies."""
    events = [lease(1, on=True), lease(2, on=True), raised(3), lease(4, on=False)]
    events = [event._replace(at_ms=1_000 * number) for number, event in enumerate(events)]
    assert hand_overs(events, 100.0) == [100.0, 103.0]
