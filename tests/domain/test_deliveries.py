"""Reports of what became of messages become events, and nothing else."""

import pytest

from shared.domain.events import Event
from tests.domain.driver import Room
from tests.domain.plans import room

MESSAGE, THREAD = "1" * 32, "2" * 32
LANE = "s/_site/email/anna"


def deliver(kind: str, detail: str) -> list[Event]:
    """The events of one Report."""
    return Room(room()).report(kind, LANE, detail=detail, pulse=True)


@pytest.mark.parametrize("what", ["sent", "failed", "receipted"])
def test_a_delivery_is_an_event_with_its_thread(what: str) -> None:
    """Who was told by which channel, of which occurrence, at which attempt, and what the other side said."""
    (made,) = deliver(f"delivery_{what}", f"{MESSAGE} {THREAD} 3 451 try later")
    assert made.type == f"ampward.delivery.{what}.v1"
    assert (made.subject, made.occurrence, made.actor) == (LANE, THREAD, "anna")
    assert made.reason == f"message {MESSAGE}, attempt 3: 451 try later"


@pytest.mark.parametrize("detail", ["", "words", f"{MESSAGE} {THREAD}", f"{MESSAGE} {THREAD} x", "a b 1 c"])
def test_a_detail_of_another_form_is_kept_as_it_is(detail: str) -> None:
    """Nothing is lost, and nothing is taken for a thread that is none."""
    (made,) = deliver("delivery_sent", detail)
    assert (made.occurrence, made.reason) == ("", detail)
