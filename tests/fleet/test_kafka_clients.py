"""Sender and readers of Kafka on a real broker: order, refusals, hand-overs, stretches."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from shared.bus.registry import LARGEST_BYTES_MAX
from shared.log.kafka.access import Access
from shared.log.kafka.group import GroupReader, Taken
from shared.log.kafka.producer import BATCH_BYTES, Producer
from shared.log.kafka.reader import Reader
from shared.log.kafka.records import Place, Record, RecordRefused, Unconfirmed, partition_for
from shared.log.kafka.stretch import StretchLost, read_stretch
from tests.fleet.lanes import Told, collect, everything, first_ones, numbers, topic, until
from tests.testkit.fleet import KafkaBroker, unique
from tests.testkit.ports import free_port


@pytest.fixture
def access(kafka: KafkaBroker) -> Access:
    return Access(kafka.bootstrap)


async def test_records_stand_in_the_order_in_which_they_were_handed_over(access: Access) -> None:
    """Three lanes side by side, batches of small and of large records: each lane in order, each offset told."""
    name = await topic(access, "order", 3)
    lanes = [Place(name, partition) for partition in range(3)]
    async with Producer(access, "sender") as producer:
        told = []
        async for value in numbers(300):
            big = value + b" " * (BATCH_BYTES // 3 if value.endswith(b"7") else 0)
            told += [await producer.hand_over(lane, b"key", big, (("ce_id", value),)) for lane in lanes]
        sent = await asyncio.gather(*told)
    for lane in lanes:
        found = await everything(access, lane)
        assert [(record.value or b"").rstrip() for record in found] == [b"%d" % number for number in range(300)]
        assert [record.offset for record in found] == [each.offset for each in sent if each.place == lane]
        assert {record.key for record in found} == {b"key"}
        assert found[299].headers == (("ce_id", b"299"),)


async def test_what_can_never_be_taken_is_refused_and_nothing_behind_it_is_written(access: Access) -> None:
    """The order of a lane has no holes: who sent begins anew behind the refusal."""
    place = Place(await topic(access, "refused"), 0)
    told = Told()
    async with Producer(access, "sender", tell=told) as producer:
        await producer.send(place, b"k", b"before")
        async with asyncio.timeout(60):
            wrong = await producer.hand_over(place, b"k", bytes(2 << 20))
            behind = await producer.hand_over(place, b"k", b"behind")
            for future in (wrong, behind):
                with pytest.raises(RecordRefused, match="MessageSizeTooLarge"):
                    await future
        with pytest.raises(RecordRefused, match="at most"):
            await producer.hand_over(place, b"k", bytes(LARGEST_BYTES_MAX))
        with pytest.raises(RecordRefused, match="no partition 7"):
            await producer.send(Place(place.topic, 7), b"k", b"x")
        await producer.send(place, b"k", b"after")
    assert [record.value for record in await everything(access, place)] == [b"before", b"after"]
    assert set(told.names) == {"kafka_record_refused"}


async def test_who_sends_more_than_there_is_room_for_waits(access: Access) -> None:
    """What is on its way has a limit in bytes, and all of it arrives."""
    place = Place(await topic(access, "room"), 0)
    async with Producer(access, "sender", waiting_bytes_max=3000) as producer:
        told = [await producer.hand_over(place, b"", value + bytes(900)) async for value in numbers(50)]
        assert sum(not future.done() for future in told) <= 3
        await asyncio.gather(*told)
    assert len(await everything(access, place)) == 50


async def test_a_broker_that_is_not_there_is_said_once_and_given_up_on() -> None:
    """The sender waits no longer than it was told to, and closes at once."""
    told = Told()
    place = Place("t", 0)
    async with Producer(Access(f"127.0.0.1:{free_port()}"), "sender", tell=told, give_up_s=2.5) as producer:
        first, second = [await producer.hand_over(place, b"", b"x") for _ in range(2)]
        for future in (first, second):
            with pytest.raises(Unconfirmed):
                await future
        last = await producer.hand_over(place, b"", b"x")
    assert isinstance(last.exception(), Unconfirmed)
    assert told.names == ["kafka_unreachable"]


async def test_a_key_without_a_registration_lies_where_every_client_puts_it(access: Access) -> None:
    """As the library's own sender would choose."""
    name = await topic(access, "keys", 5)
    plain = AIOKafkaProducer(bootstrap_servers=access.bootstrap)
    await plain.start()
    async with Producer(access, "sender") as producer:
        for key in (b"a", b"ruleset", b"\xff\x00"):
            theirs = await plain.send_and_wait(name, b"x", key=key)
            assert await producer.partition_for(name, key) == Place(name, theirs.partition)
            assert partition_for(key, 5) == theirs.partition
    await plain.stop()


