"""The Kafka adapter against the contract, on a real broker, and what only a topic that many write into can show."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from shared.bus.registry import INPUTS, RULESETS, Shape
from shared.domain.errors import LogDamaged, LogError, WireError
from shared.log.kafka.access import Access
from shared.log.kafka.log import KafkaLog, SiteInKafka, Writing
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place
from shared.log.kafka.topics import set_up
from shared.log.port import Folding, Log
from shared.wire.blocks import encode_block
from tests.contract.log_contract import LogContract, Reopen
from tests.contract.rows import frames, start, tick
from tests.testkit.fleet import KafkaBroker, unique
from tests.wire.chained import BLOCK, KEY, OTHER_KEY, SITE, block_of


@pytest.fixture(scope="module")
def topics(kafka: KafkaBroker) -> tuple[Access, str, str]:
    """Topics of these tests' own; each test has a partition."""
    access = Access(kafka.bootstrap)
    inputs, rulesets = (replace(topic, name=unique("log")) for topic in (INPUTS, RULESETS))
    asyncio.run(set_up(access, [inputs, rulesets], Shape(30)))
    return access, inputs.name, rulesets.name


@pytest.fixture(scope="module")
def partitions() -> Iterator[int]:
    return iter(range(30))


@pytest.fixture
def site(topics: tuple[Access, str, str], partitions: Iterator[int]) -> SiteInKafka:
    """An empty partition, and the site's key."""
    return SiteInKafka(SITE, Place(topics[1], next(partitions)), topics[2], {KEY.id: KEY.public})


class TestKafkaLog(LogContract):
    @pytest.fixture
    def opened(self) -> Iterator[list[KafkaLog]]:
        opened: list[KafkaLog] = []
        yield opened
        for each in opened:
            each.close()

    @pytest.fixture
    def reopen(self, topics: tuple[Access, str, str], site: SiteInKafka, opened: list[KafkaLog]) -> Reopen:
        def again() -> Log:
            opened.append(KafkaLog(topics[0], site, Writing(KEY, core_version=1)))
            return opened[-1]

        return again

    @pytest.fixture
    def log(self, reopen: Reopen) -> Log:
        return reopen()

    def send(self, access: Access, place: Place, *records: bytes) -> None:
        """Records of the site, as anybody may write them who is allowed to."""

        async def sending() -> None:
            async with Producer(access, "somebody") as producer:
                for record in records:
                    await producer.send(place, SITE.encode(), record)

        asyncio.run(sending())

    def test_what_kafka_does_not_keep_is_refused(self, log: Log) -> None:
        """A position, a dead letter or a folding would be lost: the writer learns it, and nothing is written."""
        for group in (
            replace(start(), positions={"x": b"1"}),
            replace(start(), dead_letters={"x": b"1"}),
            replace(start(), folding=Folding(1, 1, frozenset())),
        ):
            with pytest.raises(LogError, match="Kafka keeps no positions"):
                log.commit(group)
        assert log.head().site_seq == 0
        assert (log.position("x"), log.positions(), log.dead_letter("x")) == (None, {}, None)
        assert (log.folded_to(), log.tidy(), log.spare_bytes()) == (0, False, 0)

    def test_a_view_only_reads(
        self, topics: tuple[Access, str, str], site: SiteInKafka, opened: list[KafkaLog]
    ) -> None:
        """Without the site's key nothing can be written."""
        opened.append(KafkaLog(topics[0], site))
        with pytest.raises(LogError, match="only reads"):
            opened[0].commit(start())

    def test_a_body_under_another_name_is_refused(self, log: Log) -> None:
        """A rule set is named by its hash."""
        with pytest.raises(WireError, match="these bytes are"):
            log.commit(replace(start(), rulesets={"v1": b"body"}))

    def test_blocks_of_many_links_are_read_as_they_were_sent(
        self, log: Log, topics: tuple[Access, str, str], site: SiteInKafka
    ) -> None:
        """The uplink puts several groups into one block: every link is there, with a hole that the site declared."""
        self.send(topics[0], site.inputs, encode_block(BLOCK, KEY, pack=True))
        assert [stretch.links for stretch in log.stretches()] == [(1, 4, 5, 10)]
        assert tuple(log.inputs(0)) == BLOCK.inputs
        assert tuple((row.site_seq, row.ordinal, row.data) for _, row in log.events(None)) == BLOCK.events
        assert (log.head().hash, log.head().site_seq) == (BLOCK.head_hash, 10)

    def test_what_was_sent_twice_or_anew_is_there_once(
        self, log: Log, topics: tuple[Access, str, str], site: SiteInKafka
    ) -> None:
        """Repeats, a lower epoch, other sites and what nobody signed are passed over; a higher epoch takes over."""
        first = block_of([start()])
        second = block_of([frames(2, 2)], first.head_hash)
        lost = block_of([tick(9)], b"\x07" * 32)
        anew = [
            block_of([frames(2, 3)], first.head_hash, epoch=5),
            block_of([tick(5)], block_of([frames(2, 3)], first.head_hash).head_hash, epoch=5),
        ]
        other = replace(block_of([tick(4)], second.head_hash), site="another")
        sent = [encode_block(block, KEY) for block in (first, second, first, second, lost, other)]
        forged = encode_block(block_of([tick(4)], second.head_hash, epoch=9), OTHER_KEY)
        self.send(topics[0], site.inputs, *sent, forged, b"noise")
        assert log.head().site_seq == 3
        self.send(topics[0], site.inputs, *[encode_block(block, KEY) for block in anew])
        late = block_of([tick(4)], second.head_hash)
        self.send(topics[0], site.inputs, encode_block(late, KEY))
        assert [row.site_seq for row in log.inputs(0)] == [1, 2, 3, 4, 5]
        assert log.head().hash == anew[-1].head_hash

    def test_a_log_goes_on_behind_what_is_lost_with_the_states_of_that_moment(
        self, log: Log, topics: tuple[Access, str, str], site: SiteInKafka
    ) -> None:
        """A block that carries states begins anew; whoever checks the chain sees where it was broken."""
        states = {"r1": b"state", "": b"v"}
        bridge = replace(block_of([tick(9)], b"\x07" * 32), states=states)
        self.send(topics[0], site.inputs, *[encode_block(block, KEY) for block in (block_of([start()]), bridge)])
        assert [row.site_seq for row in log.inputs(0)] == [1, 9]
        found = log.snapshot()
        assert found is not None
        assert (found.site_seq, found.states) == (8, states)

    def test_a_log_may_begin_at_an_offset(
        self, topics: tuple[Access, str, str], site: SiteInKafka, opened: list[KafkaLog]
    ) -> None:
        """Who wants a day of a month: what lies before is not read, and the chain goes on from there."""
        first = block_of([start()])
        second = block_of([frames(2, 2)], first.head_hash)
        self.send(topics[0], site.inputs, *[encode_block(block, KEY) for block in (first, second)])
        opened.append(KafkaLog(topics[0], replace(site, first_offset=1)))
        assert [row.site_seq for row in opened[0].inputs(0)] == [2, 3]
        assert (opened[0].first_seq(), opened[0].genesis()) == (2, first.head_hash)

    def test_a_damaged_block_is_named_by_its_first_input(
        self, log: Log, topics: tuple[Access, str, str], site: SiteInKafka
    ) -> None:
        """A signed header over records that are not its own."""
        good = encode_block(block_of([start()]), KEY)
        self.send(topics[0], site.inputs, good[:-2] + b"?\n")
        with pytest.raises(LogDamaged, match="record 1: block: the chain breaks"):
            list(log.inputs(0))
