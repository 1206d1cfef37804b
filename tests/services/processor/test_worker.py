"""The worker without a broker: what it acknowledges and when, and what it does when an engine leaves things out."""

import asyncio
from collections.abc import Sequence

import pytest

from services.processor.hands import HandLost, OwnSeats
from services.processor.seats import KEY, Given, Kind, Outcome
from services.processor.worker import Worker
from shared.bus.registry import DEADLETTER, EVENTS, INPUTS, STATE
from shared.log.kafka.records import KEY_BYTES_MAX, Record
from shared.runtime.tracing import Stage, by_input, open_spans, span_id, trace_id
from shared.wire.batches import decode_batch
from shared.wire.blocks import Block, encode_block
from shared.wire.deadletters import decode_dead_letter
from shared.wire.events import decode_event
from shared.wire.site_state import decode_site_state
from tests.services.processor.recorded import blocks_of, bodies, recorded
from tests.services.processor.topics import OTHER, PLACE, SAVE_S, SIGNER, Topics, topics_of_site
from tests.soak.rig import stored
from tests.testkit.otlp import collector

TURNS = 1_000
"""Of the loop: more than all that is asked takes."""


async def test_nothing_is_acknowledged_before_events_and_state_are_confirmed() -> None:
    """First every event, then the state, then the input; and only every few seconds."""
    topics = topics_of_site()
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    await worker.take(topics.inputs[:10])
    assert topics.acknowledged == []
    topics.now, topics.confirms = SAVE_S, False
    tending = asyncio.create_task(worker.take(topics.inputs[10:12]))
    while not topics.waiting:
        await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert STATE.name not in topics.sent, "the state waits for the events"
    while STATE.name not in topics.sent:
        for each in topics.waiting:
            if not each.done():
                each.set_result(None)
        await asyncio.sleep(0)
    assert topics.acknowledged == []
    topics.waiting[-1].set_result(None)
    await tending
    assert topics.acknowledged == [12]
    state = decode_site_state(topics.sent[STATE.name][-1].value or b"")
    assert state.offset == 12
    await worker.close()


class SideBySide(OwnSeats):
    """Of two sites in two processes: the one's outcomes come when the other was asked, or was lost."""

    def __init__(self, *, is_lost: bool) -> None:
        super().__init__()
        self.is_lost = is_lost
        self.asked: list[str] = []

    async def take(self, given: Sequence[Given]) -> list[Outcome]:
        (site,) = {each.site for each in given}
        self.asked.append(site)
        if site == "t" and self.is_lost:
            raise HandLost("process 1 that folds has ended")
        turns = 0
        while "t" not in self.asked and turns < TURNS:
            turns += 1
            await asyncio.sleep(0)
        return await super().take(given)


def _blocks_of_other() -> list[Block]:
    return blocks_of(recorded(0), site="t", seed=2)


def _two_partitions() -> tuple[Topics, list[Record]]:
    """A site on either, and their records in turns, as an engine gives them."""
    topics = topics_of_site()
    topics.registered.add("t")
    data = [encode_block(block, SIGNER) for block in _blocks_of_other()]
    others = [Record(OTHER, n, b"t", each, (), 0) for n, each in enumerate(data)]
    return topics, [record for pair in zip(topics.inputs[:9], others[:9], strict=True) for record in pair]


async def test_partitions_of_a_take_are_folded_side_by_side() -> None:
    """None waits for another's fold, and each tells of its own site alone, in its own place."""
    topics, records = _two_partitions()
    seats = SideBySide(is_lost=False)
    worker = topics.worker(seats=seats)
    await worker.assign([PLACE, OTHER], 1)
    await worker.take(records)
    assert seats.asked[:2] == ["s", "t"]
    told = [(record.place.partition, decode_batch(record.value or b"")) for record in topics.sent[EVENTS.name]]
    assert {(partition, batch.site) for partition, batch in told} == {(0, "s"), (1, "t")}
    for site, blocks in (("s", blocks_of(recorded(0), site="s", seed=1)), ("t", _blocks_of_other())):
        events = [event for _, batch in told if batch.site == site for event in batch.events]
        assert events == [event.data for block in blocks[:9] for event in block.events]
    await worker.close()


class Held(OwnSeats):
    """The process of one site is busy until it is let go; of what it is asked the order is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = asyncio.Event()
        self.taken: dict[tuple[str, int], None] = {}
        """Each once: a site that was parked for its key is given again."""

    async def take(self, given: Sequence[Given]) -> list[Outcome]:
        if given[0].site == "s":
            await self.let_go.wait()
        self.taken |= {(each.site, each.offset): None for each in given}
        return await super().take(given)


async def test_the_next_take_begins_while_a_partition_of_the_last_is_folded() -> None:
    """A process that folds need not wait for another's part, and what comes for a partition stays in its order."""
    topics, records = _two_partitions()
    seats = Held()
    worker = topics.worker(seats=seats, ahead=2)
    await worker.assign([PLACE, OTHER], 1)
    async with asyncio.timeout(60):
        for begin in (0, 6):
            await worker.take(records[begin : begin + 6])
        while len(seats.taken) < 6:
            await asyncio.sleep(0)
    assert [*seats.taken] == [("t", number) for number in range(6)]
    seats.let_go.set()
    await worker.hand_over()
    assert [*seats.taken][6:] == [("s", number) for number in range(6)]
    assert (topics.acknowledged, worker.counts.skipped) == ([6, 6], 0)
    await worker.close()


