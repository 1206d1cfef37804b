"""What people read: both languages, the site's time, short subjects, and nothing that breaks a line."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier import compose as composing
from services.notifier.compose import SUBJECT_MAX, compose
from services.notifier.messages import Form, Item, Kind, Lane, Message
from services.notifier.ports import Outgoing
from services.notifier.routing import Setting
from services.notifier.words import LANGUAGES, RULES, WORDS, meaning, rule_name, word
from shared.domain import catalogue
from shared.domain.events import Event, EventType
from shared.domain.notify_plan import Person
from tests.services.notifier.lines import World, setting
from tests.services.notifier.samples import ANNA, BEN

LANE = Lane("anna", "email")


def no_fault(fault: Exception) -> None:
    raise fault


def event(alarm: str = "r1/gas1-h2/h2_alarm", severity: str = "critical", **more: str) -> Event:
    return World(setting()).event("raised", alarm, severity, value="2.1")._replace(**more)  # type: ignore[arg-type]


def written(*items: Item, person: Person = ANNA, form: Form = Form.ALARM, repeat: bool = False,
            where: Setting | None = None) -> Outgoing:  # fmt: skip
    message = Message("1" * 32, LANE, form, items, "t", (), urgent=True, at_ms=1_767_225_600_000)
    return compose(message, where or setting(), person, repeat=repeat, fault=no_fault)


def test_every_built_in_rule_has_a_name_and_two_texts_in_both_languages() -> None:
    """A rule that is added to the catalogue cannot be forgotten here."""
    built_in = {**catalogue.RULES, **catalogue.FLEET_RULES}
    assert set(RULES) == set(built_in)
    for rule in built_in:
        english, german = (meaning(rule, language) for language in LANGUAGES)
        assert all(english)
        assert all(german)
        assert english != german


def test_every_word_stands_in_both_languages() -> None:
    """And a language that is not known is English."""
    assert all(len(both) == 2 and all(both) for both in WORDS.values())
    assert word("critical", "fr") == "CRITICAL"
    assert rule_name("own_rule", "de") == "own_rule"


@pytest.mark.parametrize(
    ("person", "subject", "first"),
    [
        (BEN, "CRITICAL Hydrogen 2 %: Room 1, 2.1 %vol", "LEAVE THE ROOM NOW"),
        (ANNA, "KRITISCH Wasserstoff 2 %: Room 1, 2.1 %vol", "RAUM SOFORT VERLASSEN"),
    ],
)
def test_the_gas_alarm_begins_with_what_to_do(person: Person, subject: str, first: str) -> None:
    """Evacuation first, then the facts; the alarm's id is in it for whoever acks by the command line."""
    made = written(Item(Kind.RAISED, event()), person=person)
    assert made.subject == subject
    assert made.text.startswith(first)
    assert "s/r1/gas1-h2/h2_alarm" in made.text
    assert "2026-01-01 01:00:00 CET" in made.text


@pytest.mark.parametrize("person", [ANNA, BEN])
@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_of_news_has_its_words(kind: Kind, person: Person) -> None:
    """The end of an alarm asks nobody to leave, everything else of a gas alarm does."""
    made = written(Item(kind, event(state="E" if kind is Kind.RETURNED else "B")), person=person)
    is_over = kind in (Kind.RETURNED, Kind.CLOSED)
    assert made.text.startswith(("LEAVE", "RAUM")) is not is_over
    assert len(made.subject) <= SUBJECT_MAX


@pytest.mark.parametrize(("person", "head"), [(ANNA, "KRITISCH erneut"), (BEN, "CRITICAL again")])
def test_what_was_raised_anew_never_reads_as_over(person: Person, head: str) -> None:
    """The gas alarm whose occurrence ended by the next one of the same alarm is open, and the room is to be left."""
    anew = event(state="E", type=EventType.ALARM_SUPERSEDED.value)
    made = written(Item(Kind.CLOSED, anew), person=person)
    assert made.subject.startswith(head)
    assert made.text.startswith(("LEAVE", "RAUM"))
    assert word("closed_text", person.language) not in made.text
    jar = event("r1/bat1/2S4/jar_temp_alarm", "alarm", occurrence="c" * 32)
    both = written(Item(Kind.CLOSED, anew), Item(Kind.RETURNED, jar), person=person)
    assert both.subject.startswith(("2 alarms, 1 open", "2 Alarme, 1 offen"))
    assert both.text.startswith(("LEAVE", "RAUM"))


