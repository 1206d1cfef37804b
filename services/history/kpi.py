"""Alarm figures of a time, of the site and of each person: how many, floods, stale and chattering ones, time to ack.

The targets and words are those of DOMAIN.md section 6 (after ISA-18.2, not checked against the standard):

| figure | counts |
|---|---|
| announced | raised or escalated while nothing hid it (then its event has no reason); an occurrence that is announced |
| | again is counted only when it was hidden until then |
| rate | announced, per operator and 10 minutes; by days |
| flood | more than 10 announced within 10 minutes, per operator; it lasts until fewer are |
| stale | active for more than 24 hours, now or in this time |
| chattering | raised 3 times or more within a minute |
| time to ack | from the announcement to the ack of the same occurrence |
| told | of a person: occurrences, and groups of them, that a message reached the person about, each once |

What is said per time counts the time of which the history knows, and at least ten minutes or a day: four alarms in the
first four minutes of a site are four a day, not 1,440. A person's rate, floods and days count what the person was told;
stale and chattering are those of the site that the person was told of or acked; what came in groups has no name there.

A pure function over the rows of the journal. Rows before ``begin_ms`` only tell how things stood then. Calendar days
go by the wall clock in the site's zone, durations by the log's own clock, which never falls.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, tzinfo
from statistics import median
from typing import Any, NamedTuple, Protocol

from shared.domain.events import EventType

WINDOW_MS = 600_000
FLOOD_OVER = 10
STALE_MS = 86_400_000
CHATTER_MS = 60_000
CHATTER_RAISES = 3
TOP = 10
TARGET_SHARES = {"critical": 5, "alarm": 15, "warning": 80}
"""Percent."""
DAY_MS = 86_400_000
LOOK_BACK_MS = 30 * DAY_MS
"""So far before the time rows are wanted: who is active or shelved for longer is counted from then on."""

_ANNOUNCES = {EventType.ALARM_RAISED.value, EventType.ALARM_ESCALATED.value, EventType.ALARM_REANNOUNCED.value}
_ACTIVE = {"B", "C"}
_DELIVERY = "ampward.delivery."
_IS_TEST = re.compile(r"message \S+, attempt \d+: (refused: )?(repeat: )?test\b").match
"""The form of a message stands in the words of its delivery (services.notifier.post)."""
_ENDS = {EventType.ALARM_CLEARED.value, EventType.ALARM_SUPERSEDED.value, EventType.ALARM_RETIRED.value}


class Row(Protocol):
    """What is needed of a journal's row."""

    @property
    def type(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def occurrence(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def tick_ms(self) -> int: ...


class Flood(NamedTuple):
    begin_at_ms: int
    end_at_ms: int
    """Of the last alarm that belonged to it."""
    alarms: int


class Stale(NamedTuple):
    alarm: str
    since_at_ms: int
    active_ms: int
    is_over: bool


class Chatter(NamedTuple):
    alarm: str
    most_in_a_minute: int
    raises: int
    """All of them in this time."""


class Counted(NamedTuple):
    alarm: str
    announced: int
    percent: float


@dataclass(frozen=True, slots=True)
class Acks:
    """Times to ack in ms; the figures are 0 when there was none."""

    count: int
    median_ms: int
    worst_ms: int


@dataclass(frozen=True, slots=True)
class Person:
    told: int
    rate_per_10min: float
    peak_10min: int
    floods: tuple[Flood, ...]
    per_day: float
    stale: tuple[str, ...]
    chattering: tuple[str, ...]
    top_ten: tuple[Counted, ...]
    acked: int
    time_to_ack: Acks
    reset: int
    shelved: int


@dataclass(frozen=True, slots=True)
class Kpi:
    """The figures of one site."""

    begin_at_ms: int
    end_at_ms: int
    known_since_at_ms: int
    """From then on there are figures: ``begin_at_ms``, or later when the history begins later."""
    operators: int
    announced: int
    rate_per_operator_10min: float
    peak_10min: int
    floods: tuple[Flood, ...]
    per_day: float
    worst_day: str
    worst_day_announced: int
    stale: tuple[Stale, ...]
    chattering: tuple[Chatter, ...]
    by_severity: dict[str, int]
    percent_by_severity: dict[str, float]
    top_ten: tuple[Counted, ...]
    top_ten_percent: float
    time_to_ack: Acks
    time_to_ack_by_severity: dict[str, Acks]
    unacked: int
    """Announced in this time, and not acked at its end."""
    persons: dict[str, Person]

    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        made = asdict(self)
        for name in ("floods", "stale", "chattering", "top_ten"):
            made[name] = [each._asdict() for each in getattr(self, name)]
        for name, person in self.persons.items():
            made["persons"][name]["floods"] = [each._asdict() for each in person.floods]
            made["persons"][name]["top_ten"] = [each._asdict() for each in person.top_ten]
        return made


class _Span(NamedTuple):
    begin_ms: int
    end_ms: int
    known_ms: int

    def per(self, unit_ms: int, count: int) -> float:
        """So many in one unit of time, over the time that is known and at least one unit."""
        return count * unit_ms / max(unit_ms, self.end_ms - self.known_ms)


@dataclass(slots=True)
class _Alarm:
    """What is known of one alarm while the rows go by."""

    active_since: "Row | None" = None
    waiting: "Row | None" = None
    """The announcement that nobody has acked."""
    announced: str = ""
    """The occurrence that was announced last."""
    raises: list[Row] = field(default_factory=list)


@dataclass(slots=True)
class _Found:
    announced: list[Row] = field(default_factory=list)
    stale: list[Stale] = field(default_factory=list)
    acks: list[tuple[str, str, int]] = field(default_factory=list)
    """(person, severity, ms)"""
    resets: Counter[str] = field(default_factory=Counter)
    shelves: Counter[str] = field(default_factory=Counter)
    told: dict[tuple[str, str], Row | None] = field(default_factory=dict)
    """First message by (person, occurrence or group); None when it came before this time."""
    subjects: dict[str, str] = field(default_factory=dict)
    """Alarm of each occurrence."""
    concerned: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Alarms that a person was told of or acked in this time."""


def kpi(
    rows: Iterable[Row], begin_ms: int, end_ms: int, *, known_ms: int = 0, operators: int = 1, zone: tzinfo = UTC
) -> Kpi:
    """Figures from ``begin_ms`` to before ``end_ms``; ``rows`` in the log's order, from earlier on if there are any.

    Nothing is known of the time before ``known_ms``.
    """
    alarms: defaultdict[str, _Alarm] = defaultdict(_Alarm)
    found = _Found()
    last_tick_ms = last_at_ms = 0
    for row in rows:
        if row.at_ms >= end_ms:
            continue
        last_tick_ms, last_at_ms = row.tick_ms, row.at_ms
        if row.type.startswith(_DELIVERY):
            _delivered(found, row, is_inside=row.at_ms >= begin_ms)
        else:
            _take(found, alarms[row.subject], row, is_inside=row.at_ms >= begin_ms)
    end_tick_ms = last_tick_ms + max(0, end_ms - last_at_ms)
    for alarm, known in alarms.items():
        if known.active_since is not None and end_tick_ms - known.active_since.tick_ms > STALE_MS:
            since = known.active_since
            found.stale.append(Stale(alarm, since.at_ms, end_tick_ms - since.tick_ms, is_over=False))
    unacked = sum(1 for known in alarms.values() if known.waiting is not None and known.waiting.at_ms >= begin_ms)
    span = _Span(begin_ms, end_ms, min(max(begin_ms, known_ms), end_ms))
    return _summed(found, alarms, unacked, span, operators, zone)


def _take(found: _Found, known: _Alarm, row: Row, *, is_inside: bool) -> None:
    if row.type in _ANNOUNCES:
        if row.type == EventType.ALARM_RAISED.value and is_inside:
            known.raises.append(row)
        found.subjects[row.occurrence] = row.subject
        is_again = row.type == EventType.ALARM_REANNOUNCED.value and known.announced == row.occurrence
        if not row.reason:
            known.announced = row.occurrence
            if not is_again or known.waiting is None:
                known.waiting = row
            if is_inside and not is_again:
                found.announced.append(row)
    elif row.type == EventType.ALARM_ACKED.value:
        _acked(found, known, row, is_inside=is_inside)
    elif row.type == EventType.ALARM_RESET.value and is_inside:
        found.resets[row.actor] += 1
    elif row.type == EventType.ALARM_SHELVED.value and is_inside:
        found.shelves[row.actor] += 1
    _activity(found, known, row, is_inside=is_inside)


def _acked(found: _Found, known: _Alarm, row: Row, *, is_inside: bool) -> None:
    told, known.waiting = known.waiting, None
    if is_inside and told is not None and told.occurrence == row.occurrence:
        found.acks.append((row.actor, told.severity, row.tick_ms - told.tick_ms))
        found.concerned[row.actor].add(row.subject)


def _delivered(found: _Found, row: Row, *, is_inside: bool) -> None:
    """A message that reached a person. The daily test is none about an alarm."""
    key = (row.actor, row.occurrence)
    if row.type != EventType.DELIVERY_SENT.value or not all(key) or key in found.told or _IS_TEST(row.reason):
        return
    found.told[key] = row if is_inside else None
    if is_inside and row.occurrence in found.subjects:
        found.concerned[row.actor].add(found.subjects[row.occurrence])


def _activity(found: _Found, known: _Alarm, row: Row, *, is_inside: bool) -> None:
    is_active = row.state in _ACTIVE and row.type not in _ENDS
    if is_active and known.active_since is None:
        known.active_since = row
    elif not is_active and known.active_since is not None and row.state:
        since, known.active_since = known.active_since, None
        if is_inside and row.tick_ms - since.tick_ms > STALE_MS:
            found.stale.append(Stale(row.subject, since.at_ms, row.tick_ms - since.tick_ms, is_over=True))


def _summed(
    found: _Found,
    alarms: "dict[str, _Alarm]",
    unacked: int,
    span: _Span,
    operators: int,
    zone: tzinfo,
) -> Kpi:
    announced = found.announced
    count = len(announced)
    days = Counter(datetime.fromtimestamp(row.at_ms / 1000, zone).date().isoformat() for row in announced)
    worst_day, most = max(days.items(), key=lambda day: (day[1], day[0]), default=("", 0))
    severities = {name: sum(row.severity == name for row in announced) for name in TARGET_SHARES}
    top = _top(Counter(row.subject for row in announced), count)
    stale = tuple(sorted(found.stale, key=lambda one: -one.active_ms))
    chattering = _chattering(alarms)
    return Kpi(
        begin_at_ms=span.begin_ms,
        end_at_ms=span.end_ms,
        known_since_at_ms=span.known_ms,
        operators=operators,
        announced=count,
        rate_per_operator_10min=round(span.per(WINDOW_MS, count) / operators, 3),
        peak_10min=_peak(announced),
        floods=floods(announced, FLOOD_OVER * operators),
        per_day=round(span.per(DAY_MS, count), 1),
        worst_day=worst_day,
        worst_day_announced=most,
        stale=stale,
        chattering=chattering,
        by_severity=severities,
        percent_by_severity={name: _percent(number, count) for name, number in severities.items()},
        top_ten=top,
        top_ten_percent=_percent(sum(one.announced for one in top), count),
        time_to_ack=_acks([ms for *_, ms in found.acks]),
        time_to_ack_by_severity={
            name: _acks([ms for _, severity, ms in found.acks if severity == name]) for name in TARGET_SHARES
        },
        unacked=unacked,
        persons=_persons(found, span, [one.alarm for one in stale], [one.alarm for one in chattering]),
    )


def floods(announced: Sequence[Row], over: int = FLOOD_OVER) -> tuple[Flood, ...]:
    """Stretches in which more than ``over`` came within ten minutes."""
    made: list[list[int]] = []
    first = 0
    for n, row in enumerate(announced):
        while row.tick_ms - announced[first].tick_ms >= WINDOW_MS:
            first += 1
        if n - first + 1 > over:
            if made and first <= made[-1][1]:
                made[-1][1] = n
            else:
                made.append([first, n])
    return tuple(Flood(announced[a].at_ms, announced[b].at_ms, b - a + 1) for a, b in made)


def _peak(announced: Sequence[Row]) -> int:
    return _most_within([row.tick_ms for row in announced], WINDOW_MS)


def _most_within(ticks: Sequence[int], window_ms: int) -> int:
    most = first = 0
    for n, tick in enumerate(ticks):
        while tick - ticks[first] >= window_ms:
            first += 1
        most = max(most, n - first + 1)
    return most


def _chattering(alarms: "dict[str, _Alarm]") -> tuple[Chatter, ...]:
    found = [
        Chatter(alarm, most, len(known.raises))
        for alarm, known in alarms.items()
        if (most := _most_within([row.tick_ms for row in known.raises], CHATTER_MS)) >= CHATTER_RAISES
    ]
    return tuple(sorted(found, key=lambda one: (-one.most_in_a_minute, -one.raises, one.alarm)))


def _acks(times_ms: list[int]) -> Acks:
    return Acks(len(times_ms), round(median(times_ms)) if times_ms else 0, max(times_ms, default=0))


def _top(counts: Counter[str], whole: int) -> tuple[Counted, ...]:
    return tuple(Counted(alarm, number, _percent(number, whole)) for alarm, number in counts.most_common(TOP))


def _persons(found: _Found, span: _Span, stale: list[str], chattering: list[str]) -> dict[str, Person]:
    told: defaultdict[str, list[Row]] = defaultdict(list)
    for (person, _), row in found.told.items():
        if row is not None:
            told[person].append(row)
    names = sorted({person for person, *_ in found.acks} | set(found.resets) | set(found.shelves) | set(told))
    made = {}
    for name in names:
        rows = told.get(name, [])
        known = Counter(found.subjects[row.occurrence] for row in rows if row.occurrence in found.subjects)
        concerned = found.concerned.get(name, set())
        made[name] = Person(
            told=len(rows),
            rate_per_10min=round(span.per(WINDOW_MS, len(rows)), 3),
            peak_10min=_peak(rows),
            floods=floods(rows),
            per_day=round(span.per(DAY_MS, len(rows)), 1),
            stale=tuple(alarm for alarm in dict.fromkeys(stale) if alarm in concerned),
            chattering=tuple(alarm for alarm in chattering if alarm in concerned),
            top_ten=_top(known, len(rows)),
            acked=sum(person == name for person, *_ in found.acks),
            time_to_ack=_acks([ms for person, _, ms in found.acks if person == name]),
            reset=found.resets[name],
            shelved=found.shelves[name],
        )
    return made


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1) if whole else 0.0
