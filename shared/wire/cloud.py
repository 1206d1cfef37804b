"""CloudEvents attributes of a Kafka record: headers ce_*, in the binary mode of its Kafka binding.

Promises: the same record gives the same headers. What is in them is in the record too: no reader of ours needs them,
they are for other programs, which route by them without opening the value.
"""

from typing import Final

from shared.wire.events import stamp

Headers = tuple[tuple[str, bytes], ...]

BLOCK: Final = ("ampward.inputs.block.v1", "application/vnd.ampward.block")
BATCH: Final = ("ampward.events.batch.v1", "application/vnd.ampward.batch")
STATE: Final = ("ampward.state.site.v1", "application/vnd.ampward.state")
RULESET: Final = ("ampward.ruleset.v1", "application/json")
ORDER: Final = ("ampward.order.v1", "application/json")
LIVE: Final = ("ampward.live.v1", "application/vnd.ampward.live")
DELIVERY: Final = ("ampward.delivery.v1", "application/json")
REGISTRATION: Final = ("ampward.registration.v1", "application/json")
KPI: Final = ("ampward.kpi.v1", "application/json")
SIGN: Final = ("ampward.service.v1", "application/json")
DEAD_LETTER: Final = ("ampward.deadletter.v1", "application/vnd.ampward.deadletter")
"""(type, content type) of what each topic holds."""


def headers(kind: tuple[str, str], *, site: str, id: str, at_ms: int) -> Headers:  # noqa: A002 - the attribute's name
    """The headers of one record of this kind; ``id`` names it within its source, for ever.

    >>> headers(ORDER, site="demo", id="c1", at_ms=0)[1]
    ('ce_type', b'ampward.order.v1')
    """
    named, content = kind
    return (
        ("ce_specversion", b"1.0"),
        ("ce_type", named.encode()),
        ("ce_source", f"/{site}".encode()),
        ("ce_id", id.encode()),
        ("ce_time", stamp(at_ms).encode()),
        ("ce_partitionkey", site.encode()),
        ("content-type", content.encode()),
    )


def range_id(log_id: str, epoch: int, first_seq: int, last_seq: int) -> str:
    """What names a block, and the batch of events that was made of it."""
    return f"{log_id}/{epoch}/{first_seq}-{last_seq}"
