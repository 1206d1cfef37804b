"""Events that are told before the log's order comes to them: each once, whatever comes by which way."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.notifier import pipeline
from services.notifier.picture import Picture
from services.notifier.turn import Turn
from shared.domain.events import Event
from tests.services.notifier.lines import World, route, setting, told
from tests.services.notifier.test_properties import ACTS, ALARMS, Played

GAS = "r1/gas1/h2_alarm"


class Draining(World):
    """A world in which old events are still to be read."""

    def __init__(self) -> None:
        super().__init__(setting(route("anna")))
        self.old: list[Event] = []

    def look(self, *by_blocks: Event, ahead: tuple[Event, ...] = (), late: bool = True, caught_up: bool = False,
             read_seq: int = 0) -> list[str]:  # fmt: skip
        """One look of the notifier."""
        turn = Turn(self.picture, self.setting, self.moment(), is_ahead=not caught_up)
        for one in ahead:
            pipeline.take(turn, one, ahead=True)
        for one in by_blocks:
            pipeline.take(turn, one, late=late)
        self.picture.pass_ahead(read_seq)
        pipeline.due(turn, caught_up=caught_up)
        self.messages += turn.planned
        for message in turn.planned:
            pipeline.settle(self.picture, message)
        return [told(message) for message in turn.planned]


def test_an_alarm_of_now_does_not_wait_for_the_summary_of_what_was() -> None:
    """While old events are held for their summary a new one goes at once, and the summary comes without it."""
    world = Draining()
    old = [world.event("raised", f"r1/p{number}/old") for number in range(3)]
    new = world.event("raised", "r1/p9/new")
    assert world.look(*old[:2]) == []
    assert world.look(old[2], ahead=(new,)) == ["anna/email alarm raised new"]
    world.now_ms += 61_000
    assert world.look(new, caught_up=True, late=False, read_seq=new.site_seq) == ["anna/email summary 3 x raised old"]


def test_what_was_told_ahead_is_known_when_the_blocks_bring_it() -> None:
    """Raised, acked and over by the live lane: the blocks bring the same, and nobody hears of it again."""
    world = Draining()
    raised = world.event("raised", GAS, "critical")
    acked, returned, cleared = (world.event(what, GAS, "critical") for what in ("acked", "returned", "cleared"))
    assert world.look(ahead=(raised,)) == ["anna/email alarm raised h2_alarm"]
    world.now_ms += 61_000
    assert world.look(ahead=(acked, returned, cleared)) == ["anna/email alarm returned h2_alarm"]
    assert world.look(raised, acked, returned, cleared) == []
    assert world.look(caught_up=True, read_seq=cleared.site_seq) == []
    assert world.picture.open == {}


def test_an_old_ack_does_not_silence_what_has_risen_since() -> None:
    """The blocks come to an ack of before the alarm rose: nobody has acked what stands now."""
    world = Draining()
    raised, acked = world.event("raised", "r1/p/rule"), world.event("acked", "r1/p/rule")
    risen = world.event("escalated", "r1/p/rule", "critical", state="B")
    assert world.look(ahead=(risen,)) == ["anna/email alarm escalated rule"]
    assert world.look(raised, acked) == []
    assert [found.state for found in world.picture.open.values()] == ["B"]
    world.now_ms += 290_000
    assert world.look() == ["anna/email alarm reminder rule"]


def test_the_end_of_what_nobody_knows_is_left_to_the_blocks() -> None:
    """An ack or an end of an alarm whose beginning is still to be read says nothing yet."""
    world = Draining()
    raised, returned = world.event("raised"), world.event("returned")
    assert world.look(ahead=(returned,)) == []
    assert world.picture.open == {}
    world.look(raised, returned)
    assert world.look(caught_up=True, read_seq=2) == ["anna/email summary raised rule, returned rule"]


def test_a_summary_of_what_is_open_leaves_alone_what_was_told_ahead() -> None:
    """It is stored with its place, and outlives a restart."""
    world = Draining()
    raised = world.event("raised", GAS, "critical")
    world.look(ahead=(raised,))
    world.picture = Picture.restore({key: data for key, data in world.picture.all().items() if data is not None})
    assert world.look(raised) == []
    (found,) = world.picture.open.values()
    assert found.ahead == (raised.log_id, raised.site_seq, raised.ordinal, raised.tick_ms)


@given(st.lists(ACTS, max_size=30), st.lists(st.integers(0, 29), max_size=12), st.integers(0, 30))
def test_each_event_is_told_once_by_whichever_way_it_comes(
    acts: list[tuple[str, str | int]], heard: list[int], looks: int
) -> None:
    """Any events of a log, any of them ahead of the blocks and in the log's order: no event is in two messages of a
    person, and what stands at the end is what stands without the live lane."""
    log = Played()
    for act in acts:
        if act[1] in ALARMS:
            log.play(*act)
    ahead, plain = Draining(), Draining()
    blocks, lane = list(log.events), [log.events[number] for number in sorted(set(heard)) if number < len(log.events)]
    while blocks or lane:
        mine = tuple(lane[:1]) if lane and (not blocks or len(blocks) < looks or lane[0] in blocks[:2]) else ()
        lane = lane[len(mine) :]
        taken, blocks = blocks[: 0 if mine else 1], blocks[0 if mine else 1 :]
        mine = tuple(one for one in mine if one in blocks)
        ahead.look(*taken, ahead=mine, read_seq=taken[0].site_seq if taken else 0)
    for one in log.events:
        plain.look(one)
    for world in (ahead, plain):
        for _ in range(5):
            world.now_ms += 61_000
            world.look(caught_up=True, read_seq=log.seq)
    told_of = [ident for message in ahead.messages for ident in message.event_ids]
    assert [ident for ident, count in Counter(told_of).items() if count > 1] == []
    assert {key: (one.state, one.hidden, one.closed) for key, one in ahead.picture.open.items()} == {
        key: (one.state, one.hidden, one.closed) for key, one in plain.picture.open.items()
    }
