"""Rules that change while the disk takes nothing: what is lost lies on both sides of the change."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from services.processor.replay import replay_log
from services.processor.verify import verify_log
from shared.devices.plan import DecisionPlan
from shared.domain.core import state_to_data
from shared.domain.errors import LogFull
from shared.log.store import MemoryStore
from shared.wire.plans import decode_decision, encode_decision
from tests.services.processor.plant import JARS, decision, gas
from tests.services.processor.site import Site, in_memory
from tests.services.processor.test_undurable import failing

CHANGED_AT = 60


def _with_more_jars() -> DecisionPlan:
    return decision(jars=JARS + 5)


def _without_the_room() -> DecisionPlan:
    plan = decision()
    return replace(plan, devices=(), rooms=plan.rooms[1:])


def _with_the_room_renamed() -> DecisionPlan:
    text = encode_decision(decision()).decode().replace("s/r1", "s/r2").replace('"r1"', '"r2"')
    data = json.loads(text)
    data["rooms"][0]["was"] = "r1"
    return decode_decision(json.dumps(data).encode())


def _lived(change: Callable[[], DecisionPlan]) -> Site:
    """Minutes without a disk, other rules within them, then the disk again."""
    site = in_memory()
    site.open()
    site.commit(gas(1, 20))
    with failing(site, LogFull("no space")):
        for n in range(2, 300):
            site.commit(gas(n, 20 if n < 100 else 250), after_ms=500)
            if n == CHANGED_AT:
                site.plan = change()
                site.runner.change_rules(site.plan, "cli:anna")
            site.tick(500)
    site.tick(1000)
    return site


@pytest.mark.parametrize("change", [_with_more_jars, _without_the_room, _with_the_room_renamed])
def test_rules_changed_within_what_was_lost_are_replayed(change: Callable[[], DecisionPlan]) -> None:
    """The Resync's state is read by the plan of its time, by replay and by the next start."""
    site = _lived(change)
    store = site.store
    assert isinstance(store, MemoryStore)
    assert not site.runner.undurable
    assert verify_log(store.log).ok
    found = replay_log(store.log)
    assert found.equal, found.first_difference
    before = {room: state_to_data(state)["records"] for room, state in site.runner.states.items()}
    made = site.restart()
    assert "log_damaged" not in str(made.events)
    assert {room: state_to_data(state)["records"] for room, state in site.runner.states.items()} == before
