"""What a centre's gateway takes of a site's live records: the newest, and nothing that was sent before it."""

import pytest
from msgspec.structs import replace

from services.gateway import shapes
from services.gateway.centre.picture import SILENT_MS, Picture
from shared.wire.batches import EventsBatch, Verdict
from shared.wire.live import Live, LiveAlarm, LiveOutput, LivePoint
from shared.wire.registrations import Registration
from tests.wire.chained import KEY

NOW = 1_000_000
A, B = "a" * 32, "b" * 32


def record(value: str, *, log_id: str = A, seq: int = 10, sent: int = 5_000, number: int = 1) -> Live:
    point = LivePoint("depot/r1/gas1-h2", value, "%vol", "good", "", sent)
    return Live(site="depot", log_id=log_id, site_seq=seq, sent_at_ms=sent, number=number, points=(point,))


@pytest.fixture
def picture() -> Picture:
    made = Picture(lambda: NOW)
    made.register(Registration("depot", 0, (KEY.public.text(),)))
    made.take_live(record("0.2"), NOW)
    return made


def value(picture: Picture) -> str | None:
    return picture.points()[0].value


@pytest.mark.parametrize(
    ("later", "is_taken"),
    [
        (record("9"), False),
        (record("9", seq=9, sent=9_000, number=9), False),
        (record("9", sent=4_999, number=9), False),
        (record("9", number=2), True),
        (record("9", sent=5_001, number=0), True),
        (record("9", seq=11, sent=1_000, number=0), True),
        (record("9", log_id=B, seq=9, sent=4_999, number=9), False),
        (record("9", log_id=B, seq=9, sent=5_001), True),
        (record("9", log_id=B, seq=11, sent=1_000), True),
    ],
    ids=[
        "the same again",
        "an earlier number of the log",
        "an earlier time",
        "the next of the same instant",
        "a later time",
        "a later number while the clock was set back",
        "another log, behind in both",
        "a restored log, later",
        "a new log, the clock without a battery",
    ],
)
def test_what_was_sent_before_changes_nothing(picture: Picture, later: Live, *, is_taken: bool) -> None:
    """A signed record of long ago, sent again by somebody else, shows no old value and no sign of life."""
    picture.take_live(later, NOW + 1)
    assert value(picture) == ("9" if is_taken else "0.2")
    assert picture.site_items()[0].heard_at_ms == NOW + is_taken


def test_a_telling_anew_ends_what_was_known(picture: Picture) -> None:
    """What the site no longer has is gone with it; what is only of another site never comes in."""
    alarm = LiveAlarm(
        "depot/r1/gas1-h2/h2_alarm", "h2_alarm", "depot/r1/gas1-h2", "critical", "B", "true", "none", "o", 1, "2.1",
        "%vol", "go", 0,
    )  # fmt: skip
    output = LiveOutput("mill/r1/io1-do0", "fan", "on", (), "on", "proven", True, "watchdog")  # noqa: FBT003
    sign = Live(site="depot", log_id=A, site_seq=11, sent_at_ms=6_000)
    picture.take_live(replace(sign, number=1, anew=True, alarms=(alarm,), outputs=(output,)), NOW)
    assert [one.id for one in picture.alarms({})] == [alarm.id]
    assert (picture.points(), picture.outputs({})) == ((), ())
    picture.take_live(replace(sign, number=2, alarms_gone=(alarm.id,)), NOW)
    assert picture.alarms({}) == ()


def batch(first_seq: int, last_seq: int, verdict: Verdict, head: str) -> EventsBatch:
    return EventsBatch("depot", A, 1, first_seq, last_seq, verdict, 7, 0, head * 64, ())


def test_how_a_site_stands_is_what_it_and_the_centre_said_last(picture: Picture) -> None:
    """Its clock, log and backlog by its own word; chain head, versions and verdict by the newest block, with the
    decision version of the newest event, also when no event came with it."""
    picture.take_live(replace(record("0.3", seq=95, sent=NOW - 1_500), backlog_ms=4_000), NOW)
    picture.take_batch(batch(1, 40, Verdict.DIFFERENT, "a"), "v1", NOW + 5)
    picture.take_batch(batch(41, 90, Verdict.EQUAL, "b"), "", NOW + 10)
    assert shapes.site(picture.site_items()[0]) == {
        "id": "depot",
        "heard_at": "1970-01-01T00:16:40.010Z",
        "silent": False,
        "clock_offset_ms": 1_500,
        "log_id": A,
        "site_seq": 95,
        "decided_seq": 90,
        "decided_at": "1970-01-01T00:16:40.010Z",
        "chain_head": "b" * 64,
        "decision": "v1",
        "core_version": 7,
        "different": 1,
        "backlog_ms": 4_000,
        "last_verdict": "equal",
    }


def test_a_site_that_is_silent_has_no_good_value() -> None:
    """Up to a minute behind its last sign of life what it showed holds; then its points have no value."""
    now = [NOW]
    made = Picture(lambda: now[0])
    made.register(Registration("depot", 0, (KEY.public.text(),)))
    made.take_live(record("0.2"), NOW)
    now[0] = NOW + SILENT_MS
    assert (value(made), made.site_items()[0].is_silent) == ("0.2", False)
    now[0] += 1
    [point] = made.points()
    assert (point.value, point.quality, point.no_data) == (None, "bad", "site_silent")
    assert made.site_items()[0].is_silent
