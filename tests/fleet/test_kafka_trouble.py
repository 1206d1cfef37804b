"""Kafka's clients while the broker is killed, restarted or asleep, and when they hang by themselves."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from shared.log.kafka import kept
from shared.log.kafka.access import Access
from shared.log.kafka.group import GroupReader
from shared.log.kafka.producer import Producer, Sent
from shared.log.kafka.reader import Reader
from shared.log.kafka.records import Place, Record
from tests.fleet.lanes import Told, collect, everything, first_ones, hang, numbers, topic, until
from tests.testkit.fleet import KafkaBroker, unique
from tests.testkit.looping import LoopThread

COUNT = 400
VALUES = [b"%d" % number for number in range(COUNT)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """One that these tests may break."""
    with KafkaBroker(tmp_path_factory.mktemp("broken") / "kafka") as own:
        yield own


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    """The clients' loop: this thread, which starts and ends brokers, stands still while it does."""
    own = LoopThread("clients")
    yield own
    own.end()


class Traffic:
    """Sends numbers, and reads them alone and in a group; all three at once."""

    def __init__(self, access: Access, place: Place) -> None:
        self.access = access
        self.place = place
        self.acknowledged = list[Sent]()
        self.read = list[Record]()
        self.of_group = list[Record]()
        self.told = Told()

    async def run(self, attempt_s: float) -> None:
        group = unique("group")
        async with (
            Producer(self.access, "sender", tell=self.told, attempt_s=attempt_s) as producer,
            Reader(self.access, {self.place: 0}, "alone") as reader,
            GroupReader(self.access, group, [self.place.topic], "member") as member,
        ):
            await asyncio.gather(self._send(producer), self._read(reader), self._read_in_group(member))

    async def _send(self, producer: Producer) -> None:
        told = [await producer.hand_over(self.place, b"", value) async for value in numbers(COUNT, 0.01)]
        for future in told:
            self.acknowledged.append(await future)

    async def _read(self, reader: Reader) -> None:
        while len(set(first_ones(self.read))) < COUNT:
            self.read += await reader.take(20)

    async def _read_in_group(self, member: GroupReader) -> None:
        while len(set(first_ones(self.of_group))) < COUNT:
            taken = await member.take(20)
            self.of_group += taken.records
            await member.confirm(taken)

    def check(self, there: list[Record]) -> None:
        """Everything that was acknowledged is there, all in order, and whoever reads misses nothing."""
        assert len(self.acknowledged) == COUNT
        at = {record.offset: record.value for record in there}
        assert [at[sent.offset] for sent in self.acknowledged] == VALUES
        for records in (there, self.read, self.of_group):
            assert first_ones(records) == VALUES
        assert [record.offset for record in self.read] == sorted({record.offset for record in self.read})


def test_a_broker_that_is_killed_and_comes_back_loses_nothing(broker: KafkaBroker, thread: LoopThread) -> None:
    """kill -9, then a clean stop, each with a restart on the same port and folder, while records are sent and read."""
    access = Access(broker.bootstrap)
    traffic = Traffic(access, Place(thread.call(lambda: topic(access, "killed")), 0))
    running = asyncio.run_coroutine_threadsafe(traffic.run(attempt_s=5.0), thread.loop)
    for reached, end in ((50, broker.kill), (150, broker.stop)):
        thread.call(lambda reached=reached: until(lambda: len(traffic.read) > reached))  # type: ignore[misc]
        end()
        broker.start()
    running.result(200)
    traffic.check(thread.call(lambda: everything(access, traffic.place)))


