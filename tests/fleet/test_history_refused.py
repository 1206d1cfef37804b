"""Records whose rows PostgreSQL will never take: a dead letter with the reason, and everything else goes on."""

import json
import time
from dataclasses import replace

from shared.log.chain import link
from shared.log.kafka.records import Place, Record
from shared.wire import cloud
from shared.wire.blocks import Block, BlockLink, encode_block
from shared.wire.deliveries import Delivery, Outcome, encode_delivery
from shared.wire.events import decode_event, encode_event
from shared.wire.rows import EventBytes
from shared.wire.signing import SigningKey
from tests.fleet.shelved import Database, Lived, own_past, records_of, told_of

TOLD = Place("ampward.deliveries.v1", 0)
OTHER = SigningKey(bytes(reversed(range(32))))
FAR = 1 << 40
"""More than the journal's column of ordinals holds."""


def poisoned(block: Block) -> Block:
    """Signed and chained as it should be, with events that no row holds."""
    events = [decode_event(event.data)._replace(ordinal=FAR + n) for n, event in enumerate(block.events)]
    given = tuple(EventBytes(event.site_seq, event.ordinal, encode_event(event)) for event in events)
    made = link(block.prev_hash, block.inputs, given)
    return replace(block, links=(BlockLink(block.last_seq, made.hash),), events=given)


async def test_a_block_whose_rows_are_refused_is_a_dead_letter_and_its_neighbours_are_kept(
    database: Database, lived: Lived
) -> None:
    """Its exact bytes, and why; another site of the partition has what its own history has, its own site a hole."""
    at = next(n for n, block in enumerate(lived.blocks) if n > 5 and block.events and len(block.links) == 1)
    south = lived.named("south")
    sent = [*lived.blocks[:at], *south[:at], poisoned(south[at]), *lived.blocks[at:], *south[at + 1 :]]
    records = records_of(sent)
    poison = records[2 * at]
    await database.put(records)
    ((letter, why),) = database.buried
    assert (letter, letter.value) == (poison, poison.value)
    assert "refuses its rows" in why
    assert {event for event, _ in database.told} == {"rows_refused", "record_refused"}
    async with own_past(lived) as own:
        assert await told_of(database.past().of(frozenset({"north"})), lived) == await told_of(own, lived)
    holes = await database.pool.fetch(
        "SELECT first_seq, last_seq FROM history.hole JOIN history.site ON no = hole.site WHERE site.site = 'south'"
    )
    assert [tuple(row) for row in holes] == [(south[at].first_seq, south[at].last_seq)]


async def test_a_site_goes_on_behind_a_record_that_is_gone_also_at_the_next_replica(
    database: Database, lived: Lived
) -> None:
    """What was lost in Kafka, could not be read or was refused is known to the database, not to a program alone."""
    records = records_of(lived.blocks)
    await database.put(records[:20])
    await database.put([records[30]._replace(value=b"no block"), records[31]._replace(key=b"nor\0th")])
    await database.put(records[32:])
    holes = await database.pool.fetch("SELECT first_seq, last_seq FROM history.hole")
    assert [tuple(row) for row in holes] == [(lived.blocks[20].first_seq, lived.blocks[31].last_seq)]
    assert not [words for event, words in database.told if event == "hole"]


def told(number: int, *, site: str = "north", ledger: str = "ledger", value: bytes | None = None) -> Record:
    """What the notifier said of a message."""
    delivery = Delivery(
        id="m" * 32, site=site, thread="o" * 32, channel="email", person="anna", outcome=Outcome.SENT, attempt=1,
        repeat=False, reason="kept", at_ms=time.time_ns() // 1_000_000, sender="notifier",
    )  # fmt: skip
    headers = cloud.headers(cloud.DELIVERY, site="north", id=f"{ledger}/{number}", at_ms=0)
    data = encode_delivery(delivery) if value is None else value
    return Record(TOLD, number, b"north", data, headers, delivery.at_ms)


async def test_deliveries_that_no_row_holds_stop_nobody(database: Database) -> None:
    """Bytes that are none, a site's name with a NUL, a ledger's name that no index holds: letters; the rest is kept."""
    endless = "".join(f"{number * 7919:x}" for number in range(9_000))
    sent = [told(1), told(2, value=b"none"), told(3, site="nor\0th"), told(4, ledger=endless), told(5)]
    await database.put(sent)
    assert [record.offset for record, _ in database.buried] == [2, 3, 4]
    assert [row["site_seq"] for row in await database.pool.fetch("SELECT site_seq FROM history.event")] == [1, 5]
    assert await database.pool.fetchval("SELECT next FROM history.place WHERE topic = $1", TOLD.topic) == 6


async def test_names_that_nobody_registered_are_looked_up_once_and_leave_nothing(
    database: Database, lived: Lived
) -> None:
    """However many came together: the site beside them is kept as if they were not there."""
    records = records_of(lived.blocks)
    strangers = [record._replace(key=f"stranger{n}".encode()) for n, record in enumerate(records)]
    mixed = [record for pair in zip(strangers, records, strict=True) for record in pair]
    await database.put([record._replace(offset=n) for n, record in enumerate(mixed)])
    assert [event for event, _ in database.told] == ["not_registered"]
    assert database.known.made_sure == 1
    assert [site for (site,) in await database.pool.fetch("SELECT site FROM history.site")] == ["north"]
    async with own_past(lived) as own:
        assert await told_of(database.past().of(frozenset({"north"})), lived) == await told_of(own, lived)


async def test_blocks_by_keys_that_are_not_the_sites_leave_nothing(database: Database, lived: Lived) -> None:
    """Nor do they hold anybody up, nor make a hole: by keys that nobody registered, or that were ended before."""
    records = records_of(lived.blocks)
    strange = [
        record._replace(value=encode_block(block, OTHER)) for record, block in zip(records, lived.blocks, strict=True)
    ]
    await database.put(strange)
    assert ([event for event, _ in database.told], database.known.made_sure) == (["not_registered"], 1)
    at = len(records) // 2
    database.known.ends_at_ms = records[at].at_ms + 1_000
    after = [record._replace(at_ms=record.at_ms + 1_000) for record in records[at:]]
    await database.put([record._replace(offset=len(records) + record.offset) for record in (*records[:at], *after)])
    heads = await database.pool.fetch("SELECT chain FROM history.site")
    assert [json.loads(chain)["last_seq"] for (chain,) in heads] == [lived.blocks[at - 1].last_seq]
    assert not await database.pool.fetch("SELECT FROM history.hole")
    assert not database.buried


async def test_a_block_with_events_of_another_site_is_left_out(database: Database, lived: Lived) -> None:
    """A site signs and chains what it likes: the journal of another one has none of it."""
    spoken = [replace(block, site="south") for block in lived.blocks]
    await database.put(records_of(spoken))
    assert not await database.pool.fetch("SELECT FROM history.event")
    assert {words.partition(": ")[2] for event, words in database.told if event == "record_unreadable"} == {
        "an event of north stands among those of south"
    }
