"""Who tells people of a site: the site itself, or the centre for as long as it holds the notify lease. Pure.

    lease on (a Report in the site's log)  -> from this event on the centre tells; the site only what is critical
    lease off                              -> from this event on the site tells again

Both read the same log in its order and plan every message; who plans what another tells takes it as told. What the site
left to the centre is *lent* for LENT_MS: when the lease ends within that time, the site sends it too, marked as a
repeat, because nobody knows whether the centre still did. So nothing is missed, and doubled is at most what was planned
just before the centre fell silent.

What is held back (a minute for its group, quiet hours) is told by whoever held the lease when it came, also when the
lease has changed hands meanwhile: nobody knows of the other when its minute is over. The site lends it then like
anything else, so it tells it at once when no lease holds; the centre marks it when its lease had ended in between.
"""

from typing import Final

from services.notifier.messages import Form, Item, Message
from shared.domain.events import About, Event, EventType
from shared.domain.inputs import ReportKind

SITE: Final = ""
"""The sender that needs no lease."""
LENT_MS: Final = 15_000
"""Above the lease's five seconds, with time for the centre to read and send."""


def holder(event: Event) -> str | None:
    """Who tells people from this event on; None when the event says nothing of it."""
    if event.type != EventType.REPORT_RECORDED or event.rule != ReportKind.NOTIFY_LEASE:
        return None
    return event.reason.partition(" ")[0] if event.state == "on" else SITE


def is_about(about: About) -> bool:
    """Whether such an event may say it."""
    return about.type == EventType.REPORT_RECORDED and about.rule == ReportKind.NOTIFY_LEASE


def is_sent_by(sender: str, leased: str, message: Message) -> bool:
    """Whether ``sender`` sends it while ``leased`` holds the lease; SITE for nobody. A test of a way is the site's."""
    if message.form is Form.TEST:
        return sender == SITE
    return any(is_told_by(sender, leased, item) for item in message.items)


def is_told_by(sender: str, leased: str, item: Item) -> bool:
    """Whether ``sender`` tells it."""
    owner = leased if item.held is None else item.held.leased
    return sender == owner or (sender == SITE and item.event.severity == "critical")


def may_be_told(message: Message, term: int) -> bool:
    """Whether the other one may have told some of it: the centre was to, and the lease changed hands since."""
    held = [item.held for item in message.items if item.held is not None]
    return any(one.leased != SITE and one.term != term for one in held)
