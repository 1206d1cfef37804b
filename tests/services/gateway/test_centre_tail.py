"""Two lanes merged: from every place that any replica gave out, every other one tells exactly the rest."""

import itertools

import pytest
from hypothesis import given
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
        assert [item.event for item in found] == [item.event for item in whole]
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