async def test_a_reader_begins_where_it_is_told_and_loses_nothing_by_being_cancelled(access: Access) -> None:
    """Every record from its offset on, in order, once; also when take is cancelled again and again."""
    place = Place(await topic(access, "reader"), 0)
    async with Producer(access, "sender") as producer, Reader(access, {place: 3}, "reader") as reader:
        sending = asyncio.create_task(_send_slowly(producer, place))
        found = list[Record]()
        while len(found) < 97:
            try:
                async with asyncio.timeout(0.03):
                    found += await reader.take(7)
            except TimeoutError:
                continue
        await sending
        assert [record.value for record in found] == [b"%d" % number for number in range(3, 100)]
        assert reader.offset(place) == 100


async def _send_slowly(producer: Producer, place: Place) -> None:
    async for value in numbers(100, 0.01):
        await producer.send(place, b"", value)


async def test_what_is_asked_of_places_comes_in_their_order(access: Access) -> None:
    """A broker answers in an order of its own, by the topic's name: figures beside others' would be of other places."""
    name = await topic(access, "asked", 8)
    places = [Place(name, partition) for partition in range(8)]
    async with Producer(access, "sender") as producer, Reader(access, dict.fromkeys(places, 0), "asker") as reader:
        await asyncio.gather(*[producer.send(place, b"k", b"x") for place in places[:3]])
        assert [*(await reader.ends(places)).items()] == [(place, place.partition < 3) for place in places]
        assert [*await reader.ends(places[::-1])] == places[::-1]
        assert [*await reader.taken_since(places, 0)] == places


async def test_what_retention_took_is_said(access: Access) -> None:
    """A reader whose place is gone goes on with the oldest record and says so."""
    place = Place(await topic(access, "retention"), 0)
    told = Told()
    async with Producer(access, "sender") as producer:
        await asyncio.gather(*[await producer.hand_over(place, b"", value) async for value in numbers(10)])
    admin = AIOKafkaAdminClient(bootstrap_servers=access.bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(*place): RecordsToDelete(before_offset=6)})
    await admin.close()
    async with Reader(access, {place: 2}, "reader", tell=told) as reader:
        assert [record.offset for record in await collect(reader.take, 4)] == [6, 7, 8, 9]
    assert told.events == [("kafka_records_gone", f"{place.topic}/0: 2 to 5 are gone")]


async def test_a_stretch_ends_at_its_end_also_when_the_last_offsets_hold_no_record(access: Access) -> None:
    """A marker of somebody's transaction stands behind the last record: reading does not wait for another."""
    place = Place(await topic(access, "stretch"), 0)
    writer = AIOKafkaProducer(bootstrap_servers=access.bootstrap, transactional_id=unique("writer"))
    await writer.start()
    for value in (b"one", b"two"):
        async with writer.transaction():
            await writer.send_and_wait(place.topic, value, partition=0)
    await writer.stop()
    assert [(record.offset, record.value) for record in await everything(access, place)] == [(0, b"one"), (2, b"two")]
    assert [r.value async for r in read_stretch(access, place, first=1)] == [b"two"]
    assert [r.value async for r in read_stretch(access, place, end=1)] == [b"one"]
    assert [r.value async for r in read_stretch(access, place, first=9)] == []
    empty = Place(await topic(access, "empty"), 0)
    assert await everything(access, empty) == []


async def test_a_stretch_of_a_broker_that_is_away_is_given_up() -> None:
    """Whoever fills a hole must not wait for ever."""
    with pytest.raises(StretchLost, match="nothing for 2"):
        async for _ in read_stretch(Access(f"127.0.0.1:{free_port()}"), Place("t", 0), patience_s=2.0):
            raise AssertionError("nothing is there")


