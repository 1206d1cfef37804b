"""A test message through the running site: it sends, its log records what became of it, and we say so."""

from collections.abc import Iterator
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from typing import NamedTuple
from uuid import uuid4

from services.site.command.client import RunningSite, Told, problem_words
from services.site.command.trouble import Exit, Trouble

OUTCOME_S = 50.0
"""A mail may take 30 s; one that is tried again has told its first failure by then."""


class Answer(NamedTuple):
    """What became of one person's message."""

    person: str
    result: str
    """sent, refused, failed, unknown"""
    why: str


def send_through(site: RunningSite, site_id: str, channel: str, people: list[str]) -> list[Answer]:
    """One command for each person, recorded with who asked; Trouble when the site does not take one."""
    events: Queue[Told | Trouble] = Queue()
    stream = site.events(type="ampward.", since="now")
    Thread(target=_read, args=(stream, events), name="events", daemon=True).start()
    waiting = {f"{site_id}/_site/{channel}/{person}": person for person in people}
    for subject in waiting:
        body = {"id": str(uuid4()), "what": "test", "subject": subject, "reason": "test-channel"}
        answer = site.post("/api/v1/commands", body)
        if answer.status != 202:
            code = Exit.NO if answer.status == 409 else Exit.NOT_TRIED
            raise Trouble(f"the site answers {answer.status}: {problem_words(answer.body)}", code)
    return [*_outcomes(events, channel, waiting)]


def _outcomes(events: "Queue[Told | Trouble]", channel: str, waiting: dict[str, str]) -> Iterator[Answer]:
    from services.notifier.messages import Lane, probe_id

    end, messages = monotonic() + OUTCOME_S, dict[str, str]()
    while waiting:
        try:
            told = events.get(timeout=max(0.0, end - monotonic()))
        except Empty:
            break
        if isinstance(told, Trouble):
            raise told
        subject, reason = told.data.get("subject", ""), told.data.get("data", {}).get("reason", "")
        if subject not in waiting:
            continue
        if told.event.startswith("ampward.test.requested"):
            messages[subject] = probe_id(Lane(waiting[subject], channel), told.data["id"])
        elif told.event.startswith("ampward.delivery.") and messages.get(subject, "-") in reason:
            words = reason.partition(": ")[2]
            is_sent, is_refused = ".sent." in told.event, words.startswith("refused: ")
            result = "sent" if is_sent else "refused" if is_refused else "failed"
            yield Answer(waiting.pop(subject), result, words.removeprefix("refused: ").removeprefix("test: "))
    yield from (Answer(person, "unknown", f"no outcome within {OUTCOME_S:g} s") for person in waiting.values())


def _read(stream: Iterator[Told], events: "Queue[Told | Trouble]") -> None:
    try:
        for told in stream:
            events.put(told)
    except Trouble as trouble:
        events.put(trouble)
