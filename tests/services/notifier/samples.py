"""Messages and people as the tests of the notifier use them."""

from services.notifier.ports import Outgoing
from shared.domain.notify_plan import Person

AT_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""

ANNA = Person("anna", "Anna", email="anna@example.org", phone="+49 30 1234567", language="de")
BEN = Person("ben", "Ben", email="ben@example.org")


def outgoing(number: int = 1, *, person: Person = BEN, subject: str = "CRITICAL h2_alarm r1", text: str = "Leave.",
             follows: tuple[str, ...] = (), repeat: bool = False) -> Outgoing:  # fmt: skip
    """The ``number``-th message about one occurrence."""
    return Outgoing(
        id=f"{number:032x}",
        person=person,
        subject=subject,
        text=text,
        language=person.language,
        severity="critical",
        event_ids=(f"{number:032x}",),
        thread="a" * 32,
        follows=follows,
        repeat=repeat,
        at_ms=AT_MS,
        data=({"specversion": "1.0", "id": f"{number:032x}", "type": "ampward.alarm.raised.v1", "data": {}},),
    )