async def test_trouble_of_a_take_that_still_goes_on_is_raised_and_ends_its_partition() -> None:
    """Nothing that came behind it is folded, saved or acknowledged: another worker takes it from the states."""
    topics, records = _two_partitions()
    seats = SideBySide(is_lost=True)
    worker = topics.worker(seats=seats, ahead=2)
    await worker.assign([PLACE, OTHER], 1)
    topics.now = 2 * SAVE_S
    for begin in (0, 6):
        await worker.take([record for record in records[begin : begin + 6] if record.name == "t"])
    with pytest.raises(HandLost):
        async with asyncio.timeout(60):
            while True:
                await asyncio.sleep(0)
                await worker.tend()
    await worker.hand_over()
    assert (seats.asked, topics.acknowledged) == (["t"], [])
    await worker.close()


async def test_trouble_of_one_partition_acknowledges_nothing_of_another() -> None:
    """The process that folded a site is gone, and so is what it was given: the worker has to end, not to go on."""
    topics, records = _two_partitions()
    worker = topics.worker(seats=SideBySide(is_lost=True))
    await worker.assign([PLACE, OTHER], 1)
    topics.now = 2 * SAVE_S
    with pytest.raises(HandLost):
        await worker.take(records)
    assert topics.acknowledged == []
    await worker.close()


async def test_a_broker_that_was_away_does_not_put_off_the_next_states() -> None:
    """It confirms after a minute; the states after those are written when they are due all the same."""
    topics = topics_of_site()
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    topics.now, topics.confirms = SAVE_S, False
    taking = asyncio.create_task(worker.take(topics.inputs[:10]))
    while not topics.waiting:
        await asyncio.sleep(0)
    topics.now, topics.confirms = SAVE_S + 60, True
    for each in topics.waiting:
        each.set_result(None)
    await taking
    assert topics.acknowledged == [10]
    topics.now += SAVE_S
    await worker.take(topics.inputs[10:20])
    assert topics.acknowledged == [10, 20]
    await worker.close()


async def test_what_the_engine_leaves_out_is_read_beside_it() -> None:
    """Offsets are dense: a jump is seen, told and filled before anything behind it is taken."""
    topics = topics_of_site()
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    await worker.take([*topics.inputs[:5], *topics.inputs[9:20]])
    await worker.take(topics.inputs[30:])
    assert topics.events() == stored(recorded(0))
    assert worker.counts.skipped == 4 + 10
    assert [event for event, _ in topics.told] == ["engine_left_out"] * 2
    await worker.close()


async def test_an_engine_that_begins_behind_the_state_is_caught_up_with() -> None:
    """The site's chain does not fit: what lies between its state and the first record is read beside the engine."""
    topics = topics_of_site()
    first = topics.worker()
    await first.assign([PLACE], 1)
    await first.take(topics.inputs[:10])
    await first.hand_over()
    second = topics.worker()
    await second.assign([PLACE], 2)
    await second.take(topics.inputs[25:])
    while len(topics.events()) < len(stored(recorded(0))):
        await asyncio.sleep(0.01)
    assert topics.events() == stored(recorded(0))
    assert topics.acknowledged[0] == 10
    for worker in (first, second):
        await worker.close()


async def test_a_site_whose_first_blocks_an_engine_forgot_is_read_beside_it() -> None:
    """Shared out anew before anything was taken, the engine goes on where it had fetched to: nobody asks the site."""
    topics = topics_of_site()
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    await worker.assign([PLACE], 2)
    await worker.take(topics.inputs[5:])
    await asyncio.wait_for(_caught_up(worker), 60)
    assert topics.events() == stored(recorded(0))
    assert (worker.counts.asked, topics.told) == (0, [])
    await worker.close()


async def _caught_up(worker: Worker) -> None:
    while any(site.catching is not None for site in worker.sites()):
        await asyncio.sleep(0)


