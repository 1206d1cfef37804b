"""Who would be told: what `ampward route` says is what the pipeline does."""

from dataclasses import replace
from pathlib import Path

from services.notifier.explain import explain
from services.notifier.ledger import NAME, Ledger
from services.notifier.ledger_port import Change
from services.notifier.peek import lanes_in
from tests.services.notifier.lines import World, route, setting
from tests.services.notifier.samples import ANNA, BEN

GAS = "r1/gas1/h2_alarm"


def test_the_shortest_repeat_of_all_routes_is_said() -> None:
    """Two routes lead to ben by e-mail: what is said is the repeat that the pipeline keeps."""
    twice = (route("ben"), route("ben", repeat_ms=20_000, number=2))
    world = World(setting(*twice))
    event = world.event("raised", GAS, "critical")
    (step,) = explain(world.setting, event, world.moment())
    assert step.repeat_ms == 20_000
    world.take(event)
    assert len(world.wait(60)) == 3


def test_a_lane_that_refused_is_said_with_its_own_pace() -> None:
    """Who refused is marked, with the other side's words, until the address or the channel changes."""
    world = World(setting(route("anna", "ben", repeat_ms=20_000)))
    world.settles = False
    event = world.event("raised", GAS, "critical")
    world.take(event)
    world.settle(refused=True)
    anna, ben = explain(world.setting, event, world.moment(), world.picture.lanes)
    assert (anna.repeat_ms, ben.repeat_ms) == (285_000, 285_000)
    assert "550 no such user" in ben.note
    changed = setting(route("anna", "ben", repeat_ms=20_000), people=(ANNA, replace(BEN, email="ben@new.example.org")))
    anna, ben = explain(changed, event, world.moment(), world.picture.lanes)
    assert (anna.repeat_ms, ben.repeat_ms) == (285_000, 20_000)
    assert not ben.note


def test_the_lanes_of_a_running_site_are_read_beside_it(tmp_path: Path) -> None:
    """The ledger stays open in the notifier; no ledger and a broken one know of nothing."""
    assert lanes_in(tmp_path) == {}
    world = World(setting(route("anna")))
    world.settles = False
    world.take(world.event("raised", GAS, "critical"))
    world.settle(refused=True)
    ledger = Ledger(tmp_path)
    ledger.open()
    ledger.commit(Change(records=world.picture.take_changed()))
    assert lanes_in(tmp_path)["anna/email"].why == "550 no such user"
    ledger.close()
    (tmp_path / NAME).write_bytes(b"no database at all " * 300)
    assert lanes_in(tmp_path) == {}
