"""What the centre's notifier takes from a site's live lane: only what is late by the blocks, and whose it is."""

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from services.notifier.ahead import Early
from services.notifier.centre import lane as lane_module
from services.notifier.centre.early import GRACE_MS, AheadOf, Heard, concerns
from services.notifier.centre.seen import Seen
from services.notifier.pipeline import LATE_MS
from shared.domain.events import Event, EventType
from shared.wire.batches import EventsBatch, Verdict
from shared.wire.live import Live, LivePoint, encode_live
from tests.services.notifier.lines import LOG, World, setting
from tests.wire.chained import KEY

NOTIFIER = "notifier"


@dataclass
class Clock:
    now_ms: int = 1_000_000

    def monotonic_ms(self) -> int:
        return self.now_ms

    def wall_ms(self) -> int:
        return self.now_ms


@dataclass
class Lane:
    """A site, its live lane and its blocks, as one notifier hears them."""

    clock: Clock = field(default_factory=Clock)
    seen: Seen = field(default_factory=Seen)
    number: int = 0

    def __post_init__(self) -> None:
        self.world = World(setting(), wall_ms=self.clock.now_ms)
        self.heard = Heard(self.clock)  # type: ignore[arg-type]  # Only these two of a clock are asked.
        self.ahead = AheadOf(self.heard, self.seen)

    def lease(self, holder: str = NOTIFIER) -> Event:
        event = self.world.event("raised", "_site/notify", occurrence="")
        state, reason = ("on", f"{holder} 1") if holder else ("off", "the lease has ended")
        return event._replace(
            type=EventType.REPORT_RECORDED, rule="notify_lease", severity="", state=state, reason=reason
        )

    def alarm(self) -> Event:
        return self.world.event("raised", f"r1/p{self.world.seq}/rule")

    def live(self, from_seq: int, *events: Event, **more: Any) -> Live:
        """A record with these events, which ends with the last one's input."""
        self.number += 1
        stamps = {"site_seq": self.world.seq, "sent_at_ms": self.clock.now_ms, "number": self.number} | more
        live = Live(site="s", log_id=LOG, from_seq=from_seq, **stamps)
        self.heard.take(live, tuple(filter(concerns, events)), self.seen, self.clock.now_ms)
        return live

    def block(self, *events: Event) -> None:
        batch = EventsBatch("s", LOG, 1, events[0].site_seq, events[-1].site_seq, Verdict.EQUAL, 1, 0, "0" * 64, ())
        self.seen.take(batch, events, self.clock.now_ms)

    def late(self) -> tuple[Early, ...]:
        """What is given when the time of grace has gone by."""
        self.clock.now_ms += GRACE_MS
        return self.ahead.events()


@pytest.fixture
def lane() -> Lane:
    return Lane()


def test_what_the_blocks_bring_in_their_time_is_theirs(lane: Lane) -> None:
    """Nothing is given before its time, nothing that the blocks have brought, and nothing twice."""
    lease, first, second = lane.lease(), lane.alarm(), lane.alarm()
    lane.live(1, lease, first, second)
    assert lane.ahead.events() == ()
    lane.block(lease, first)
    assert [(one.event, one.leased) for one in lane.late()] == [(second, NOTIFIER)]
    assert lane.ahead.events() == ()


def test_the_lease_is_known_from_its_report_on(lane: Lane) -> None:
    """Before it nobody knows who sends; behind its end the site does."""
    lane.world.seq = 7
    before, lease, during, end, after = lane.alarm(), lane.lease(), lane.alarm(), lane.lease(""), lane.alarm()
    lane.live(8, before, lease, during)
    lane.live(11, end, after)
    assert [one.leased for one in lane.late()] == [None, NOTIFIER, ""]
    assert lane.ahead.leased() == ""


def test_behind_a_hole_nobody_knows_who_sends(lane: Lane) -> None:
    """The lease may have ended in it. What comes without a hole continues, also over inputs without events."""
    lease, first = lane.lease(), lane.alarm()
    lane.live(1, lease, first)
    lane.world.seq += 5
    second = lane.alarm()
    lane.live(3, second)
    lane.world.seq += 5
    third = lane.alarm()
    lane.live(lane.world.seq, third)
    assert [one.leased for one in lane.late()] == [NOTIFIER, NOTIFIER, None]
    assert lane.ahead.leased() is None


def test_a_lane_that_meets_the_blocks_knows_what_they_know(lane: Lane) -> None:
    """Whoever was not there when the lease began knows it from the blocks, when they have come to where the record
    begins."""
    lane.block(lane.lease(), lane.alarm())
    alarm = lane.alarm()
    lane.live(2, alarm)
    assert [one.leased for one in lane.late()] == [NOTIFIER]


