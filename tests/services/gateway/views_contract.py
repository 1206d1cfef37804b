"""What every implementation of the gateway's port must do. Each adapter's test inherits this class and gives the
fixtures:

``views`` an implementation, ``grow`` a function that makes at least one more event appear in it, ``good`` and ``bad``
functions that make a command with the given id which the site accepts, and refuses.
"""

import asyncio
from collections.abc import Callable

from services.gateway.views import (
    CURSOR_MAX,
    CommandAnswer,
    CommandState,
    CursorGone,
    EventItem,
    GatewayViews,
    IdReused,
    Stand,
)
from shared.domain.events import about
from shared.domain.inputs import Command, Refusal
from shared.log.port import Cursor

Make = Callable[[str], Command]


async def read_all(views: GatewayViews, cursor: Stand | None, batch: int) -> list[EventItem]:
    """Every event behind the cursor, in batches."""
    found: list[EventItem] = []
    while True:
        more = await views.read_events(cursor, batch)
        assert not isinstance(more, CursorGone)
        if not more:
            return found
        assert len(more) <= batch
        found += more
        cursor = more[-1].cursor


class ViewsContract:
    async def test_events_are_in_order_and_the_same_in_any_batch(
        self, views: GatewayViews, grow: Callable[[], None]
    ) -> None:
        """Reading one by one gives what reading at once gives, in rising places."""
        for _ in range(5):
            grow()
        all_at_once = await read_all(views, None, 1000)
        assert len(all_at_once) >= 5
        assert await read_all(views, None, 1) == all_at_once
        places = [item.cursor[1:] for item in all_at_once]
        assert places == sorted(set(places))

    async def test_a_reader_at_the_head_has_read_everything(
        self, views: GatewayViews, grow: Callable[[], None]
    ) -> None:
        """Behind the head there is nothing, and what comes later is behind it."""
        grow()
        head = views.head()
        assert head is not None
        assert await views.read_events(head, 10) == ()
        grow()
        later = await views.read_events(head, 10)
        assert not isinstance(later, CursorGone)
        assert later

    async def test_who_passes_over_what_is_not_wanted_misses_nothing(
        self, views: GatewayViews, grow: Callable[[], None]
    ) -> None:
        """From any place: what is wanted of the events is the same, and at the head it stays at the head."""
        for _ in range(5):
            grow()
        everything = await read_all(views, None, 1000)
        rare = everything[-1].event.type
        for start in (None, *(item.cursor for item in everything)):
            for wanted in (lambda _: False, lambda _: True, lambda one: one.type == rare):
                behind = await read_all(views, views.pass_over(start, wanted), 1000)
                before = await read_all(views, start, 1000)
                assert [one for one in behind if wanted(about(one.event))] == [
                    one for one in before if wanted(about(one.event))
                ]
        assert views.pass_over(views.head(), lambda _: False) == views.head()

    async def test_a_place_is_known_by_its_text(self, views: GatewayViews, grow: Callable[[], None]) -> None:
        """Each cursor is given out as other text, of bounded length, and stands for the same place when it is back."""
        for _ in range(3):
            grow()
        cursors = [item.cursor for item in await read_all(views, None, 1000)]
        texts = [views.cursor_text(cursor) for cursor in cursors]
        assert len(set(texts)) == len(texts)
        assert all(len(text) <= CURSOR_MAX for text in texts)
        for cursor, text in zip(cursors, texts, strict=True):
            came = views.read_cursor(text)
            assert [item.event for item in await read_all(views, came, 1000)] == [
                item.event for item in await read_all(views, cursor, 1000)
            ]
        for wrong in ("", "x", texts[0][:-3], texts[0] + "AAAA", "A" * CURSOR_MAX):
            assert views.read_cursor(wrong) is None

    async def test_waiting_ends_when_an_event_comes(self, views: GatewayViews, grow: Callable[[], None]) -> None:
        """A waiter is woken by the next event, and not when there is none."""
        grow()
        head = views.head()
        assert not await views.wait_for_events(head, 0.01)
        waiter = asyncio.create_task(views.wait_for_events(head, 20))
        await asyncio.sleep(0)
        grow()
        assert await waiter
        assert await views.wait_for_events(head, 20)

    async def test_a_cursor_of_a_foreign_log_is_gone(self, views: GatewayViews, grow: Callable[[], None]) -> None:
        """A cursor that this log never gave says so and names where reading goes on."""
        grow()
        found = await views.read_events(Cursor("f" * 32, 1, 0), 10)
        assert isinstance(found, CursorGone)
        assert not isinstance(await views.read_events(found.oldest, 10), CursorGone)

    async def test_a_command_is_done_once(self, views: GatewayViews, good: Make) -> None:
        """The same command with the same id gives the same answer; another under that id is refused."""
        command = good("c-1")
        first = await views.submit(command)
        assert first == CommandAnswer("c-1", CommandState.ACCEPTED)
        assert await views.submit(command) == first
        assert await views.submit(command._replace(reason="another")) == IdReused("c-1")
        assert views.command_state("c-1") == first

    async def test_a_refusal_has_its_reason(self, views: GatewayViews, bad: Make) -> None:
        """A refused command is answered with a reason of the core, again and again the same."""
        answer = await views.submit(bad("c-2"))
        assert isinstance(answer, CommandAnswer)
        assert answer.state is CommandState.REJECTED
        assert answer.reason in set(Refusal)
        assert await views.submit(bad("c-2")) == answer
        assert views.command_state("c-2") == answer

    async def test_an_unknown_command_has_no_state(self, views: GatewayViews) -> None:
        """Nobody is told that a command is pending which nobody gave."""
        assert views.command_state("never") is None

    async def test_what_is_due_next_comes_first(self, views: GatewayViews) -> None:
        """Every part has a name of its own, and each due an alarm that will tell of it."""
        found = await views.upkeep()
        assert found is not None
        names = [item.part for item in found.parts]
        assert len(set(names)) == len(names)
        assert [item.due_at_ms for item in found.dues] == sorted(item.due_at_ms for item in found.dues)
        assert all(item.alarm.startswith(item.subject.rpartition("/")[0]) for item in found.dues)

    async def test_readiness_and_metrics_are_always_there(self, views: GatewayViews) -> None:
        """Health is answered from the first moment."""
        assert isinstance(views.readiness().ready, bool)
        assert views.metrics().log_head_sequence >= 0
        assert views.status().site
