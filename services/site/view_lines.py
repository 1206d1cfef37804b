"""The view as plain lines: one sentence a change, in words, for terminals that are none and for files."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from services.site.view_source import Picture

STATES = {
    "A": "normal",
    "B": "active, not acknowledged",
    "C": "active, acknowledged",
    "D": "returned, not acknowledged",
    "E": "latched, not acknowledged",
    "F": "latched, acknowledged",
}
"""Process region of an alarm, in words."""

SUPPLEMENTS = "Ampward supplements a listed gas detector and its wired ventilation interlock; it never replaces them."


NOT_TOLD_YET = "guard has not told of its outputs yet"

CAUSES = {
    "alarm": "",
    "detector_1": "gas limit 1",
    "detector_2": "gas limit 2",
    "detector_fault": "fault or warm-up",
    "local_trip": "trip",
}
"""Kinds of causes as the core names them, in fewer words."""

NOISE = "ampward.report.recorded."
"""Events that only record what the field does; the log has them, the view leaves them out but for the box's own."""


def is_news(event: dict[str, Any]) -> bool:
    """Whether a person who watches wants to see it."""
    return not event["type"].startswith(NOISE) or "/_site/" in event["subject"]


def short(path: str) -> str:
    """An id without site and room."""
    return path.split("/", 2)[-1]


def cause_text(cause: str) -> str:
    """Why an output is demanded, in a few words: ``alarm s/r1/gas1-h2/h2_alarm`` is ``h2_alarm gas1-h2``."""
    *words, last = cause.split(" ")
    if words and words[-1] == "alarm":
        subject, _, rule = last.rpartition("/")
        return " ".join(filter(None, (*words[:-1], rule, short(subject))))
    return " ".join(filter(None, (*(CAUSES.get(word, word) for word in words), short(last))))


def standing_lines(picture: Picture) -> Iterator[str]:
    """What stands when the view begins."""
    status = picture.status
    yield SUPPLEMENTS
    if not status["armed"]:
        yield f"not armed: {status['checks']['armed']['detail']}"
    for alarm in picture.alarms:
        if alarm["state"] == "A" and alarm["override"] == "none":
            continue
        yield f"standing: {alarm['severity']} {alarm['id']} {value_text(alarm)}({STATES[alarm['state']]})"


def event_line(event: dict[str, Any]) -> str:
    """One event as people read it."""
    data = event["data"]
    kind = event["type"].removeprefix("ampward.").removesuffix(".v1").replace(".", " ").replace("_", " ")
    at = datetime.fromisoformat(event["time"]).astimezone().strftime("%H:%M:%S")
    if kind == "mode changed":
        kind = f"mode {data.get('state', '')}"
    words = [at, kind, event["subject"], data.get("severity", ""), value_text(data).strip()]
    if data.get("reason"):
        words.append(f"({data['reason']})")
    if data.get("actor"):
        words.append(f"by {data['actor']}")
    if event.get("undurable"):
        words.append("[not on disk]")
    return " ".join(word for word in words if word)


def value_text(item: dict[str, Any]) -> str:
    """Value and unit with a space behind, or nothing."""
    value = item.get("value")
    unit = item.get("unit") or ""
    return "" if value in (None, "") else f"{value} {'' if unit == 'state' else unit} ".replace("  ", " ")
