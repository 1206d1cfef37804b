"""Alarm figures over journals made by hand: each case says what happened and which figure follows."""

from dataclasses import dataclass

import pytest

from services.history.kpi import Kpi, kpi

DAY = 86_400_000
MINUTE = 60_000
SECOND = 1_000
BEGIN = 20_454 * DAY
"""2026-01-01T00:00:00Z"""


@dataclass(frozen=True)
class Row:
    at_ms: int
    type: str
    subject: str = "s/r1/gas1-h2/h2_alarm"
    occurrence: str = "o1"
    severity: str = "critical"
    state: str = "B"
    reason: str = ""
    actor: str = ""

    @property
    def tick_ms(self) -> int:
        return self.at_ms - BEGIN + 40 * DAY


def row(kind: str, after_ms: int, state: str = "B", **more: str) -> Row:
    return Row(BEGIN + after_ms, f"ampward.alarm.{kind}.v1", state=state, **more)


def of(*rows: Row, days: int = 1, operators: int = 1, known_ms: int = 0) -> Kpi:
    return kpi(rows, BEGIN, BEGIN + days * DAY, known_ms=known_ms, operators=operators)


def told(after_ms: int, person: str, occurrence: str, *, kind: str = "sent", words: str = "") -> Row:
    """A message to a person, about an occurrence or a group."""
    reason = f"message {'0' * 32}, attempt 1{': ' if words else ''}{words}"
    return Row(
        BEGIN + after_ms, f"ampward.delivery.{kind}.v1", f"s/_site/email/{person}", occurrence, "", "", reason, person
    )


def raises(count: int, apart_ms: int, *, first_ms: int = 0) -> list[Row]:
    """So many alarms, each of its own."""
    return [row("raised", first_ms + n * apart_ms, subject=f"a{n}", occurrence=f"o{n}") for n in range(count)]


@pytest.mark.parametrize(
    ("rows", "announced"),
    [
        ([], 0),
        ([row("raised", 0)], 1),
        ([row("raised", 0, reason="shelved")], 0),
        ([row("raised", 0, reason="suppressed by s/r1/gas1/device_lost")], 0),
        ([row("raised", 0), row("escalated", 1)], 2),
        ([row("raised", 0), row("reannounced", 1), row("reannounced", 2)], 1),
        ([row("raised", 0, reason="suppressed by a"), row("reannounced", 1), row("reannounced", 2)], 1),
        ([row("raised", -1), row("reannounced", 1)], 0),
        (
            [
                row("raised", 0),
                row("superseded", 1),
                row("raised", 1, occurrence="o2"),
                row("reannounced", 2, occurrence="o2"),
            ],
            2,
        ),
        ([row("returned", 0, "D"), row("cleared", 1, "A"), row("acked", 2, "C")], 0),
        ([row("raised", -1)], 0),
        ([row("raised", DAY)], 0),
        ([row("raised", DAY - 1)], 1),
    ],
)
def test_what_is_announced_is_counted(rows: list[Row], announced: int) -> None:
    """Raised and escalated inside the time, and only what nothing hid; an occurrence that is told again is one."""
    assert of(*rows).announced == announced


def test_the_rate_is_per_operator_and_ten_minutes() -> None:
    """288 alarms a day are two in ten minutes, one each for two operators."""
    rows = raises(288, 5 * MINUTE)
    assert of(*rows).rate_per_operator_10min == 2.0
    assert of(*rows, operators=2).rate_per_operator_10min == 1.0
    assert of(*rows).per_day == 288.0
    assert of(*rows).peak_10min == 2


@pytest.mark.parametrize(
    ("count", "apart_ms", "floods"),
    [(10, SECOND, []), (11, SECOND, [11]), (30, SECOND, [30]), (11, MINUTE, []), (12, 50 * SECOND, [12])],
)
def test_more_than_ten_in_ten_minutes_is_a_flood(count: int, apart_ms: int, floods: list[int]) -> None:
    """It holds all alarms that belong to such ten minutes."""
    assert [flood.alarms for flood in of(*raises(count, apart_ms)).floods] == floods


def test_two_floods_are_two() -> None:
    """Hours apart; with two operators neither is one."""
    rows = [*raises(15, SECOND), *raises(15, SECOND, first_ms=3 * 60 * MINUTE)]
    assert [flood.alarms for flood in of(*rows).floods] == [15, 15]
    assert of(*rows, operators=2).floods == ()


