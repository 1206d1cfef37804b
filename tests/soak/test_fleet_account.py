"""The account of a fleet under kills says what was missed and what came twice; it excuses no more than was promised."""

from shared.domain.events import Event, EventType
from shared.domain.inputs import ReportKind
from tests.services.gateway.samples import event
from tests.soak.fleet_account import BEFORE_S, RAISED, Copy, doubled, to_be_told
from tests.soak.launched import CENTRE

MINUTE_MS = 60_000


def raised(number: int, severity: str = "critical", tick_ms: int = 0) -> Event:
    return event(number)._replace(
        type=RAISED, id=f"e{number}", site="north", rule="h2_alarm", severity=severity, tick_ms=tick_ms
    )


def lease(number: int, *, on: bool, tick_ms: int = 0) -> Event:
    return event(number)._replace(
        type=EventType.REPORT_RECORDED, rule=ReportKind.NOTIFY_LEASE, severity="", state="on" if on else "off",
        reason="notifier 1" if on else "the lease has ended", tick_ms=tick_ms,
    )  # fmt: skip


def copy(ident: str, at: float, *, who: str = CENTRE, repeat: bool = False, tells: str = "e1") -> Copy:
    return Copy(who, ident, repeat, at, (tells,), is_first=True)


def test_whoever_had_to_tell_is_named() -> None:
    """The site of what is critical, the centre of what came under its lease, somebody of whatever is not suppressed."""
    events = [raised(1), raised(2, "warning"), lease(3, on=True), raised(4), raised(5, "warning")]
    events.append(raised(6, "warning")._replace(reason="suppressed by north/r1/gas1-h2/h2_alarm"))
    assert to_be_told(events) == {
        ("north", "e1"), ("", "e2"), ("north", "e4"), (CENTRE, "e4"), ("", "e5"), (CENTRE, "e5"),
    }  # fmt: skip


def test_what_was_lent_when_the_lease_ended_either_may_have_told() -> None:
    """Only what came long before its end is the centre's beyond doubt."""
    events = [
        lease(1, on=True), raised(2, "warning"), raised(3, "warning", MINUTE_MS - 5_000),
        lease(4, on=False, tick_ms=MINUTE_MS), raised(5, "warning", MINUTE_MS),
    ]  # fmt: skip
    assert to_be_told(events) == {("", "e2"), (CENTRE, "e2"), ("", "e3"), ("", "e5")}


def test_a_second_copy_needs_its_mark_and_a_kill() -> None:
    """One kill excuses one marked copy, not two, and none that has no mark."""
    marked = [copy("m1", 100.0), copy("m1", 110.0, repeat=True)]
    assert doubled(marked, set(), [105.0]) == []
    assert doubled(marked, set(), [100.0 - BEFORE_S - 1]) == ["message m1 of both came 2 times, 0 kills"]
    assert doubled([*marked, copy("m1", 111.0, repeat=True)], set(), [105.0]) == [
        "message m1 of both came 3 times, 1 kills"
    ]
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
