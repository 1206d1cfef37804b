"""Two lanes merged: from every place that any replica gave out, every other one tells exactly the rest."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.centre import tail as module
from services.gateway.centre.stands import PARTITIONS_MAX, Stand, StandText, place
from services.gateway.centre.tail import Lane, Tail
from services.gateway.views import CURSOR_MAX, EventItem
from tests.services.gateway.samples import event

LOG = "0" * 32
RECORDS = {Lane.BLOCKS: ((1, 2), (3, 4), (5, 6)), Lane.LIVE: ((2,), (4,), (6,))}
ORDERS = sorted(set(itertools.permutations([Lane.BLOCKS] * 3 + [Lane.LIVE] * 3)))


def give(tail: Tail, lane: Lane, offset: int, numbers: tuple[int, ...]) -> None:
    """One record of the one partition."""
    tail.extend(lane, 0, offset, tuple((event(number), {}) for number in numbers))
    if lane is Lane.BLOCKS:
        tail.settle("demo", LOG, numbers[-1])


def merged(order: tuple[Lane, ...]) -> Tail:
    """The row of a replica to which the records came in this order."""
    tail = Tail(f"{ORDERS.index(order):016x}", (0,), (0,))
    offsets = dict.fromkeys(Lane, 0)
    for lane in order:
        give(tail, lane, offsets[lane], RECORDS[lane][offsets[lane]])
        offsets[lane] += 1
    return tail


def read(tail: Tail, stand: Stand, limit: int = 100) -> tuple[EventItem, ...]:
    here = tail.enter(stand)
    assert here is not None
    return tail.after(here, limit)


def numbers(items: tuple[EventItem, ...]) -> list[int]:
    return [item.event.site_seq for item in items]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join("bl"[lane] for lane in order))
def test_every_place_of_one_replica_is_one_of_all_others(order: tuple[Lane, ...]) -> None:
    """In whatever orders the lanes came to the two: nothing is left out, nothing told twice."""
    one = merged(order)
    told = read(one, one.beginning())
    assert sorted(numbers(told)) == [1, 2, 3, 4, 5, 6]
    for other in map(merged, ORDERS):
        for at, item in enumerate(told):
            assert sorted(numbers(read(other, item.cursor))) == sorted(numbers(told[at + 1 :]))


def test_a_row_gives_the_same_in_any_page() -> None:
    """One by one, or all at once; who passes over what he does not want misses nothing."""
    for order in ORDERS:
        tail = merged(order)
        whole = read(tail, tail.beginning())
        stand, found = tail.beginning(), list[EventItem]()
        while items := read(tail, stand, 1):
            stand = items[0].cursor
            found += items
        assert sorted(numbers(tuple(found))) == sorted(numbers(whole))
        begin = tail.enter(tail.beginning())
        assert begin is not None
        passed = tail.pass_over(begin, lambda _: False)
        assert (passed.number, read(tail, passed)) == (tail.number, ())
        assert numbers(read(tail, tail.pass_over(begin, lambda _: True))) == numbers(whole)
        assert read(tail, tail.head()) == ()


def test_who_is_behind_memory_is_sent_to_the_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that left memory is in no row; one that did not is."""
    monkeypatch.setattr(module, "ENTRIES_MAX", 4)
    tail = Tail("00" * 8, (0,), (0,))
    for offset in range(4):
        give(tail, Lane.BLOCKS, offset, (2 * offset + 1, 2 * offset + 2))
    assert tail.begin_blocks == (place(2),)
    assert tail.enter(tail.beginning()) is None
    here = tail.enter(Stand("ff" * 8, 7, (place(2),), (0,), (0,)))
    assert here is not None
    assert numbers(tail.after(here, 10)) == [5, 6, 7, 8]


