"""Properties of the pipeline under any sequence of events, waits, acks, shelvings and troubles of channels."""

from collections import Counter, defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.messages import FROM_EVENTS, OVER, Kind
from services.notifier.picture import Picture
from services.notifier.stages import MINUTE_MS
from shared.domain.notify_plan import Hours
from tests.services.notifier.lines import World, route, setting
from tests.services.notifier.samples import ANNA, BEN

ALARMS = ("r1/gas1/h2_alarm", "r1/a/one", "r1/b/two", "r1/c/three")
SEVERITY = dict(zip(ALARMS, ("critical", "warning", "alarm", "critical"), strict=True))
SLEEPER = ANNA.__class__("anna", "Anna", email="a@example.org", quiet=(Hours(tuple(range(7)), 60, 75),))
SAID = ("raised", "returned", "acked", "shelved", "unshelved", "escalated")
ACTS = st.one_of(
    st.tuples(st.sampled_from(SAID), st.sampled_from(ALARMS)),
    st.tuples(st.just("wait"), st.sampled_from((1, 20, 61, 300, 900))),
    st.tuples(st.sampled_from(("settle", "refuse", "restart", "late", "undurable")), st.just("")),
)  # fmt: skip


class Played(World):
    """A world that keeps to what the core can say."""

    def __init__(self) -> None:
        line = route("anna", by=("email", "webhook"), escalate_after_ms=120_000, escalate_to=("ben",))
        super().__init__(setting(line, people=(SLEEPER, BEN)), wall_ms=1_767_225_600_000)
        self.settles = False
        self.state = dict.fromkeys(ALARMS, "A")
        self.shelved: set[str] = set()
        self.acked: set[str] = set()
        self.marks = {"late": False, "undurable": False}
        self.matching: list[str] = []
        """Ids of events that somebody is to be told of."""

    def play(self, what: str, about: str | int) -> None:
        if what == "wait":
            self.wait(int(about))
        elif what in ("settle", "refuse"):
            self.settle(refused=what == "refuse")
        elif what == "restart":
            self.picture = Picture.restore({key: data for key, data in self.picture.all().items() if data is not None})
        elif what in self.marks:
            self.marks[what] = True
        else:
            self._alarm(what, str(about))

    def _alarm(self, what: str, alarm: str) -> None:
        state, hidden = self.state[alarm], alarm in self.shelved and SEVERITY[alarm] != "critical"
        why = "shelved" if hidden else ""
        if what == "raised" and state == "A":
            self._tell(what, alarm, "B", why)
        elif what == "returned" and state in "BC":
            self._tell(what, alarm, "D" if state == "B" else "A", why)
            if self.state[alarm] == "A":
                self._tell("cleared", alarm, "A", "")
        elif what == "acked" and state in "BD":
            self._tell(what, alarm, "C" if state == "B" else "A", "")
            if self.state[alarm] == "A":
                self._tell("cleared", alarm, "A", "")
        elif what == "escalated" and state in "BC" and not hidden:
            self._tell(what, alarm, "B", "")
        elif what == "shelved" and alarm not in self.shelved:
            self.shelved.add(alarm)
            self._tell(what, alarm, state, "a person's words")
        elif what == "unshelved" and alarm in self.shelved:
            self.shelved.discard(alarm)
            self._tell(what, alarm, state, "")
            if state in "BC":
                self._tell("reannounced", alarm, state, "")

    def _tell(self, what: str, alarm: str, state: str, reason: str) -> None:
        self.state[alarm] = state
        bare = "" if what in ("shelved", "unshelved") and state == "A" else None
        event = self.event(what, alarm, SEVERITY[alarm], state=state, reason=reason, occurrence=bare)
        if what in ("raised", "escalated", "reannounced") and not reason:
            self.matching.append(event.id)
        marks, self.marks = self.marks, {"late": False, "undurable": False}
        self.take(event, **marks)


def held(world: World) -> list[tuple[str, str]]:
    """(lane, event) of everything that is held back."""
    lanes = world.picture.held.items()
    return [(key, item.event.id) for key, items in lanes for item in items.values() if item.kind in FROM_EVENTS]


@given(st.lists(ACTS, max_size=40))
def test_each_matching_transition_is_told_or_held_back_exactly_once(acts: list[tuple[str, str | int]]) -> None:
    """Grouping keeps the set: for each lane of the first in line every event is in one message, or waits for one."""
    world = Played()
    for act in acts:
        world.play(*act)
    for lane in ("anna/email", "anna/webhook"):
        told = [ident for one in world.messages if one.lane.key == lane for ident in one.event_ids]
        waiting = [ident for key, ident in held(world) if key == lane]
        assert all(count == 1 for count in Counter(told + waiting).values())
        assert set(world.matching) <= set(told + waiting)


@given(st.lists(ACTS, max_size=40))
def test_after_a_quiet_hour_nothing_is_held_back(acts: list[tuple[str, str | int]]) -> None:
    """Whatever was held comes out when the channels work and the quiet hours are over."""
    world = Played()
    for act in acts:
        world.play(*act)
    for _ in range(40):
        world.settle()
        world.wait(120)
    assert held(world) == []
    assert len({message.id for message in world.messages}) == len(world.messages), "no message has another's id"


@given(st.lists(ACTS, max_size=40))
def test_beside_critical_alarms_there_is_at_most_one_message_a_minute(acts: list[tuple[str, str | int]]) -> None:
    """For each person and channel, in any weather."""
    world = Played()
    for act in acts:
        world.play(*act)
    times = defaultdict(list)
    for message in world.messages:
        if not message.urgent or len(message.items) > 1:
            times[message.lane.key].append(message.at_ms)
    for at in times.values():
        assert all(later - earlier >= MINUTE_MS for earlier, later in pairwise(at))


@given(st.lists(ACTS, max_size=40), st.sampled_from(ALARMS))
def test_an_unacked_critical_alarm_keeps_coming_whatever_else_happens(
    acts: list[tuple[str, str | int]], other: str
) -> None:
    """Acks of other alarms, shelvings and floods end no reminder of a critical one that nobody has acked."""
    world = Played()
    for act in acts:
        world.play(*act)
    mine = "r1/mine/h2_alarm"
    world.take(world.event("raised", mine, "critical"))
    world.play("acked", other)
    world.settle()
    before = len(world.messages)
    for _ in range(7):
        world.settle()
        world.wait(100)
    again = [
        one
        for one in world.messages[before:]
        if one.lane.key == "anna/email"
        and any(item.kind is Kind.REMINDER and item.event.subject == f"s/{mine}" for item in one.items)
    ]
    assert len(again) == 2, "in 700 s two reminders"


@given(st.lists(ACTS, max_size=40))
def test_nobody_hears_the_end_of_what_they_were_not_told(acts: list[tuple[str, str | int]]) -> None:
    """In each lane an alarm's end comes behind its beginning, and only once for each beginning."""
    world = Played()
    for act in acts:
        world.play(*act)
    for _ in range(30):
        world.settle()
        world.wait(120)
    known: dict[tuple[str, str], bool] = {}
    for message in world.messages:
        for item in message.items:
            key = (message.lane.key, item.event.occurrence)
            if item.kind in OVER:
                assert known.get(key), f"{key} ends without a beginning"
                known[key] = False
            else:
                known[key] = True