def test_a_group_goes_by_the_newest_news_of_an_alarm() -> None:
    """Raised anew and then over, all in one message: nothing of it is open."""
    anew = event(state="E", type=EventType.ALARM_SUPERSEDED.value)
    newer = event(occurrence="c" * 32)
    over = Item(Kind.RETURNED, newer._replace(state="E"))
    made = written(Item(Kind.CLOSED, anew), Item(Kind.RAISED, newer), over, person=BEN)
    assert made.subject.startswith("2 alarms, 0 open")
    assert not made.text.startswith("LEAVE")


def test_a_jar_is_named_by_its_place() -> None:
    """Which jar of which string stands in the subject."""
    assert written(Item(Kind.RAISED, event("r1/bat1/2S4/jar_temp_alarm", "alarm")), person=BEN).subject == (
        "ALARM Jar hot bat1/2S4: Room 1, 2.1 %vol"
    )


def test_a_group_counts_everything_and_names_the_gravest_first() -> None:
    """A hundred alarms: how many, how grave, the critical one on top, and how many are not named."""
    items = [Item(Kind.RAISED, event(f"r1/p{number}/rule{number % 3}", "warning")) for number in range(99)]
    items = [replace(item, event=item.event._replace(occurrence=f"{n}")) for n, item in enumerate(items)]
    made = written(*items, Item(Kind.RAISED, event(occurrence="gas")), person=BEN, form=Form.GROUP)
    assert made.subject == "100 alarms, 100 open: 1 CRITICAL, 99 WARNING, Site"
    assert made.text.startswith("LEAVE THE ROOM NOW")
    assert "CRITICAL Hydrogen 2 %" in made.text.split("\n\n")[2].split("\n")[0]
    assert "and 60 more" in made.text
    assert made.severity == "critical"
    assert len(made.event_ids) == len({item.event.id for item in items} | {event().id})


def test_what_came_and_went_is_one_line() -> None:
    """Raised and returned within one message: told once, as over."""
    raised = event("r1/a/own", "warning")
    gone = raised._replace(type="ampward.alarm.returned.v1", state="D", id="2" * 32)
    made = written(Item(Kind.RAISED, raised), Item(Kind.RETURNED, gone), person=BEN, form=Form.SUMMARY)
    assert made.subject == "SUMMARY: 1 alarm, 0 open: 1 WARNING, Site"
    assert made.text.count("s/r1/a/own") == 1
    assert "over 2026-01-01" in made.text


def test_a_repeat_and_an_undurable_alarm_say_so() -> None:
    """In the person's language."""
    made = written(Item(Kind.RAISED, event(), undurable=True), repeat=True)
    assert word("repeated", "de") in made.text
    assert word("undurable", "de") in made.text


def test_a_test_message_says_that_nothing_has_happened() -> None:
    """It names the site, the channel and the time."""
    made = written(form=Form.TEST, person=BEN)
    assert made.subject.startswith("TEST Site: email, 2026-01-01 01:00:00")
    assert "Nothing has happened" in made.text
    assert (made.severity, made.event_ids) == ("", ())


@given(name=st.text(max_size=200), value=st.text(max_size=50), rule=st.text(max_size=60))
def test_no_name_breaks_out_of_a_line(name: str, value: str, rule: str) -> None:
    """Whatever people and devices are called: one short subject line, and no control character anywhere."""
    wild = event(value=value, rule=rule, subject=f"s/r1/{name}/{rule}")
    made = written(Item(Kind.RAISED, wild), where=replace(setting(), rooms={"r1": name}, name=name))
    assert len(made.subject) <= SUBJECT_MAX
    assert re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", made.subject) is None
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", made.text) is None


def test_a_fault_in_the_texts_still_sends_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain words with the alarm's id, and the fault is told."""

    def broken(_rule: str, _language: str) -> tuple[str, str]:
        raise KeyError("text")

    monkeypatch.setattr(composing, "meaning", broken)
    message = Message("1" * 32, LANE, Form.ALARM, (Item(Kind.RAISED, event()),), "t", (), urgent=True, at_ms=0)
    told: list[Exception] = []
    made = compose(message, setting(), ANNA, repeat=False, fault=told.append)
    assert made.subject == "critical s/r1/gas1-h2/h2_alarm raised"
    assert "h2_alarm" in made.text
    assert len(told) == 1
