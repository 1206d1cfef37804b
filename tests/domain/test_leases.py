"""The centre's ON lease: it adds a demand for its time, is refused as written, and never says off."""

import pytest

from shared.domain import core
from shared.domain.events import Event, EventType
from shared.domain.inputs import Refusal, What
from tests.domain.driver import Room, told
from tests.domain.plans import FAN, gas_room
from tests.domain.test_outputs import DEMANDED, RELEASED, gas_and_io

MINUTE_MS = 60_000
CENTRE = "centre:anna"


def name(epoch: int, number: int) -> str:
    return f"{epoch:016x}{number:016x}"


def quiet() -> Room:
    """Start-up is over, nothing runs."""
    made = Room(gas_room())
    for _ in range(3):
        gas_and_io(made, 500, 0, 0, 0, 0)
    assert not made.on()
    return made


def hold(made: Room, lease: str, *, for_ms: int = 2 * MINUTE_MS, subject: str = FAN, **more: str) -> list[Event]:
    said = {"reason": "drill", "actor": CENTRE} | more
    return made.command(What.HOLD_ON, subject, occurrence=lease, for_ms=for_ms, **said)  # type: ignore[arg-type]


def refusal(events: list[Event]) -> str:
    [event] = events
    assert event.type == EventType.INPUT_REJECTED
    return event.reason.partition(":")[0]


def test_a_lease_demands_for_its_time_and_ends_by_itself() -> None:
    """From its receipt on, named among the causes, off by ticks alone and to the millisecond."""
    made = quiet()
    events = hold(made, name(1, 1), for_ms=2_000)
    assert told(events) == ["output.leased io1-do0 on", f"{DEMANDED} on"]
    assert (events[0].actor, events[0].until_ms - events[0].tick_ms) == (CENTRE, 2_000)
    assert core.outputs(made.state)[0].by == (f"central_lease {CENTRE}",)
    gas_and_io(made, 1_000, 0, 1, 1, 0)
    assert told(made.tick(999)) == []
    assert told(made.tick(1)) == [f"{RELEASED} off"]
    assert not made.on()


def test_a_lease_adds_to_what_the_site_demands_and_takes_nothing_away() -> None:
    """While gas demands it changes nothing, and its end ends nothing but itself."""
    made = quiet()
    made.scan("gas1", 10_000, after_ms=500)
    demanded = core.outputs(made.state)[0].by
    assert told(hold(made, name(1, 1), for_ms=1_000)) == ["output.leased io1-do0 on"]
    assert core.outputs(made.state)[0].by == (*demanded, f"central_lease {CENTRE}")
    gas_and_io(made, 1_000, 10_000, 1, 1, 0)
    assert core.outputs(made.state)[0].by == demanded


@pytest.mark.parametrize(
    ("lease", "taken"),
    [
        (name(3, 5), False),
        (name(3, 4), False),
        (name(2, 9), False),
        (name(3, 6), True),
        (name(4, 0), True),
        (name(1 << 40, 0), True),
    ],
    ids=["the same", "a lower number", "a lower epoch", "the next", "a higher epoch", "a much higher epoch"],
)
def test_only_a_lease_above_the_last_one_is_taken(lease: str, *, taken: bool) -> None:
    """Epoch before number; also when the last one is long over, and over a start of the machine."""
    made = quiet()
    hold(made, name(3, 5), for_ms=1_000)
    made.tick(5_000)
    made.start(boot="boot2", after_ms=500)
    found = hold(made, lease)
    assert (found[0].type == EventType.OUTPUT_LEASED) is taken
    if not taken:
        assert refusal(found) == Refusal.STALE_LEASE
        assert found[0].occurrence == name(3, 5)


def test_a_later_lease_takes_the_place_of_the_one_before() -> None:
    """There is one for each output: a renewal may also be shorter."""
    made = quiet()
    hold(made, name(1, 1), for_ms=10 * MINUTE_MS)
    hold(made, name(1, 2), for_ms=1_000)
    made.tick(1_000)
    assert not made.on()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"subject": "s/r/io1-do9"}, Refusal.UNKNOWN_SUBJECT),
        ({"subject": "s/r"}, Refusal.UNKNOWN_SUBJECT),
        ({"actor": "token:ben"}, Refusal.NOT_SUPPORTED),
        ({"reason": " "}, Refusal.REASON_MISSING),
        ({"for_ms": 0}, Refusal.DURATION_MISSING),
        ({"for_ms": -1}, Refusal.DURATION_MISSING),
        ({"for_ms": 15 * MINUTE_MS + 1}, Refusal.DURATION_TOO_LONG),
    ],
)
def test_what_is_no_lease_is_refused(more: dict[str, object], why: Refusal) -> None:
    """Unknown outputs, who is not the centre, no reason, no end, more than 15 minutes; and it uses up no number."""
    made = quiet()
    assert refusal(hold(made, name(1, 1), **more)) == why  # type: ignore[arg-type]
    assert not made.on()
    assert hold(made, name(1, 1))[0].type == EventType.OUTPUT_LEASED


@pytest.mark.parametrize("lease", ["", "1", name(1, 1)[1:], name(1, 1).upper().replace("1", "A"), "g" * 32])
def test_a_lease_without_its_number_is_refused(lease: str) -> None:
    """What cannot be compared is not taken."""
    assert refusal(hold(quiet(), lease)) == Refusal.OUT_OF_RANGE


def test_a_start_of_the_log_keeps_a_lease_and_a_boot_of_the_machine_ends_it() -> None:
    """The site's own process may be started again while it runs; after a boot nobody knows how old it is."""
    made = quiet()
    hold(made, name(1, 1))
    made.start(after_ms=500)
    for _ in range(3):
        gas_and_io(made, 500, 0, 0, 0, 0)
    assert core.outputs(made.state)[0].by == (f"central_lease {CENTRE}",)
    made.start(boot="boot2", after_ms=500)
    assert f"central_lease {CENTRE}" not in core.outputs(made.state)[0].by
