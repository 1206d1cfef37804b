"""The body of POST /api/v1/commands: strict JSON with limits, turned into the core's Command.

Refused here, each with the field and what is allowed: unknown and doubled fields, wrong types, control characters,
texts over their limit, durations without a unit, days that are none or to come. Whether the act is possible is the
core's to say. A day becomes an age here, in whole days, so that the same command again has the same content.
"""

import json
import re
import unicodedata
from datetime import date
from decimal import Decimal
from time import time_ns
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from services.gateway.problems import Problem, invalid
from shared.domain.inputs import Command, What
from shared.domain.plan import Severity
from shared.runtime.durations import ALLOWED as DURATION_ALLOWED
from shared.runtime.durations import parse_duration

ID_PATTERN = r"[A-Za-z0-9_.:-]{1,64}"
ID_ALLOWED = "1 to 64 of A-Z a-z 0-9 _ . : -"
SUBJECT_MAX = 250
"""Six ids of 40 characters with their slashes."""
REASON_MAX = 500
PERSON_MAX = 80
SERIAL_MAX = 64
MILLIOHM_ALLOWED = "mOhm above 0, at most 100000, with at most 3 decimals, as in 3.125"
DAY_ALLOWED = "a day up to today, YYYY-MM-DD"
DAY_MS = 86_400_000
DEFAULT_ACTOR = "token:machine"
ACTOR_ALLOWED = "cli: or centre: and 1 to 64 printable characters"

_ID = re.compile(ID_PATTERN)
_MILLIOHM = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_ACTOR = re.compile(r"(?:cli|centre):[^\x00-\x1f\x7f]{1,64}")


def _printable(text: str) -> str:
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
            raise ValueError(f"character U+{ord(char):04X} is not printable")
    return text


def _command_id(text: str) -> str:
    if _ID.fullmatch(text) is None:
        raise ValueError("is not an id")
    return text


def _duration(text: str) -> str:
    if text and parse_duration(text) is None:
        raise ValueError("is not a duration")
    return text


def _milliohm(text: str) -> str:
    if text and (_MILLIOHM.fullmatch(text) is None or not 0 < Decimal(text) <= 100_000):
        raise ValueError("is not a resistance")
    return text


def _day(text: str) -> str:
    if text:
        try:
            age = _age_days(text)
        except ValueError:
            age = None
        if age is None or age < 0 or _DAY.fullmatch(text) is None:
            raise ValueError("is not a day that was")
    return text


def _age_days(text: str) -> int:
    """Days since ``text``; tomorrow, which has begun east of Greenwich, is today. Raises ValueError."""
    days = time_ns() // 1_000_000 // DAY_MS - (date.fromisoformat(text) - date(1970, 1, 1)).days
    return 0 if days == -1 else days


Line = Annotated[str, AfterValidator(_printable)]