async def test_what_was_not_confirmed_comes_again(access: Access) -> None:
    """After a reader that went without confirming, the next begins where the last confirmation was."""
    place = Place(await topic(access, "again"), 0)
    group = unique("group")
    async with Producer(access, "sender") as producer:
        await asyncio.gather(*[await producer.hand_over(place, b"", value) async for value in numbers(10)])
    async with asyncio.timeout(60), GroupReader(access, group, [place.topic], "one") as reader:
        first = await reader.take(4)
        assert await reader.confirm(first)
        second = await reader.take(4)
    async with asyncio.timeout(60), GroupReader(access, group, [place.topic], "two") as reader:
        again = await reader.take(100)
        assert again.records[0].offset == first.records[-1].offset + 1
        assert [record.value for record in again.records][: len(second.records)] == [r.value for r in second.records]


async def test_a_position_of_the_readers_own_goes_before_the_brokers(access: Access) -> None:
    """Who keeps its position in its own transaction says where to begin, at each hand-over."""
    place = Place(await topic(access, "own"), 0)
    async with Producer(access, "sender") as producer:
        await asyncio.gather(*[await producer.hand_over(place, b"", value) async for value in numbers(10)])

    async def ledger(places: frozenset[Place]) -> dict[Place, int]:
        assert places == {place}
        return {place: 6}

    async with GroupReader(access, unique("group"), [place.topic], "one", start_at=ledger) as reader:
        assert [record.offset for record in (await reader.take()).records] == [6, 7, 8, 9]


async def test_a_hand_over_waits_for_the_batch_in_hand_and_fences_the_next(access: Access) -> None:
    """The old owner confirms what it has, the new one goes on behind it; a batch of before is never confirmed."""
    name = await topic(access, "hand-over", 2)
    places = [Place(name, 0), Place(name, 1)]
    group = unique("group")
    async with (
        Producer(access, "sender") as producer,
        GroupReader(access, group, [name], "one") as one,
        GroupReader(access, group, [name], "two") as two,
    ):
        for place in places:
            await producer.send(place, b"", b"0")
        taken = [await one.take()]
        assert await one.confirm(taken[0])
        if len(taken[0].records) < 2:
            taken.append(await one.take())
            assert await one.confirm(taken[1])
        assert one.owned == set(places)
        for place in places:
            await producer.send(place, b"", b"1")
        held = await one.take()
        joining = asyncio.create_task(two.take())
        await until(lambda: not one.is_current(held) or not one.owned)
        assert await one.confirm(held), "while the others wait it may still be confirmed"
        after = asyncio.create_task(one.take())
        await until(lambda: len(one.owned) == len(two.owned) == 1 and one.owned != two.owned)
        assert not one.is_current(held)
        assert not await one.confirm(held), "not any more: its partitions were given out anew"
        for place in places:
            await producer.send(place, b"", b"2")
        come = list[Taken]()
        for reader, task in ((one, after), (two, joining)):
            batch = await task
            come.append(batch)
            while (batch.records[-1].value) != b"2":
                assert await reader.confirm(batch)
                batch = await reader.take()
                come.append(batch)
        seen = {(r.place, r.offset) for batch in [*taken, held, *come] for r in batch.records}
        assert seen == {(place, offset) for place in places for offset in range(3)}


async def test_a_batch_that_takes_too_long_comes_again_at_the_next_owner(access: Access) -> None:
    """A hand-over does not wait for ever; the slow owner is told that its confirmation came too late."""
    place = Place(await topic(access, "slow"), 0)
    group = unique("group")
    async with (
        Producer(access, "sender") as producer,
        GroupReader(access, group, [place.topic], "one", drain_s=0.2) as one,
    ):
        await producer.send(place, b"", b"0")
        held = await one.take()
        async with GroupReader(access, group, [place.topic], "two") as two:
            joining = asyncio.create_task(two.take())
            await until(lambda: one.generation > held.generation)
            assert not await one.confirm(held)
            again = asyncio.create_task(one.take())
            await asyncio.wait([again, joining], return_when=asyncio.FIRST_COMPLETED)
            came = next(task for task in (again, joining) if task.done()).result()
            assert first_ones(came.records) == [b"0"]
            for task in (again, joining):
                task.cancel()
            await asyncio.gather(again, joining, return_exceptions=True)
