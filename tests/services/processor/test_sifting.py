"""By which keys a worker takes blocks: none signs after its end, and one that nobody registered stops no site."""

from collections.abc import Sequence
from dataclasses import replace

from services.processor.seats import RULES
from shared.bus.registry import COMMANDS, STATE
from shared.log.kafka.records import Record
from shared.wire.blocks import encode_block
from shared.wire.orders import Resend, decode_order
from shared.wire.signing import SigningKey
from shared.wire.site_state import decode_site_state
from tests.services.processor.recorded import blocks_of, recorded
from tests.services.processor.topics import PLACE, SIGNER, topics_of_site
from tests.soak.rig import stored

OTHER_SIGNER = SigningKey(bytes(reversed(range(32))))


def _signed(records: Sequence[Record], signer: SigningKey, *, at_ms: int = 0, epoch: int = 1) -> list[Record]:
    """The same blocks by this key, taken by the broker at this instant."""
    blocks = [replace(block, epoch=epoch) for block in blocks_of(recorded(0), site="s", seed=1)]
    data = {
        record.offset: encode_block(block, signer)
        for record, block in zip(topics_of_site().inputs, blocks, strict=True)
    }
    return [record._replace(value=data[record.offset], at_ms=at_ms) for record in records]


async def test_a_key_signs_nothing_that_the_broker_takes_after_its_end() -> None:
    """However late it is read: what was taken before is folded, what came later is passed by, and nothing waits."""
    topics = topics_of_site()
    topics.inputs = [*topics.inputs[:10], *_signed(topics.inputs[10:], SIGNER, at_ms=100)]
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    topics.ends_at[SIGNER.id] = 100
    await worker.take(topics.inputs)
    whole = [event.data for block in blocks_of(recorded(0), site="s", seed=1)[:10] for event in block.events]
    assert topics.events() == whole
    (site,) = worker.sites()
    assert (site.needs, site.offset, worker.stands()) == ("", 10, {PLACE: len(topics.inputs)})
    assert (worker.strangers.number, worker.counts.dead) == (len(topics.inputs) - 10, 0)
    assert {event for event, _ in topics.told} == {"not_registered"}
    await worker.close()


async def test_a_site_that_is_enrolled_again_goes_on_by_its_new_key() -> None:
    """Its log goes on: what it sent by the old key after its end is a hole, and it is asked for once more."""
    topics = topics_of_site()
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    await worker.take(topics.inputs[:10])
    topics.ends_at[SIGNER.id] = 50
    await worker.take(_signed(topics.inputs[10:20], SIGNER, at_ms=60))
    topics.coming[OTHER_SIGNER.id] = OTHER_SIGNER
    await worker.take(_signed(topics.inputs[20:21], OTHER_SIGNER, at_ms=70))
    order = decode_order(topics.sent[COMMANDS.name][0].value or b"")
    blocks = blocks_of(recorded(0), site="s", seed=1)
    assert isinstance(order, Resend)
    assert order.from_seq == blocks[10].first_seq
    again = _signed(topics.inputs[10:], OTHER_SIGNER, at_ms=80, epoch=2)
    await worker.take([record._replace(offset=record.offset + 11) for record in again])
    assert topics.events() == stored(recorded(0))
    await worker.close()


async def test_a_key_that_nobody_registered_stops_no_site() -> None:
    """Who may write the topic may name any key: its blocks are passed by, and the book is asked once a turn."""
    topics = topics_of_site()
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    strange = _signed(topics.inputs[:5], OTHER_SIGNER)
    mixed = [record for pair in zip(strange, topics.inputs[:5], strict=True) for record in pair]
    await worker.take([record._replace(offset=n) for n, record in enumerate([*mixed, *topics.inputs[5:]])])
    assert topics.events() == stored(recorded(0))
    assert (worker.strangers.number, worker.counts.dead, topics.made_sure) == (5, 0, 1)
    await worker.close()


async def test_a_key_that_was_registered_a_moment_ago_is_looked_up() -> None:
    """Who signs was registered before: a block may be read sooner than its key."""
    topics = topics_of_site()
    topics.keys.clear()
    topics.coming[SIGNER.id] = SIGNER
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    await worker.take(topics.inputs)
    assert topics.events() == stored(recorded(0))
    assert worker.strangers.number == 0
    await worker.close()


async def test_a_site_that_ended_is_parked_no_more() -> None:
    """What it waited for never comes: nobody is to be warned of it for ever."""
    topics = topics_of_site()
    topics.bodies = False
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    await worker.take(topics.inputs[:10])
    (site,) = worker.sites()
    assert site.needs.startswith(RULES)
    topics.ends_at[SIGNER.id] = 1
    topics.now = 1_000.0
    await worker.tend()
    assert site.needs == ""
    assert decode_site_state(topics.sent[STATE.name][-1].value or b"").parked == ""
    await worker.close()
