"""What people see: lines without a terminal, a picture on one."""

from io import StringIO
from typing import Any

from rich.console import Console

from services.site.told import Told
from services.site.view_lines import cause_text, event_line, is_news, standing_lines, value_text
from services.site.view_picture import draw
from services.site.view_source import Picture, Room, String

ALARM = {
    "id": "demo/r1/gas1-h2/h2_alarm",
    "rule": "h2_alarm",
    "point": "demo/r1/gas1-h2",
    "severity": "critical",
    "state": "B",
    "condition": "true",
    "override": "none",
    "since": "2026-01-01T00:00:00.000Z",
    "value": "2.1",
    "unit": "%vol",
}
STATUS: dict[str, Any] = {
    "name": "Demo",
    "ready": True,
    "armed": False,
    "undurable": False,
    "mqtt": "mqtt://127.0.0.1:1883: connected",
    "checks": {"armed": {"ok": False, "detail": "io1-do0: never commissioned"}},
}
POINTS: dict[str, dict[str, Any]] = {
    "demo/r1/gas1-h2": {"value": "2.1", "unit": "%vol", "quality": "good", "no_data": ""},
    "demo/r1/gas2-h2": {"value": None, "unit": "%vol", "quality": "bad", "no_data": "timeout"},
    "demo/r1/bacs1-s1_current": {"value": "20", "unit": "A", "quality": "good", "no_data": ""},
}
FAN = {
    "id": "demo/r1/io1-do0",
    "kind": "fan",
    "demand": "on",
    "by": ["detector_2 demo/r1/gas1-h2", "alarm demo/r1/gas1-h2/h2_alarm", "boost demo/r1/bat1"],
    "read_back": "on",
    "proof": "failed",
}
ROOM = Room(
    "r1",
    "Battery room 1",
    ("demo/r1/gas1-h2", "demo/r1/gas2-h2"),
    (String("demo/r1/bat1/s1", "demo/r1/bacs1-s1_current", "", 1), String("demo/r1/bat1/s2", "", "", 2)),
)
JAR = {**ALARM, "id": "demo/r1/bat1/7S2/jar_voltage_low_alarm", "point": "demo/r1/bat1/7S2", "severity": "alarm"}


def picture(*alarms: dict[str, Any], **status: Any) -> Picture:
    return Picture({**STATUS, **status}, alarms, POINTS, (FAN,), taken_at=1e12)


def text_of(shown: Picture, told: Told | None = None) -> str:
    console = Console(width=130, record=True, file=StringIO())
    console.print(draw(shown, (ROOM,), {"http": "127.0.0.1:8080"}, told or Told()))
    return console.export_text()


def test_the_picture_names_room_gas_fan_string_alarm_and_address() -> None:
    """Everything that an operator looks for, and that the detector stays the listed one."""
    text = text_of(picture(ALARM, JAR))
    parts = ("Battery room 1", "2.1 %vol", "fan io1-do0", "bat1/s1", "20 A", "127.0.0.1:8080", "1883", "supplements")
    assert [part for part in parts if part not in text] == []


def test_what_is_abnormal_has_a_shape_and_a_word_beside_its_colour() -> None:
    """Colour alone tells nothing to who cannot see it."""
    text = text_of(picture(ALARM))
    assert "■ critical h2_alarm" in text
    assert "active, not acknowledged" in text
    assert "● not armed" in text


def test_unknown_never_looks_like_good() -> None:
    """A value that is not there says why."""
    assert "? timeout" in text_of(picture())


def test_a_string_lists_only_its_own_jars() -> None:
    """7S2 is jar 7 of string 2."""
    lines = text_of(picture(JAR)).splitlines()
    row = {name: next(line for line in lines if line.startswith(f"bat1/{name}")) for name in ("s1", "s2")}
    assert "7S2" in row["s2"]
    assert "7S2" not in row["s1"]


def test_long_causes_do_not_push_the_states_away() -> None:
    """Two causes in few words, and how many more."""
    line = next(line for line in text_of(picture(ALARM)).splitlines() if line.startswith("fan io1-do0"))
    assert "▶ on" in line
    assert "failed" in line
    assert "gas limit 2 gas1-h2, h2_alarm gas1-h2 +1" in line


def test_a_site_that_does_not_answer_is_said_to() -> None:
    """The last picture stays, with its age."""
    assert "has not answered" in text_of(Picture(STATUS, (), POINTS, (FAN,), taken_at=1.0))
    assert "Waiting" in text_of(Picture())


def test_the_story_and_the_programs_words_are_shown() -> None:
    """The demo says what it does; the program what it had to do."""
    told = Told()
    told.story.append("The fan's belt breaks.")
    told.said.append("site killed by SIGKILL; it is started again")
    text = text_of(picture(), told)
    assert "The fan's belt breaks." in text
    assert "started again" in text


def cloud(kind: str, subject: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "subject": subject, "time": "2026-01-01T12:00:00.000Z", "data": data}


def test_an_event_is_one_line_in_words() -> None:
    """What happened, where, severity, value, and no escape codes."""
    raised = cloud("ampward.alarm.raised.v1", "demo/r1/gas1-h2/h2_alarm", severity="critical", value="2.1", unit="%vol")
    line = event_line({**raised, "undurable": "true"})
    assert line.endswith("alarm raised demo/r1/gas1-h2/h2_alarm critical 2.1 %vol [not on disk]")
    assert "\x1b" not in line
    assert "mode boost demo/r1/bat1" in event_line(cloud("ampward.mode.changed.v1", "demo/r1/bat1", state="boost"))


def test_records_of_the_fields_doing_are_no_news() -> None:
    """The log has them; the box's own reports are shown."""
    assert not is_news(cloud("ampward.report.recorded.v1", "demo/r1/io1-do0"))
    assert is_news(cloud("ampward.report.recorded.v1", "demo/_site/config"))
    assert is_news(cloud("ampward.alarm.raised.v1", "demo/r1/x/y"))


def test_what_stands_when_the_view_begins_is_said() -> None:
    """Alarms that are normal but for an unknown condition are not standing."""
    normal = {**ALARM, "id": "demo/_site/log/log_damaged", "state": "A"}
    lines = list(standing_lines(picture(ALARM, normal)))
    assert any("standing: critical demo/r1/gas1-h2/h2_alarm 2.1 %vol" in line for line in lines)
    assert not any("log_damaged" in line for line in lines)
    assert any("never commissioned" in line for line in lines)


def test_causes_are_told_in_few_words() -> None:
    """Ids lose site and room, kinds get a word."""
    assert cause_text("run-on detector_1 demo/r1/gas1-h2") == "run-on gas limit 1 gas1-h2"
    assert cause_text("alarm demo/r1/io1-do0/fan_fail") == "fan_fail io1-do0"
    assert cause_text("test") == "test"
    assert value_text({"value": "1", "unit": "state"}).strip() == "1"