async def test_a_partition_that_is_kept_over_a_rebalance_owes_its_state_still() -> None:
    """A hand-over that the broker does not confirm in time: after it nothing is acknowledged for free."""
    topics = topics_of_site()
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    await worker.take(topics.inputs[:4])
    await worker.hand_over()
    topics.confirms = False
    await worker.take(topics.inputs[4:10])
    try:
        async with asyncio.timeout(0.05):
            await worker.hand_over()
    except TimeoutError:
        topics.now = SAVE_S
    await worker.assign([PLACE], 2)
    tending = asyncio.create_task(worker.take(topics.inputs[4:10]))
    await asyncio.sleep(0.05)
    assert topics.acknowledged == [4]
    topics.confirms = True
    for each in topics.waiting:
        each.set_result(None)
    await tending
    await worker.take(topics.inputs[10:])
    topics.now += SAVE_S
    await worker.tend()
    assert topics.acknowledged[-1] == len(topics.inputs)
    assert topics.events() == stored(recorded(0))
    assert decode_site_state(topics.sent[STATE.name][-1].value or b"").offset == len(topics.inputs)
    await worker.close()


def test_the_recorded_log_has_one_rule_set() -> None:
    """What these tests rest on."""
    assert len(bodies(recorded(0))) == 1


async def test_what_was_compared_hangs_on_the_frame_that_caused_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real collector gets a span for each input with alarms or outputs, in the trace that the site began."""
    topics = topics_of_site()
    with collector() as found:
        for name, value in found.env.items():
            monkeypatch.setenv(name, value)
        spans = open_spans("processor", found.env)
        worker = topics.worker(spans)
        await worker.assign([PLACE], 1)
        await worker.take(topics.inputs)
        await worker.close()
        await asyncio.to_thread(spans.close)
        causes = [cause for cause, _ in by_input(map(decode_event, topics.events()))]
        places = {(span.trace_id, span.parent_span_id) for _, span in found.spans}
        assert places == {(trace_id(cause).to_bytes(16), span_id(cause, Stage.DECIDE).to_bytes(8)) for cause in causes}
        assert {(service, span.name) for service, span in found.spans} == {("ampward-processor", "compare")}


async def test_names_that_nobody_registered_cost_a_number_and_a_line() -> None:
    """Each of them would be a site in memory and a state for ever; the site beside them is not delayed."""
    topics = topics_of_site()
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    data = topics.inputs[0].value
    strangers = [Record(PLACE, n, f"stranger{n}".encode(), data, (), 0) for n in range(1000)]
    await worker.take(strangers)
    await worker.take([record._replace(offset=1000 + record.offset) for record in topics.inputs])
    assert [site.name for site in worker.sites()] == ["s"]
    assert [event for event, _ in topics.told] == ["not_registered"]
    assert (worker.strangers.number, worker.counts.dead) == (1000, 0)
    topics.now = SAVE_S
    await worker.tend()
    assert {record.key for record in topics.sent[STATE.name]} == {b"s"}
    assert topics.acknowledged == [1000 + len(topics.inputs)]
    assert topics.events() == stored(recorded(0))
    await worker.close()


async def test_blocks_that_came_before_their_site_was_registered_are_read_again() -> None:
    """A site may speak a moment before those who read know its name."""
    topics = topics_of_site()
    topics.registered.clear()
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    await worker.take(topics.inputs[:20])
    topics.registered.add("s")
    await worker.take(topics.inputs[20:])
    while any(site.catching for site in worker.sites()):
        await asyncio.sleep(0)
    assert topics.events() == stored(recorded(0))
    assert worker.counts.asked == 0
    await worker.close()


async def test_a_block_that_names_ever_more_rule_sets_holds_nobody_up() -> None:
    """It is given again so many times; then its site waits like any that is parked, and the partition goes on."""

    class Forgetful(OwnSeats):
        """Never has what a block needs, whatever it was taught."""

        async def take(self, given: Sequence[Given]) -> list[Outcome]:
            return [Outcome(Kind.PARKED, needs=KEY + SIGNER.id) for _ in given]

    topics = topics_of_site()
    worker = Worker(Forgetful(), topics, topics, tell=lambda *_: None, now=lambda: topics.now, wall_ms=lambda: 1)
    await worker.assign([PLACE], 1)
    async with asyncio.timeout(60):
        await worker.take(topics.inputs[:3])
    (site,) = worker.sites()
    assert (site.offset, worker.counts.blocks, worker.stands()) == (0, 0, {PLACE: 3})
    await worker.close()


async def test_junk_of_any_size_becomes_a_letter_that_its_topic_takes() -> None:
    """Whoever may write the topic writes what it takes, under whatever key; the workers go on."""
    topics = topics_of_site()
    largest, long = bytes(INPUTS.record_bytes_max), b"s" * (1 << 20)
    topics.registered.add("s" * KEY_BYTES_MAX)
    worker = topics.worker()
    await worker.assign([PLACE], 1)
    await worker.take([Record(PLACE, 0, b"s", largest, (), 0), Record(PLACE, 1, long, b"junk", (), 0)])
    letters = topics.sent[DEADLETTER.name]
    assert [decode_dead_letter(letter.value or b"").data for letter in letters] == [largest, b"junk"]
    for letter in letters:
        rest = sum(len(name) + len(value) for name, value in letter.headers)
        assert len(letter.key) + len(letter.value or b"") + rest < DEADLETTER.record_bytes_max
        assert len(letter.key) < 1000 > rest
    await worker.close()