def test_a_live_event_that_left_memory_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a long backlog drains, the live lane runs ahead of memory: its blocks are known when they come."""
    monkeypatch.setattr(module, "ENTRIES_MAX", 4)
    tail = Tail("00" * 8, (0,), (0,))
    stand, found = tail.head(), list[int]()
    records = [(Lane.LIVE, offset, (100 + offset,)) for offset in range(8)]
    records += [(Lane.BLOCKS, offset, (99 + offset,)) for offset in range(9)]
    for record in records:
        give(tail, *record)
        for item in read(tail, stand):
            stand = item.cursor
            found.append(item.event.site_seq)
        stand = tail.pass_over(stand, lambda _: True)
    assert sorted(found) == list(range(99, 108))


def test_what_is_shown_now_does_not_wait_for_a_backlog() -> None:
    """Half of each page of who is far behind is what the live lane has, in its order; all else comes behind it."""
    tail = Tail("00" * 8, (0,), (0,))
    stand = tail.head()
    for offset in range(20):
        give(tail, Lane.BLOCKS, offset, (2 * offset + 1, 2 * offset + 2))
    give(tail, Lane.LIVE, 0, (101, 102, 103))
    first = read(tail, stand, 4)
    assert numbers(first) == [101, 102, 1, 2]
    second = read(tail, first[-1].cursor, 4)
    assert numbers(second) == [103, 3, 4, 5]
    give(tail, Lane.BLOCKS, 20, (101, 102, 103))
    rest = read(tail, second[-1].cursor)
    assert numbers(rest) == list(range(6, 41))
    assert read(tail, tail.pass_over(rest[-1].cursor, lambda _: True)) == ()


def test_what_the_blocks_had_first_is_told_once() -> None:
    """A live record of it that came later lies before others that are told ahead of the row."""
    tail = Tail("00" * 8, (0,), (0,))
    stand = tail.head()
    for offset in range(3):
        give(tail, Lane.BLOCKS, offset, (2 * offset + 1, 2 * offset + 2))
    give(tail, Lane.LIVE, 0, (6,))
    give(tail, Lane.LIVE, 1, (7,))
    first = read(tail, stand, 4)
    assert numbers(first) == [6, 7, 1, 2]
    assert numbers(read(tail, first[-1].cursor)) == [3, 4, 5]


@settings(max_examples=50)
@given(st.data())
def test_in_whatever_order_lanes_come_and_pages_are_read_each_event_is_told_once(data: st.DataObject) -> None:
    """Two partitions, two replicas that merge them as they come. Who goes from one to the other misses nothing either;
    what the other does not have by both lanes yet may come to him again."""
    replicas = [Tail(f"{number:016x}", (0, 0), (0, 0)) for number in range(2)]
    records = {
        (lane, p): data.draw(st.lists(st.integers(1, 3), max_size=6), label=f"{lane.name} {p}")
        for lane in Lane
        for p in range(2)
    }
    given_to = [dict.fromkeys(records, 0) for _ in replicas]
    stand, found = replicas[0].head(), list[str]()
    moves = data.draw(st.booleans(), label="he goes from one to the other")
    for _ in range(data.draw(st.integers(0, 30))):
        number = data.draw(st.integers(0, 1)) if moves else 0
        left = [key for key, sizes in records.items() if given_to[number][key] < len(sizes)]
        comes = data.draw(st.booleans(), label="a record comes")
        if left and comes:
            key = data.draw(st.sampled_from(left))
            _give_next(replicas[number], key, records[key], given_to[number])
        else:
            stand = _page(replicas[number], stand, data.draw(st.integers(1, 4)), found)
    for tail, done in zip(replicas, given_to, strict=True):
        for key, sizes in records.items():
            while done[key] < len(sizes):
                _give_next(tail, key, sizes, done)
    while True:
        before = len(found)
        stand = _page(replicas[moves], stand, data.draw(st.integers(1, 4)), found)
        if len(found) == before:
            break
    wanted = {f"{p}-{number}" for (_, p), sizes in records.items() for number in range(1, sum(sizes) + 1)}
    assert set(found) == wanted
    assert moves or len(found) == len(wanted)


def _give_next(tail: Tail, key: tuple[Lane, int], sizes: list[int], done: dict[tuple[Lane, int], int]) -> None:
    """The next record of a partition; each lane has its site's events from the first on."""
    lane, p = key
    begin = sum(sizes[: done[key]]) + 1
    events = [
        event(number)._replace(site=f"s{p}", id=f"{p}-{number}") for number in range(begin, begin + sizes[done[key]])
    ]
    tail.extend(lane, p, done[key], tuple((each, {}) for each in events))
    if lane is Lane.BLOCKS:
        tail.settle(f"s{p}", LOG, events[-1].site_seq)
    done[key] += 1


def _page(tail: Tail, stand: Stand, limit: int, found: list[str]) -> Stand:
    """Where he stands who was told one page more."""
    here = tail.enter(stand)
    assert here is not None
    items = tail.after(here, limit)
    found += [item.event.id for item in items]
    return items[-1].cursor if items else here


PLACES = st.integers(0, (1 << 60) - 1)


@given(st.integers(1, PARTITIONS_MAX), st.data())
def test_a_stand_comes_back_from_its_text(partitions: int, data: st.DataObject) -> None:
    """For every number of partitions, within the length that a cursor may have; of another fleet it is none."""
    width = st.lists(PLACES, min_size=partitions, max_size=partitions).map(tuple)
    stand = Stand("0123456789abcdef", data.draw(st.integers(0, 1 << 40)), *(data.draw(width) for _ in range(3)))
    texts = StandText("fleet", partitions)
    text = texts.encode(stand)
    assert len(text) <= CURSOR_MAX
    assert texts.decode(text) == stand
    assert StandText("other", partitions).decode(text) is None


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.hex()))
def test_what_is_no_cursor_is_none(text: str) -> None:
    """Whatever is sent instead of a cursor is recognised."""
    assert StandText("fleet", 3).decode(text) is None