@pytest.mark.parametrize(
    ("rows", "stale"),
    [
        ([row("raised", -DAY - 1)], [(2 * DAY + 1, False)]),
        ([row("raised", 1)], []),
        ([row("raised", -1)], [(DAY + 1, False)]),
        ([row("raised", -DAY), row("acked", 0, "C"), row("cleared", 1, "A")], [(DAY + 1, True)]),
        ([row("raised", -DAY), row("returned", 0, "E")], []),
        ([row("raised", -3 * DAY), row("cleared", -1, "A")], []),
    ],
)
def test_an_alarm_that_is_active_for_over_a_day_is_stale(rows: list[Row], stale: list[tuple[int, bool]]) -> None:
    """Also one that began before the time; one that ended in it is told as over."""
    assert [(one.active_ms, one.is_over) for one in of(*rows).stale] == stale


@pytest.mark.parametrize(("apart_ms", "chattering"), [(20 * SECOND, [(3, 3)]), (30 * SECOND, []), (SECOND, [(3, 3)])])
def test_three_raises_in_a_minute_are_chattering(apart_ms: int, chattering: list[tuple[int, int]]) -> None:
    """Of one alarm; three alarms that come together are not."""
    rows = [row("raised", n * apart_ms, occurrence=f"o{n}") for n in range(3)]
    assert [(one.most_in_a_minute, one.raises) for one in of(*rows).chattering] == chattering
    assert of(*raises(3, apart_ms)).chattering == ()


def test_the_distribution_is_in_percent() -> None:
    """One critical, three of the class alarm, sixteen warnings: the share that is aimed at."""
    grades = ["critical"] + ["alarm"] * 3 + ["warning"] * 16
    found = of(*(row("raised", n, subject=f"a{n}", severity=grade) for n, grade in enumerate(grades)))
    assert found.by_severity == {"critical": 1, "alarm": 3, "warning": 16}
    assert found.percent_by_severity == {"critical": 5.0, "alarm": 15.0, "warning": 80.0}


def test_the_top_ten_are_the_most_often_announced() -> None:
    """With their share, the most frequent first."""
    rows = [row("raised", n * MINUTE + k, subject=f"a{k:02d}") for n in range(12) for k in range(n + 1)]
    found = of(*rows)
    assert [one.alarm for one in found.top_ten] == [f"a{k:02d}" for k in range(10)]
    assert found.top_ten[0].announced == 12
    assert found.top_ten_percent == round(100 * (78 - 3) / 78, 1)


def test_time_to_ack_is_by_severity_and_person() -> None:
    """From the announcement to the ack of the same occurrence; who did not ack is counted."""
    found = of(
        row("raised", 0, subject="a", occurrence="1"),
        row("acked", MINUTE, "C", subject="a", occurrence="1", actor="anna"),
        row("raised", 0, subject="b", occurrence="2", severity="warning"),
        row("acked", 3 * MINUTE, "C", subject="b", occurrence="2", severity="warning", actor="ben"),
        row("reset", 4 * MINUTE, "A", subject="b", occurrence="2", actor="ben"),
        row("raised", 0, subject="c", occurrence="3"),
        row("shelved", MINUTE, subject="c", actor="anna", reason="works"),
    )
    assert (found.time_to_ack.count, found.time_to_ack.median_ms, found.time_to_ack.worst_ms) == (2, 120_000, 180_000)
    assert found.time_to_ack_by_severity["warning"].median_ms == 180_000
    assert found.unacked == 1
    assert {name: (one.acked, one.reset, one.shelved) for name, one in found.persons.items()} == {
        "anna": (1, 0, 1),
        "ben": (1, 1, 0),
    }


def test_an_ack_of_another_occurrence_is_no_time() -> None:
    """Nothing is reckoned between what does not belong together."""
    found = of(row("raised", 0, occurrence="1"), row("acked", 9, "C", occurrence="2", actor="anna"))
    assert found.time_to_ack.count == 0