def test_a_batch_that_is_not_confirmed_in_time_is_said_and_sent_again(broker: KafkaBroker, thread: LoopThread) -> None:
    """A broker that sleeps for longer than an attempt takes both when it wakes up: nothing is lost or out of order."""
    access = Access(broker.bootstrap)
    traffic = Traffic(access, Place(thread.call(lambda: topic(access, "asleep")), 0))
    running = asyncio.run_coroutine_threadsafe(traffic.run(attempt_s=1.0), thread.loop)
    thread.call(lambda: until(lambda: len(traffic.read) > 50))
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        thread.call(lambda: until(lambda: "kafka_sender_rebuilt" in traffic.told.names))
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    running.result(200)
    traffic.check(thread.call(lambda: everything(access, traffic.place)))
    why = dict(traffic.told.events)["kafka_sender_rebuilt"]
    assert "not confirmed in 1.0 s" in why
    assert traffic.told.names[-1] == "kafka_sends_again"


async def test_a_reader_that_hangs_is_noticed_and_made_anew(kafka: KafkaBroker) -> None:
    """There is more to read and it stands still."""
    access = Access(kafka.bootstrap)
    place = Place(await topic(access, "hung"), 0)
    told = Told()
    async with (
        Producer(access, "sender") as producer,
        Reader(access, {place: 0}, "reader", tell=told, watch_s=0.2, stuck_s=1.0) as reader,
    ):
        await producer.send(place, b"", b"0")
        assert first_ones(await collect(reader.take, 1)) == [b"0"]
        await hang(reader._kept)
        for value in VALUES[1:5]:
            await producer.send(place, b"", value)
        assert first_ones(await collect(reader.take, 4)) == VALUES[1:5]
        assert reader.rebuilt >= 1
    why = [words for event, words in told.events if event == "kafka_reader_rebuilt"]
    assert any(f"{place.topic}/0 stands at 1 of" in words for words in why)
    assert "kafka_reads_again" in told.names


async def test_a_member_of_a_group_that_hangs_is_noticed_and_made_anew(kafka: KafkaBroker) -> None:
    """What it had not confirmed comes again, to its new client; the batch of before is fenced."""
    access = Access(kafka.bootstrap)
    place = Place(await topic(access, "hung-member"), 0)
    told = Told()
    async with (
        Producer(access, "sender") as producer,
        GroupReader(access, unique("group"), [place.topic], "m", tell=told, watch_s=0.2, stuck_s=1.0) as member,
    ):
        await producer.send(place, b"", b"0")
        before = await member.take()
        await hang(member._kept)
        await producer.send(place, b"", b"1")
        found = list[bytes]()
        while b"1" not in found:
            found += first_ones((await member.take()).records)
        assert found == [b"0", b"1"]
        assert not await member.confirm(before)
        assert member.rebuilt >= 1
    assert told.names[0] == "kafka_reader_rebuilt"


async def test_a_reader_that_waits_for_news_is_left_alone(kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standing at the end is no hanging, and neither is an owner that takes its time."""
    passed_s = 0.0

    async def half_an_hour(*watched: Reader | GroupReader) -> None:
        """In steps that are shorter than what is stuck: in each a look finds the broker."""
        nonlocal passed_s
        for _ in range(4):
            passed_s += 450
            for one in (*watched, *watched):
                before = one.standing
                await until(lambda one=one, before=before: one.standing is not before and not one.standing.is_away)  # type: ignore[misc]

    monkeypatch.setattr(kept, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed_s))
    access = Access(kafka.bootstrap)
    place = Place(await topic(access, "calm"), 0)
    async with (
        Producer(access, "sender") as producer,
        Reader(access, {place: 0}, "reader", watch_s=0.2, stuck_s=600.0) as reader,
        GroupReader(access, unique("group"), [place.topic], "m", watch_s=0.2, stuck_s=600.0) as member,
    ):
        await producer.send(place, b"", b"0")
        assert len(await reader.take()) == 1
        taken = await member.take()
        await half_an_hour(reader, member)
        await producer.send(place, b"", b"1")
        assert first_ones(await reader.take()) == [b"1"]
        await half_an_hour(reader, member)
        assert await member.confirm(taken)
        waiting = asyncio.create_task(reader.take())
        assert first_ones((await member.take()).records) == [b"1"]
        await half_an_hour(reader, member)
        assert (reader.rebuilt, member.rebuilt) == (0, 0)
        waiting.cancel()
