"""An input that step() itself raises on: kept as a dead letter, and its neighbours wait for next to nothing."""

from collections.abc import Callable

import pytest

from services.processor import recent
from services.processor.replay import replay_log
from services.processor.restore import restore
from services.processor.verify import verify_log
from shared.domain import core
from shared.domain.core import state_to_data
from shared.domain.errors import LogFull
from shared.domain.events import Event
from shared.domain.inputs import Entry, Report, Rules
from shared.domain.state import RoomState
from shared.log.store import MemoryStore
from shared.wire.inputs import WireBody
from tests.services.processor.plant import bank, decision, gas
from tests.services.processor.site import Site, in_memory
from tests.services.processor.test_undurable import failing

POISON = Report("relay_foreign_write", "s/r1/x", on=True, pulse=True, detail="poison")
Step = Callable[[RoomState, Entry], tuple[RoomState, list[Event]]]


class Bug:
    """A core that fails on some inputs, after it has half changed the state; it counts what it is asked for."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._real: Step = core.step
        self.steps = 0
        self.bodies: tuple[object, ...] = (POISON,)
        patch.setattr(core, "step", self)

    def __call__(self, state: RoomState, entry: Entry) -> tuple[RoomState, list[Event]]:
        self.steps += 1
        state, events = self._real(state, entry)
        is_poison = entry.body in self.bodies or (isinstance(entry.body, Rules) and entry.body.actor == "poison")
        if is_poison:
            raise IndexError("a bug of the core")
        return state, events


def _long(site: Site, inputs: int) -> None:
    site.open()
    for n in range(1, inputs // 2 + 1):
        site.commit(gas(n, 20), bank(n, low=frozenset(range(n % 5))), after_ms=500)


def _is_as_replayed(site: Site) -> None:
    """The log verifies, gives the same events again, and leads to the very states that the runner has."""
    assert isinstance(site.store, MemoryStore)
    log = site.store.log
    assert verify_log(log).ok
    found = replay_log(log)
    assert found.equal, found.first_difference
    again = restore(log).fold.states
    assert {room: state_to_data(state) for room, state in again.items()} == {
        room: state_to_data(state) for room, state in site.runner.states.items()
    }


def _no_log_is_read(site: Site) -> None:
    def refuse(_before: object) -> None:
        raise AssertionError("the whole tail of the log was folded again")

    site.runner._taker._rebuild = refuse  # type: ignore[assignment]


def test_a_bug_of_the_core_costs_a_bounded_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """After thousands of inputs no more than the newest thousand are stepped again; the decision is replay's."""
    site = in_memory()
    bug = Bug(monkeypatch)
    _long(site, 5 * recent.INPUTS_MAX // 2)
    _no_log_is_read(site)
    before = bug.steps
    made = site.commit(gas(90_001, 30), POISON, gas(90_002, 250), bank(90_003))
    assert bug.steps - before <= recent.INPUTS_MAX + 10
    assert "input.undecodable" in str([event.type for event in made.events])
    assert "h2_alarm" in {event.rule for event in made.events}
    _is_as_replayed(site)


def test_poison_after_poison_costs_a_few_steps_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device whose every input meets the bug does not make its neighbours wait each time."""
    site = in_memory()
    bug = Bug(monkeypatch)
    _long(site, 900)
    _no_log_is_read(site)
    site.commit(POISON)
    before = bug.steps
    for n in range(20):
        site.commit(POISON, gas(90_000 + n, 20), after_ms=100)
    assert bug.steps - before <= 20 * 8
    _is_as_replayed(site)


def test_poison_while_the_log_cannot_be_read_is_gone_round_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk and a bug at once: the site goes on from memory."""
    site = in_memory()
    Bug(monkeypatch)
    _long(site, 20)
    with failing(site, LogFull("no space")):
        site.commit(gas(90_001, 250))
        assert not site.commit(POISON).durable
    site.tick(1_000)
    assert not site.runner.undurable
    _is_as_replayed(site)


@pytest.mark.parametrize("first", [(), (gas(1, 250), bank(1))])
def test_rules_that_the_core_cannot_take_leave_the_old_ones_in_force(
    monkeypatch: pytest.MonkeyPatch, first: tuple[WireBody, ...]
) -> None:
    """A rule set that is poison is a dead letter: the state is that before it, from the log."""
    site = in_memory()
    Bug(monkeypatch)
    site.open()
    if first:
        site.commit(*first)
    version = site.runner._taker.fold.version
    site.runner.change_rules(decision(limit_2=30_000), "poison")
    assert site.runner._taker.fold.version == version
    site.commit(gas(2, 250))
    _is_as_replayed(site)