class CommandBody(BaseModel):
    """A person's act. The same id again gives the same answer and is done once."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, AfterValidator(_command_id)] = Field(
        description="Chosen by the sender, new for each act, for example a UUID.",
        json_schema_extra={"pattern": f"^{ID_PATTERN}$"},
    )
    what: str = Field(description="The act.", json_schema_extra={"enum": [act.value for act in What]})
    subject: Line = Field(
        max_length=SUBJECT_MAX, description="Alarm, output, device, part, jar, string, battery, room or site."
    )
    occurrence: str = Field("", pattern=r"^(?:[0-9a-f]{32})?$", description="The occurrence that the person saw.")
    severity_seen: str | None = Field(None, json_schema_extra={"enum": ["warning", "alarm", "critical", None]})
    reason: Line = Field("", max_length=REASON_MAX)
    for_: Annotated[str, AfterValidator(_duration)] = Field(
        "", alias="for", max_length=32, description="How long: 30min, 8h.", examples=["30min"]
    )
    second_person: Line = Field("", max_length=PERSON_MAX)
    measure: Line = Field("", max_length=REASON_MAX, description="What watches instead, meanwhile.")
    old_serial: Line = Field("", max_length=SERIAL_MAX, description="Of what is replaced, when it is known.")
    new_serial: Line = Field("", max_length=SERIAL_MAX, description="Of what replaces it.")
    baseline_mohm: Annotated[str, AfterValidator(_milliohm)] = Field(
        "", max_length=10, description="A jar's resistance when new; measured when it is not given.", examples=["3.125"]
    )
    on: Annotated[str, AfterValidator(_day)] = Field(
        "", max_length=10, description="Day of the calibration or proof test, YYYY-MM-DD; today when it is not given."
    )


_LABELS = {grade.label: grade for grade in Severity}
_ALLOWED = {
    "id": ID_ALLOWED,
    "what": ", ".join(What),
    "occurrence": "32 of 0-9 a-f, as the alarm has it; empty for whatever there is",
    "severity_seen": f"{', '.join(_LABELS)}, or null",
    "for": DURATION_ALLOWED,
    "baseline_mohm": MILLIOHM_ALLOWED,
    "on": DAY_ALLOWED,
}
"""What each field may be; the others are lines of text with a limit."""
_MESSAGES = {
    "extra_forbidden": "is not a field of a command",
    "missing": "is missing",
    "string_type": "is not a text",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "is not an occurrence",
}


def _allowed(name: str) -> str:
    field = next((field for key, field in CommandBody.model_fields.items() if name == (field.alias or key)), None)
    if field is None:
        return ", ".join(field.alias or key for key, field in CommandBody.model_fields.items())
    length = max((getattr(limit, "max_length", 0) for limit in field.metadata), default=0)
    return _ALLOWED.get(name) or f"a text of at most {length} printable characters on one line"


def read_command(body: bytes, actor: str) -> Command:
    """The command in ``body``. Raises Problem: 400 for what is not JSON, 422 for what is not a command."""
    given = _strict_json(body)
    if not isinstance(given, dict):
        raise invalid([{"field": "body", "message": "is not an object", "allowed": "a JSON object"}])
    faults: list[dict[str, str]] = []
    parsed: CommandBody | None = None
    try:
        parsed = CommandBody.model_validate(given)
    except ValidationError as error:
        faults += [_fault(str(fault["loc"][0]), fault["type"], fault["msg"]) for fault in error.errors()]
    what, severity = given.get("what"), given.get("severity_seen")
    if isinstance(what, str) and what not in set(What):
        faults.append({"field": "what", "message": f"{what[:40]!r} is not an act", "allowed": _allowed("what")})
    if isinstance(severity, str) and severity not in _LABELS:
        faults.append({"field": "severity_seen", "message": "is not a severity", "allowed": _allowed("severity_seen")})
    if parsed is None or faults:
        raise invalid(faults)
    return Command(
        id=parsed.id,
        what=What(parsed.what),
        subject=parsed.subject,
        occurrence=parsed.occurrence,
        severity_seen=None if parsed.severity_seen is None else _LABELS[parsed.severity_seen],
        reason=parsed.reason.strip(),
        actor=actor,
        for_ms=(parse_duration(parsed.for_) or 0) if parsed.for_ else 0,
        second_person=parsed.second_person.strip(),
        measure=parsed.measure.strip(),
        old_serial=parsed.old_serial.strip(),
        new_serial=parsed.new_serial.strip(),
        value=int(Decimal(parsed.baseline_mohm).scaleb(3)) if parsed.baseline_mohm else 0,
        age_ms=_age_days(parsed.on) * DAY_MS if parsed.on else 0,
    )


def read_actor(header: str | None) -> str:
    """Who acts: the header Ampward-Actor of the command line or the uplink, else the token's name. Raises Problem."""
    if header is None:
        return DEFAULT_ACTOR
    try:
        name = header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        name = ""
    if _ACTOR.fullmatch(name) is None:
        raise invalid([{"field": "Ampward-Actor", "message": "is not an actor", "allowed": ACTOR_ALLOWED}])
    return name


def _fault(name: str, kind: str, message: str) -> dict[str, str]:
    text = _MESSAGES.get(kind, message.removeprefix("Value error, "))
    return {"field": name[:80], "message": text, "allowed": _allowed(name)}


def _strict_json(body: bytes) -> Any:
    """JSON without doubled keys, NaN and infinities. Raises Problem 400."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_constant)
    except UnicodeDecodeError:
        raise _not_json("it is not UTF-8") from None
    except RecursionError:
        raise _not_json("it is nested too deeply") from None
    except ValueError as error:
        raise _not_json(str(error)) from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a field is given twice")
    return made


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _not_json(why: str) -> Problem:
    return Problem(400, "malformed-json", "The body is not JSON", why)
