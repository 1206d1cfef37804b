"""What a worker says beside events and states, as its topics take it: dead letters and orders to a site. Pure."""

from typing import Final

from services.processor.books import ASK_TTL_MS
from shared.log.kafka.records import Headers, Record
from shared.wire import cloud
from shared.wire.deadletters import DeadLetter, encode_dead_letter
from shared.wire.orders import Resend, encode_order

READER: Final = "processor"


def letter_of(record: Record, site: str, name: str, why: str, now_ms: int) -> tuple[bytes, Headers]:
    """The dead letter of a record."""
    letter = DeadLetter(*record.place, record.offset, site, why, READER, now_ms, record.value or b"")
    return encode_dead_letter(letter), cloud.headers(cloud.DEAD_LETTER, site=site, id=name, at_ms=record.at_ms)


def order_of(site: str, epoch: int, from_seq: int, now_ms: int, *, state: bool) -> tuple[bytes, Headers]:
    """That the site is to send again."""
    name = f"{site}-{epoch}-{from_seq}-{now_ms}"
    order = Resend(
        id=name, site=site, sent_at_ms=now_ms, ttl_ms=ASK_TTL_MS, from_seq=from_seq, epoch=epoch, state=state
    )
    return encode_order(order), cloud.headers(cloud.ORDER, site=site, id=name, at_ms=now_ms)
