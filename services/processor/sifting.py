"""Which records of ampward.inputs.v1 a worker looks at: those that may be a registered site's.

    nobody registered the name                           passed by; read again when somebody does after all
    by a key that was ended before the broker took it    passed by, and so is everything of a site that has ended
    anything else                                        looked at: a key that nobody knows is seen by the seats

What is passed by costs a number (shared.log.kafka.strangers): no memory, no state, no wait.
"""

from collections.abc import Sequence

from services.processor.books import Broker, Partition
from shared.domain.errors import WireError
from shared.log.kafka.records import Record
from shared.log.kafka.strangers import Strangers
from shared.wire.blocks import peek_block


async def sift(records: Sequence[Record], partition: Partition, broker: Broker, strangers: Strangers) -> list[Record]:
    """Those that are looked at, in their order. What was registered before them is known before any is passed by for
    its key."""
    found: list[Record] = []
    is_sure = False
    for record in records:
        if not broker.is_registered(record.name):
            partition.passed = record.offset + 1
        elif not broker.has_former(record.name) or _may_be_signed(record, broker):
            found.append(record)
            continue
        elif not is_sure:
            await broker.make_sure()
            is_sure = True
            if _may_be_signed(record, broker):
                found.append(record)
                continue
        strangers.note(record)
    return found


def _may_be_signed(record: Record, broker: Broker) -> bool:
    """What is no block is a dead letter as long as its site is one."""
    try:
        key_id = peek_block(record.value or b"").key_id
    except WireError:
        return not broker.is_ended(record.name)
    return broker.may_sign(record.name, key_id, record.at_ms)
