"""Commands by id: the same answer to the same question, over restarts too."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

from services.gateway.views import CommandState
from services.processor.repeats import Answer, content, decode_answer, encode_answer
from services.site.answers import KEPT_MAX, Answers, stored_answer
from services.site.writer import Item
from shared.domain.events import Event, EventType
from shared.domain.inputs import Command, What
from tests.services.processor.plant import decision
from tests.services.site.test_explaining import Box


def command(number: int, reason: str = "seen") -> Command:
    return Command(f"c{number}", What.ACK, "s/r1/p/h2_alarm", "o", None, reason, "anna", 0)


def refusal(reason: str) -> Event:
    blank: dict[str, Any] = dict.fromkeys(Event._fields, "")
    numbers = dict.fromkeys(("room_no", "site_seq", "ordinal", "tick_ms", "at_ms", "until_ms"), 0)
    return Event(
        **{
            **blank,
            **numbers,
            "type": EventType.INPUT_REJECTED,
            "reason": reason,
            "occurrence": "o2",
            "severity": "critical",
        }
    )


def refused(*reasons: str) -> Answer:
    return Answer(content(command(1)), accepted=False, refusals=tuple(map(refusal, reasons)))


def test_an_answer_of_several_rooms_says_which_refused() -> None:
    """Accepted when one of them accepted it; refused with the reason that says most."""
    mixed = refused("not-active", "other-occurrence: 2 alarms are open there, name one")
    answers = Answers()
    answers.settle(command(1), mixed)
    answers.settle(command(2), mixed._replace(accepted=True))
    no, yes = answers.get("c1"), answers.get("c2")
    assert no is not None and yes is not None
    assert (no.state, no.reason, len(no.refusals)) == (CommandState.REJECTED, "other-occurrence", 2)
    assert (yes.state, yes.reason, yes.refusals) == (CommandState.ACCEPTED, "", no.refusals)


def test_every_answer_is_kept_as_it_was() -> None:
    """What the log keeps of it is read again without a loss."""
    for accepted in (True, False):
        for reasons in ((), ("not-active",), ("not-active", "already: acked")):
            answer = refused(*reasons)._replace(accepted=accepted)
            assert decode_answer(encode_answer(answer)) == answer


def test_a_command_that_nobody_could_read_is_refused() -> None:
    """A dead letter has no room that says why: never is it taken for accepted."""
    answer = stored_answer("c1", encode_answer(refused()))
    assert answer is not None
    assert (answer.state, answer.reason) == (CommandState.REJECTED, "undecodable")


def test_a_new_command_is_pending_until_it_is_settled() -> None:
    """Who asks meanwhile is told so."""
    answers = Answers()
    assert answers.begin(command(1)) is True
    known = answers.begin(command(1))
    assert not isinstance(known, bool) and known.state is CommandState.PENDING
    answers.settle(command(1), Answer(b"", accepted=True))
    settled = answers.get("c1")
    assert settled is not None and settled.state is CommandState.ACCEPTED


def test_a_refusal_carries_reason_text_and_the_present_occurrence() -> None:
    """What the operator needs to try again rightly."""
    answers = Answers()
    answers.settle(command(1), refused("severity-rose: it is critical now"))
    answer = answers.get("c1")
    assert answer is not None
    assert (answer.state, answer.reason, answer.text) == (CommandState.REJECTED, "severity-rose", "it is critical now")
    assert (answer.occurrence, answer.severity) == ("o2", "critical")


def test_the_same_id_with_another_content_is_not_the_same_command() -> None:
    """False: nothing is done, nothing is answered in its name."""
    answers = Answers()
    answers.begin(command(1))
    assert answers.begin(command(1, "another reason")) is False
    assert content(command(1)) != content(command(1, "another reason"))


def test_what_the_log_knows_for_another_content_is_as_if_never_asked() -> None:
    """The answer in memory is then the log's, not a promise that is never kept."""
    answers = Answers()
    answers.begin(command(1))
    answers.forget(command(1, "another reason"))
    assert answers.get("c1") is not None
    answers.forget(command(1))
    assert answers.get("c1") is None


def test_what_the_log_keeps_is_an_answer_too() -> None:
    """Accepted or the rejection: over restarts the answer is the same. Logs of older programs have no content."""
    assert stored_answer("c1", None) is None
    for asked in (b"", content(command(1))):
        accepted = stored_answer("c1", encode_answer(Answer(asked, accepted=True)))
        assert accepted is not None and accepted.state is CommandState.ACCEPTED
        answer = stored_answer("c1", encode_answer(refused("not-active: it is normal")._replace(content=asked)))
        assert answer is not None
        assert (answer.state, answer.reason, answer.text) == (CommandState.REJECTED, "not-active", "it is normal")


def test_the_oldest_answers_go() -> None:
    """Bounded: a loop that sends commands for ever does not fill the box."""
    answers = Answers()
    for number in range(KEPT_MAX + 10):
        answers.settle(command(number), Answer(b"", accepted=True))
    assert answers.get("c9") is None
    assert answers.get("c10") is not None


class Leaving(Future[Any]):
    """Whoever waits for it gives up in the moment in which he is asked whether he still does."""

    def cancelled(self) -> bool:
        was = super().cancelled()
        self.cancel()
        return was


def test_who_gives_up_waiting_just_when_the_answer_comes_leaves_the_writer_alone(tmp_path: Path) -> None:
    """The site process would end with its writer."""
    with Box(tmp_path, decision()).life() as (service, _):
        service.writer.put(Item(command(1), answer=Leaving()))
        service.writer.call(lambda: None).result(60)
        assert service.writer.is_alive()
        assert service.answers.get("c1") is not None
