"""What the centre's notifier told to people, as the journal has it: in the words in which a site's own log has it.

The notifier tells at least once, under numbers that rise by ledger: what comes again is known by them.
"""

from services.history.kinds import Kind
from shared.log.kafka.records import Headers
from shared.wire.deliveries import Delivery

ROOM = "_site"
NO_LOG = 0
"""No site's log has it."""
_ID = "ce_id"


def mark_of(headers: Headers) -> tuple[str, int]:
    """Ledger and number; ("", 0) when the record does not name them."""
    named = dict(headers).get(_ID, b"").decode("utf-8", "replace")
    ledger, _, number = named.rpartition("/")
    return (ledger, int(number)) if ledger and number.isdecimal() and len(number) < 19 else ("", 0)


def event_of(delivery: Delivery, number: int) -> tuple[object, ...]:
    """The columns of a tally's event: kind, log, room, type, site_seq, ordinal, tick_ms, at_ms, subject, ..."""
    said = f"message {delivery.id}, attempt {delivery.attempt}"
    said += f": {delivery.reason}" if delivery.reason else ""
    subject = f"{delivery.site}/{ROOM}/{delivery.channel}/{delivery.person}"
    return (
        int(Kind.DELIVERY), NO_LOG, ROOM, f"ampward.delivery.{delivery.outcome}.v1", number, 0, delivery.at_ms,
        delivery.at_ms, subject, delivery.thread, "", "", "", "", "", "", "", said, delivery.person, 0,
    )  # fmt: skip
