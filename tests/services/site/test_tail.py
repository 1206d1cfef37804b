"""Events for those who follow: from memory, from the log, over the seam between both."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.gateway.views import CursorGone, EventItem
from services.site import tail as tail_module
from services.site.tail import Tail
from shared.domain.errors import CursorUnknown
from shared.domain.events import Event, EventType
from shared.log.port import Cursor, EventRow
from shared.wire.events import encode_event

LOG = "log-2"


def event(seq: int) -> Event:
    blank: dict[str, Any] = dict.fromkeys(Event._fields, "")
    numbers = dict.fromkeys(("room_no", "ordinal", "tick_ms", "at_ms", "until_ms"), 0)
    return Event(
        **{**blank, **numbers, "type": EventType.ALARM_RAISED, "id": f"e{seq}", "site_seq": seq, "log_id": LOG}
    )


class FakeLog:
    """Events 1 to 10; the numbers up to 5 were minted under log-1."""

    def events(self, after: Cursor | None, limit: int = 1000) -> Iterator[tuple[Cursor, EventRow]]:
        if after is not None and after.log_id not in ("log-1", LOG):
            raise CursorUnknown(after.log_id)
        start = after.site_seq if after is not None else 0
        for seq in range(start + 1, min(11, start + 1 + limit)):
            row = EventRow(seq, 0, "r1", seq, EventType.ALARM_RAISED, encode_event(event(seq)))
            yield Cursor("log-1" if seq <= 5 else LOG, seq, 0), row


def filled(*seqs: int) -> Tail:
    """A tail that began behind number 10."""
    made = Tail(FakeLog)  # type: ignore[arg-type]
    made.begin(LOG, 10)
    put(made, *seqs)
    return made


def put(tail: Tail, *seqs: int, durable: bool = True) -> None:
    """One commit with these events."""
    tail.extend([Cursor(LOG, seq, 0) for seq in seqs], [event(seq) for seq in seqs], durable=durable)


def numbers(found: tuple[EventItem, ...] | CursorGone) -> list[int]:
    assert not isinstance(found, CursorGone)
    return [item.event.site_seq for item in found]


def test_live_events_come_from_memory() -> None:
    """Behind a place of this start nothing is asked of the log."""
    assert numbers(filled(11, 12, 13).after(Cursor(LOG, 11, 0), 100)) == [12, 13]


def test_older_events_come_from_the_log_and_go_on_in_memory_without_a_hole() -> None:
    """A reader that was away sees each event once."""
    tail = filled(11, 12)
    assert numbers(tail.after(None, 100)) == [*range(1, 13)]
    assert numbers(tail.after(Cursor("log-1", 4, 0), 100)) == [*range(5, 13)]


def test_a_reader_is_given_at_most_what_it_asked_for() -> None:
    """At its own pace."""
    tail = filled(11, 12)
    assert numbers(tail.after(None, 3)) == [1, 2, 3]
    assert numbers(tail.after(Cursor(LOG, 9, 0), 2)) == [10, 11]


def test_a_place_of_another_log_is_gone() -> None:
    """The reader is told to begin again."""
    assert isinstance(filled(11).after(Cursor("log-9", 3, 0), 10), CursorGone)


def test_the_oldest_go_from_memory_and_are_still_read() -> None:
    """Bounded memory; the log has them."""
    tail = filled()
    for seq in range(11, 11 + tail_module.EVENTS_MAX + 1):
        put(tail, seq)
    assert len(numbers(tail.after(Cursor(LOG, 11 + tail_module.EVENTS_MAX - 10, 0), 100))) == 10


def test_events_that_are_not_on_disk_are_marked() -> None:
    """undurable stands beside the event, never in its bytes."""
    tail = filled()
    put(tail, 11, durable=False)
    found = tail.after(Cursor(LOG, 10, 1), 10)
    assert not isinstance(found, CursorGone)
    assert found[0].extra == {"undurable": "true"}
    assert found[0].event == event(11)


def test_who_waits_is_woken() -> None:
    """Once a listener has gone it is not called any more."""
    tail = filled(11)
    calls: list[int] = []
    tail.listen(listener := lambda: calls.append(1))
    put(tail, 12)
    tail.unlisten(listener)
    put(tail, 13)
    assert calls == [1]
    assert tail.is_behind(Cursor(LOG, 12, 0))
    assert not tail.is_behind(tail.head)


def test_commits_in_which_nothing_is_wanted_are_passed_over_whole() -> None:
    """The next wanted event is still to come, and so is everything that is on no disk yet."""
    tail = filled(11, 12)
    put(tail, 13)
    put(tail, 14, durable=False)
    first = Cursor(LOG, 11, 0)
    assert tail.pass_over(first, lambda _: True) == first
    assert tail.pass_over(first, lambda _: False) == Cursor(LOG, 13, 0)


def test_a_place_that_is_not_in_memory_is_kept_by_who_passes_over() -> None:
    """The log may have what is wanted; a foreign place is still to be told as gone."""
    tail = filled(11, 12)
    for place in (None, Cursor("log-1", 4, 0), Cursor(LOG, 9, 0), Cursor(LOG, 99, 0)):
        assert tail.pass_over(place, lambda _: False) == place


def test_who_reads_the_log_in_small_steps_makes_it_read_once() -> None:
    """A reader that lags behind a flood costs what it reads and not what lies behind it."""
    asked: list[Cursor | None] = []

    class Counted(FakeLog):
        def events(self, after: Cursor | None, limit: int = 1000) -> Iterator[tuple[Cursor, EventRow]]:
            asked.append(after)
            return super().events(after, limit)

    log = Counted()
    tail = Tail(lambda: log)  # type: ignore[arg-type, return-value]
    tail.begin(LOG, 10)
    put(tail, 11)
    place: Cursor | None = None
    seen: list[int] = []
    while not isinstance(found := tail.after(place, 2), CursorGone) and found:
        seen += numbers(found)
        place = found[-1].cursor
    assert seen == [*range(1, 12)]
    assert asked == [None]


def test_a_reader_that_came_to_the_end_of_the_log_sees_what_the_log_has_got_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What has gone from memory meanwhile is read from the log, without a hole."""
    monkeypatch.setattr(tail_module, "EVENTS_MAX", 2)

    class Growing(FakeLog):
        last = 11

        def events(self, after: Cursor | None, limit: int = 1000) -> Iterator[tuple[Cursor, EventRow]]:
            del limit
            start = after.site_seq if after is not None else 0
            for seq in range(start + 1, self.last + 1):
                yield Cursor(LOG, seq, 0), EventRow(seq, 0, "r1", seq, EventType.ALARM_RAISED, encode_event(event(seq)))

    log = Growing()
    tail = Tail(lambda: log)  # type: ignore[arg-type, return-value]
    tail.begin(LOG, 11)
    assert numbers(tail.after(Cursor(LOG, 9, 0), 10)) == [10, 11]
    for seq in range(12, 18):
        put(tail, seq)
    log.last = 17
    assert numbers(tail.after(Cursor(LOG, 11, 0), 10)) == [*range(12, 18)]


def test_who_had_read_everything_finds_the_next_commit_in_memory_however_large_it_is() -> None:
    """The log is not asked for what has just been committed."""
    tail = filled(11)
    put(tail, *range(12, 12 + 2 * tail_module.EVENTS_MAX))
    assert numbers(tail.after(Cursor(LOG, 11, 0), 3)) == [12, 13, 14]