def test_blocks_that_come_up_to_a_hole_s_end_say_what_it_held(lane: Lane) -> None:
    """A notifier that starts hears the lane before it has read the blocks; the lane goes on from there."""
    begin, alarm = lane.lease(), lane.alarm()
    lane.live(2, alarm)
    lane.block(begin)
    end, after = lane.lease(""), lane.alarm()
    lane.live(3, end, after)
    assert lane.ahead.leased() == ""
    assert [one.leased for one in lane.late()] == [NOTIFIER, ""]


def test_a_lease_of_before_the_cut_says_nothing_of_now(lane: Lane) -> None:
    """The blocks stand where the lease was on; the lane begins long behind them."""
    lane.block(lane.lease())
    lane.world.seq += 1000
    alarm = lane.alarm()
    lane.live(lane.world.seq, alarm)
    assert [one.leased for one in lane.late()] == [None]


def test_nothing_is_behind_while_the_lane_has_everything_since_the_blocks(lane: Lane) -> None:
    """No processor runs, and what it would bring was heard: reminders of all that is open go on. Behind a hole what is
    open may be over by now."""
    lane.block(lane.lease(), lane.alarm())
    lane.live(3, lane.alarm())
    assert (len(lane.late()), lane.ahead.is_behind()) == (1, False)
    lane.world.seq += 5
    lane.live(lane.world.seq + 1, lane.alarm())
    assert lane.ahead.is_behind()
    assert (len(lane.late()), lane.ahead.is_behind()) == (1, True)
    lane.clock.now_ms += LATE_MS
    assert not lane.ahead.is_behind()


def test_what_is_old_is_left_to_the_blocks(lane: Lane) -> None:
    """By the time the site sent it, by the way it took, and while it waited here."""
    lease, old = lane.lease(), lane.alarm()
    lane.live(1, lease, old._replace(at_ms=lane.clock.now_ms - LATE_MS - 1))
    young = lane.alarm()
    lane.live(3, young)
    lane.clock.now_ms += LATE_MS
    assert lane.ahead.events() == ()


def test_a_record_that_is_sent_again_is_nothing(lane: Lane) -> None:
    """Whoever has read a signed record may send it again: neither its alarm nor its lease counts."""
    record = lane.live(1, lease := lane.lease(), first := lane.alarm())
    lane.live(3, lane.lease(""))
    assert len(lane.late()) == 1
    lane.heard.take(record, (lease, first), lane.seen, lane.clock.now_ms)
    assert lane.late() == ()
    assert lane.ahead.leased() == ""


def test_what_the_disk_does_not_take_is_told_marked(lane: Lane) -> None:
    """It is in no block before the disk takes it."""
    lane.live(1, lane.lease())
    alarm = lane.alarm()
    lane.live(0, alarm, undurable=True)
    assert [(one.event, one.leased, one.undurable) for one in lane.late()] == [(alarm, NOTIFIER, True)]


def test_the_next_replica_goes_on_where_the_lane_was_known(lane: Lane) -> None:
    """It reads ten minutes back, and knows whose these events were."""
    record = lane.live(1, lease := lane.lease(), first := lane.alarm())
    second = Heard(lane.clock)  # type: ignore[arg-type]
    second.adopt(lane.heard.stored())
    second.take(record, (first,), lane.seen, lane.clock.now_ms)
    lane.clock.now_ms += GRACE_MS
    assert [(one.event, one.leased) for one in AheadOf(second, lane.seen).events()] == [(first, NOTIFIER)]
    assert lease.site_seq < first.site_seq


def test_what_an_older_or_newer_replica_has_stored_is_gone_on_with(lane: Lane) -> None:
    """One that did not note holes says nothing of them: whose an event is comes from a Report alone, until the lane
    goes on. What a newer one notes beside is left alone."""
    lane.block(lane.lease())
    lane.world.seq += 5
    lane.live(lane.world.seq, lane.alarm())
    stored = json.loads(lane.heard.stored())
    del stored["whole_from"]
    second = Heard(lane.clock)  # type: ignore[arg-type]
    second.adopt(json.dumps(stored | {"later": [1]}).encode())
    first, after = lane.world.seq, lane.world.seq + 1
    assert second.holder_at(first, lane.seen) is None
    second.take(lane.live(after, event := lane.alarm()), (event,), lane.seen, lane.clock.now_ms)
    assert (second.stand.whole_from, second.holder_at(after, lane.seen)) == (after, None)


def test_a_record_of_values_is_known_without_being_read() -> None:
    """Most are; one with events, or one that says that none was left out, is read."""
    plain = Live(site="a" * 40, log_id="f" * 32, site_seq=1 << 52, sent_at_ms=1 << 52, number=1 << 52)
    records = {
        encode_live(msgspec.structs.replace(plain, **more), KEY): is_read
        for more, is_read in (
            ({"points": (LivePoint("a/r/p", "1", "V", "good", "", 1),)}, False),
            ({"from_seq": 5}, True),
            ({"events": (msgspec.Raw(b"{}"),)}, True),
        )
    }
    assert {data: lane_module.is_read(data) for data in records} == records