@pytest.mark.parametrize(
    ("known_ms", "per_day", "per_10min"),
    [
        (0, 4 / 7, 4 / 1008),
        (BEGIN - DAY, 4 / 7, 4 / 1008),
        (BEGIN + 3 * DAY, 1.0, 4 / 576),
        (BEGIN + 7 * DAY - 4 * 60 * MINUTE, 4.0, 4 / 24),
        (BEGIN + 7 * DAY - 4 * MINUTE, 4.0, 4.0),
        (BEGIN + 9 * DAY, 4.0, 4.0),
    ],
)
def test_figures_are_spread_over_the_time_that_is_known(known_ms: int, per_day: float, per_10min: float) -> None:
    """Not over days before the site began, nor is a short time blown up to a day or to ten minutes."""
    found = of(*raises(4, SECOND, first_ms=7 * DAY - 3 * MINUTE), days=7, known_ms=known_ms)
    assert (found.announced, found.per_day) == (4, round(per_day, 1))
    assert found.rate_per_operator_10min == round(per_10min, 3)
    assert found.known_since_at_ms == min(max(BEGIN, known_ms), BEGIN + 7 * DAY)


def test_an_alarm_that_is_told_again_waits_for_its_ack_since_the_first_time() -> None:
    """Unless it was acked in between: then a new wait begins."""
    found = of(
        row("raised", 0),
        row("reannounced", MINUTE),
        row("acked", 3 * MINUTE, "C", actor="anna"),
        row("reannounced", 10 * MINUTE),
        row("acked", 11 * MINUTE, "C", actor="anna"),
    )
    assert (found.time_to_ack.count, found.time_to_ack.median_ms) == (2, 2 * MINUTE)
    assert (found.time_to_ack.worst_ms, found.unacked) == (3 * MINUTE, 0)


def test_a_person_has_the_figures_of_what_came_to_the_person() -> None:
    """Each occurrence once, by whichever channel and however often; what failed, and tests of a channel, not at all."""
    found = of(
        *raises(12, SECOND),
        *(told(MINUTE + n, "anna", f"o{n}") for n in range(12)),
        *(told(2 * MINUTE + n, "anna", f"o{n}", words="repeat") for n in range(12)),
        told(2 * MINUTE, "ben", "o1"),
        told(2 * MINUTE, "ben", "group1", words="group"),
        told(2 * MINUTE, "ben", "o2", kind="failed"),
        told(3 * MINUTE, "ben", "test1", words="test"),
        told(3 * MINUTE, "ben", "test2", words="repeat: test"),
    ).persons
    assert {name: (one.told, one.peak_10min, one.per_day) for name, one in found.items()} == {
        "anna": (12, 12, 12.0),
        "ben": (2, 2, 2.0),
    }
    assert [flood.alarms for flood in found["anna"].floods] == [12]
    assert found["ben"].floods == ()
    assert [one.alarm for one in found["ben"].top_ten] == ["a1"]
    assert len(found["anna"].top_ten) == 10
    assert found["anna"].rate_per_10min == round(12 / 144, 3)


def test_stale_and_chattering_alarms_are_named_with_who_had_them() -> None:
    """Who was told of them, or acked them; a message of the time before counts for that time."""
    rows = [
        row("raised", -2 * DAY, subject="old", occurrence="0"),
        told(-2 * DAY, "carl", "0"),
        *(row("raised", n * SECOND, subject="often", occurrence=f"{n + 1}") for n in range(3)),
        told(MINUTE, "ben", "2"),
        row("acked", MINUTE, "C", subject="old", occurrence="0", actor="anna"),
    ]
    found = of(*rows).persons
    assert {name: (one.stale, one.chattering, one.told) for name, one in found.items()} == {
        "anna": (("old",), (), 0),
        "ben": ((), ("often",), 1),
    }


def test_the_figures_are_plain_data() -> None:
    """JSON takes them as they are, tuples of names as objects."""
    data = of(*raises(11, SECOND)).data()
    assert data["floods"] == [{"begin_at_ms": BEGIN, "end_at_ms": BEGIN + 10_000, "alarms": 11}]
    person = of(*raises(11, SECOND), *(told(n, "anna", f"o{n}") for n in range(11))).data()["persons"]["anna"]
    assert person["floods"] == [{"begin_at_ms": BEGIN, "end_at_ms": BEGIN + 10, "alarms": 11}]
    assert person["top_ten"][0] == {"alarm": "a0", "announced": 1, "percent": 9.1}
    assert data["time_to_ack"] == {"count": 0, "median_ms": 0, "worst_ms": 0}
