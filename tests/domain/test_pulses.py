"""What happens at one moment: an alarm that tells of it again."""

from shared.domain.inputs import What
from shared.domain.plan import ReportRow, Severity
from tests.domain.driver import Room
from tests.domain.plans import alarm, room
from tests.domain.timeline import line, report, say, tick


def test_a_pulse_while_the_one_before_is_still_true_and_acked_is_told_anew() -> None:
    """A second step of the clock within the first one's minute: the ack of the first does not stand for it."""
    step = "s/_site/clock/clock_step"
    plan = room(
        alarms=(alarm(step, Severity.ALARM, off_delay_ms=60_000),),
        reports=(ReportRow(0, "clock_step", "s/_site/clock", Severity.ALARM),),
    )
    pulse = report("clock_step", "s/_site/clock", pulse=True)
    rows = [
        (0, pulse, ["alarm.raised clock/clock_step B"], "the first step"),
        (1_000, pulse, [], "another while nobody has seen the first: it is still asking"),
        (1_000, say(What.ACK, step), ["alarm.acked clock/clock_step C"], "seen"),
        (1_000, pulse, ["alarm.reannounced clock/clock_step B"], "the next one"),
        (1_000, say(What.ACK, step), ["alarm.acked clock/clock_step C"], "seen"),
        (58_999, tick, [], "the last step's minute is not over"),
        (1, tick, ["alarm.returned clock/clock_step A", "alarm.cleared clock/clock_step A"], "now it is"),
    ]
    line(Room(plan), rows)
