"""From a planned message to what a person reads: subject and text in their language, times in the site's zone.

Promises: the same message for the same person gives the same text; every item of a message is counted in it, the
gravest are named first; a fault in here still gives a message in plain English with the alarms' ids. Nothing that
people or devices have named can end a line or send a control character.
Limits: subjects of 70 characters, 40 alarms named in a text, 100 events in ``data``.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from services.notifier.messages import OVER, Form, Item, Kind, Message
from services.notifier.moments import stamp
from services.notifier.plain import lines, one_line
from services.notifier.ports import Outgoing
from services.notifier.routing import Setting, severity_of
from services.notifier.words import meaning, rule_name, word
from shared.domain.events import Event, EventType
from shared.domain.ids import SITE_ROOM
from shared.domain.notify_plan import Person
from shared.domain.plan import Severity
from shared.wire.events import cloud_event

SUBJECT_MAX = 70
NAME_MAX = 40
TEXT_LINE_MAX = 500
TEXT_MAX = 16_384
NAMED_MAX = 40
DATA_MAX = 100
EVACUATE = frozenset({"h2_alarm"})
"""Rules whose alarm means: leave the room."""


def compose(
    message: Message, setting: Setting, person: Person, *, repeat: bool, fault: Callable[[Exception], None]
) -> Outgoing:
    """The message as its channel gets it; ``fault`` is told of a fault in the composing."""
    try:
        subject, body = Composer(setting, person.language).of(message, repeat=repeat)
    except Exception as wrong:
        fault(wrong)
        subject, body = in_plain(message)
    return Outgoing(
        id=message.id,
        person=person,
        subject=one_line(subject, SUBJECT_MAX),
        text=lines(body, TEXT_MAX),
        language=person.language,
        severity=gravest(message.items).label if message.items and message.form is not Form.NOTICE else "",
        event_ids=message.event_ids,
        thread=message.thread,
        follows=message.follows,
        repeat=repeat,
        at_ms=message.at_ms,
        data=tuple(_data(item) for item in message.items[:DATA_MAX]),
    )


def in_plain(message: Message) -> tuple[str, str]:
    """Subject and text without any catalogue."""
    told = [f"{item.event.severity} {item.event.subject} {item.kind}" for item in message.items]
    return (told[0] if len(told) == 1 else f"{len(told)} alarms"), "\n".join(told[:NAMED_MAX])


def gravest(items: tuple[Item, ...]) -> Severity:
    return max(severity_of(item.event) for item in items)


def is_over(item: Item) -> bool:
    """The alarm has gone. What ended only because the same alarm was raised anew has not: it may never read as over."""
    return item.kind in OVER and item.event.type != EventType.ALARM_SUPERSEDED


def _data(item: Item) -> dict[str, object]:
    made = cloud_event(item.event)
    return {**made, "undurable": "true"} if item.undurable else made


@dataclass(frozen=True, slots=True)
class Composer:
    """Writes for one language at one site."""

    setting: Setting
    language: str

    def of(self, message: Message, *, repeat: bool) -> tuple[str, str]:
        """Subject and text."""
        if message.form is Form.TEST:
            subject, parts = self._test(message)
        elif message.form is Form.NOTICE:
            subject, parts = self._notice(message.items[0].event)
        elif len(message.items) == 1 and message.form is Form.ALARM:
            subject, parts = self._one(message.items[0])
        else:
            subject, parts = self._many(message)
        if any(item.undurable for item in message.items):
            parts.append(self._word("undurable"))
        if repeat:
            parts.append(self._word("repeated"))
        parts.append(f"-- \n{self._site()}: {self._word('supplements')}")
        return subject, "\n\n".join(part for part in parts if part)

    # One alarm

    def _one(self, item: Item) -> tuple[str, list[str]]:
        event = item.event
        subject = f"{self._head(item)} {self._name(event)}: {self._room(event)}{self._reading(event, ', ')}"
        parts = []
        if event.rule in EVACUATE and not is_over(item):
            parts.append(self._word("evacuate"))
        parts += [self._why(item), self._facts(item)]
        says, does = meaning(event.rule, self.language)
        if says and not is_over(item):
            parts += [f"{self._word('meaning')}: {says}", f"{self._word('to_do')}: {does}"]
        return subject, parts

    def _head(self, item: Item) -> str:
        if is_over(item):
            return self._word("closed" if item.kind is Kind.CLOSED else "over")
        again = f" {self._word('again')}" if item.kind not in (Kind.RAISED, Kind.ESCALATED, Kind.OPEN) else ""
        return self._word(item.event.severity) + again

    def _why(self, item: Item) -> str:
        match item.kind:
            case Kind.RETURNED:
                return self._word("over_latched" if item.event.state in ("E", "F") else "over_text")
            case Kind.CLOSED:
                return self._word("closed_text" if is_over(item) else "anew_text")
            case Kind.ESCALATED:
                return self._word("escalated_text")
            case Kind.AGAIN:
                return self._word("again_text")
            case Kind.OPEN:
                return self._word("open_text")
            case Kind.NEXT:
                return self._word("next")
            case Kind.REMINDER:
                return self._word("reminder")
            case Kind.RAISED:
                return ""

    def _facts(self, item: Item) -> str:
        event = item.event
        state = event.state if event.type != EventType.ALARM_SUPERSEDED else ""
        rows = [
            (self._word("at"), stamp(event.at_ms, self.setting.zone)),
            (self._word("site"), self._site()),
            (self._word("room"), self._room(event)),
            (self._word("alarm_id"), event.subject),
            (self._word("value"), self._reading(event, "")),
            (self._word("state"), self._word(state) if state and state in "ABCDEF" else state),
        ]
        return "\n".join(f"{name}: {value}" for name, value in rows if value)

    def _reading(self, event: Event, before: str) -> str:
        if not event.value:
            return ""
        limit = f" ({self._word('limit')} {event.limit} {event.unit})" if event.limit and not before else ""
        return f"{before}{event.value} {event.unit}".rstrip() + limit

    # Several

    def _many(self, message: Message) -> tuple[str, list[str]]:
        by_occurrence: dict[str, list[Item]] = {}
        for item in message.items:
            by_occurrence.setdefault(item.event.occurrence, []).append(item)
        alarms = sorted(by_occurrence.values(), key=_order)
        count = Counter(gravest(tuple(items)) for items in alarms)
        grades = ", ".join(f"{count[each]} {self._word(each.label)}" for each in sorted(count, reverse=True))
        newest = {items[-1].event.subject: items[-1] for items in by_occurrence.values()}
        standing = [item for item in newest.values() if not is_over(item)]
        head = f"{self._word('summary')}: " if message.form is Form.SUMMARY else ""
        noun = self._word("alarms" if len(alarms) != 1 else "one_alarm")
        counts = f"{len(alarms)} {noun}, {len(standing)} {self._word('open')}"
        subject = f"{head}{counts}: {grades}, {self._site()}"
        named = [self._line(items) for items in alarms[:NAMED_MAX]]
        if len(alarms) > NAMED_MAX:
            named.append(self._word("and_more").format(n=len(alarms) - NAMED_MAX))
        parts = [self._word(_heading(message)), "\n".join(named)]
        if any(item.event.rule in EVACUATE for item in standing):
            parts.insert(0, self._word("evacuate"))
        rules = Counter(items[-1].event.rule for items in alarms)
        if len(alarms) > NAMED_MAX:
            parts.append("\n".join(f"{n} x {self._rule(rule)}" for rule, n in rules.most_common(NAMED_MAX)))
        return subject, parts

    def _line(self, items: list[Item]) -> str:
        """One alarm with everything that happened to it."""
        first, last = items[0].event, items[-1]
        told = f"{stamp(first.at_ms, self.setting.zone)} {self._word(gravest(tuple(items)).label)} {self._name(first)}"
        what = f"{told}, {self._room(first)}{self._reading(first, ', ')} [{first.subject}]"
        if is_over(last):
            return f"{what}: {self._word('is_over')} {stamp(last.event.at_ms, self.setting.zone)}"
        return f"{what}: {self._word('is_anew' if last.kind in OVER else 'open')}"

    def _test(self, message: Message) -> tuple[str, list[str]]:
        when = stamp(message.at_ms, self.setting.zone)
        subject = f"{self._word('test')} {self._site()}: {message.lane.channel}, {when}"
        return subject, [self._word("test_text"), f"{self._word('at')}: {when}"]

    def _notice(self, event: Event) -> tuple[str, list[str]]:
        """Maintenance: where, until when, why and by whom."""
        zone, what = self.setting.zone, event.type.split(".")[2]
        until_ms = event.at_ms + event.until_ms - event.tick_ms if event.until_ms else 0
        where = self._word("whole_site") if event.subject == event.site else self._room(event)
        until = f", {self._word('until')} {stamp(until_ms, zone)}" if until_ms else ""
        rows = [
            (self._word("at"), stamp(event.at_ms, zone)),
            (self._word("site"), self._site()),
            (self._word("room"), where),
            (self._word("place"), event.subject),
            (self._word("until"), stamp(until_ms, zone) if until_ms else ""),
            (self._word("why"), event.reason),
            (self._word("who"), event.actor),
        ]
        facts = "\n".join(f"{name}: {one_line(value, TEXT_LINE_MAX)}" for name, value in rows if value)
        return f"{self._word(f'maintenance_{what}')}: {where}{until}", [self._word(f"maintenance_{what}_text"), facts]

    # Names

    def _word(self, key: str) -> str:
        return word(key, self.language)

    def _site(self) -> str:
        return one_line(self.setting.name or self.setting.site, NAME_MAX)

    def _room(self, event: Event) -> str:
        if event.room == SITE_ROOM:
            return self._word("the_box")
        return one_line(self.setting.rooms.get(event.room) or event.room, NAME_MAX)

    def _rule(self, rule: str) -> str:
        return rule_name(rule, self.language)

    def _name(self, event: Event) -> str:
        """The rule's name, and for a jar which one."""
        place = event.subject.removesuffix(f"/{event.rule}").split("/")[2:]
        is_part = len(place) > 1 or event.rule.startswith(("device_", "bus_", "watchdog_", "delivery_", "signal_"))
        return f"{self._rule(event.rule)} {'/'.join(place)}" if is_part else self._rule(event.rule)


def _heading(message: Message) -> str:
    """Why several things come in one message."""
    if message.form is not Form.SUMMARY:
        return "group_text"
    return "restored_text" if any(item.number and item.kind is Kind.OPEN for item in message.items) else "held_text"


def _order(items: list[Item]) -> tuple[bool, int, int]:
    """Open before over, graver before less grave, older before newer."""
    return is_over(items[-1]), -gravest(tuple(items)), items[0].event.at_ms
