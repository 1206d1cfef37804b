"""The runner on a sound log: what is committed, what is told, and how it goes on after a stop."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.processor.replay import replay, replay_log
from services.processor.runner import Unreadable
from services.processor.verify import verify, verify_log
from shared.devices.frame import Block
from shared.devices.profile import Table
from shared.domain.core import state_to_data
from shared.domain.inputs import Report, Start, Undecodable, What
from shared.log.store import MemoryStore
from shared.wire.events import encode_event
from shared.wire.inputs import decode_input
from tests.services.processor.plant import H2_ALARM, bank, command, decision, gas
from tests.services.processor.site import Site, in_memory, kinds, on_disk


def _states(site: Site) -> dict[str, object]:
    return {room: state_to_data(state) for room, state in site.runner.states.items()}


def test_gas_over_the_limit_is_an_alarm_and_a_demand_in_one_commit() -> None:
    """The frame, the alarm and the fan's demand are one group, and durable."""
    site = in_memory()
    site.open()
    site.commit(gas(1, 20))
    made = site.commit(gas(2, 250))
    assert made.durable
    assert made.first_seq == made.last_seq == site.runner.head.site_seq
    assert kinds(made).count("alarm.raised") == 2
    assert [cursor.ordinal for cursor in made.cursors] == list(range(len(made.events)))


def test_the_first_record_of_each_start_names_the_one_before() -> None:
    """Each start has a log_id of its own, and tells whether the stop was clean."""
    site = in_memory()
    site.open()
    site.restart()
    site.runner.close()
    site.open()
    store = site.store
    assert isinstance(store, MemoryStore)
    starts = [decode_input(row.data).body for row in store.log.inputs(0) if row.kind == "start"]
    found = [(start.previous_log_id[-1:], start.clean) for start in starts if isinstance(start, Start)]
    assert found == [("", False), ("1", False), ("2", True)]


def test_the_state_after_a_kill_is_the_fold_of_the_log(tmp_path: Path) -> None:
    """A restart from snapshot and tail stands where an uninterrupted run stands."""
    site, other = on_disk(tmp_path), in_memory()
    for each in (site, other):
        each.open()
        for n in range(1, 6):
            each.commit(gas(n, 20), bank(n))
        each.runner.snapshot()
        each.commit(gas(6, 250), bank(6, low=frozenset({3})))
    site.kill()
    site.open()
    other.restart()
    assert _states(site) == _states(other)


def test_silence_is_recorded_as_ticks() -> None:
    """A room without an input for a second gets a Tick, one with a frame does not."""
    site = in_memory()
    site.open()
    site.tick(500)
    site.commit(gas(1, 20))
    made = site.tick(600)
    assert made is not None
    store = site.store
    assert isinstance(store, MemoryStore)
    rows = list(store.log.inputs(made.first_seq - 1))
    assert [getattr(decode_input(row.data).body, "room", "") for row in rows] == ["_site"]


def test_the_same_command_again_gives_the_same_answer() -> None:
    """Accepted or refused, before and after a restart, and never a second input."""
    site = in_memory()
    site.open()
    site.commit(gas(1, 20))
    site.commit(gas(2, 250))
    ack = command("c1", What.ACK, H2_ALARM)
    reset = command("c2", What.RESET, H2_ALARM, reason="seen")
    first = site.commit(ack, reset)
    assert set(first.refusals) == {"c2"}
    seq = site.runner.head.site_seq
    again = site.commit(ack, reset, ack)
    assert (again.refusals, set(again.repeated), again.events) == (first.refusals, {"c1", "c2"}, ())
    assert site.runner.head.site_seq == seq
    site.restart()
    assert site.commit(reset).refusals == first.refusals


@pytest.mark.parametrize(
    ("what", "subject", "allowed"),
    [
        (What.ACK, "r1", "SITE/ROOM/POINT/RULE"),
        (What.SHELVE, "s", "SITE/ROOM/POINT/RULE"),
        (What.TEST, "io1-do0", "SITE/ROOM/OUTPUT"),
        (What.SILENCE, "r1", "SITE/ROOM"),
        (What.MAINTENANCE, "r1", "SITE/ROOM"),
    ],
)
def test_a_name_that_is_nothing_is_refused_once(what: What, subject: str, allowed: str) -> None:
    """Not once a room; and the refusal says what a subject may be."""
    site = in_memory()
    site.open()
    site.commit(gas(1, 20))
    made = site.commit(command("c1", what, subject, reason="why"))
    assert kinds(made) == ["input.rejected"]
    reason = made.refusals["c1"].reason
    assert reason.startswith("unknown-subject: ")
    assert allowed in reason


def test_the_name_of_the_site_means_every_room() -> None:
    """One maintenance of the site is one of each of its rooms."""
    site = in_memory()
    site.open()
    made = site.commit(command("c1", What.MAINTENANCE, "s", reason="why")._replace(for_ms=60_000))
    assert made.refusals == {}
    assert [event.room for event in made.events if event.type.endswith("maintenance.started.v1")] == ["r1", "_site"]


def test_positions_are_stored_with_their_group(tmp_path: Path) -> None:
    """guard's number is durable exactly when its frames are."""
    site = on_disk(tmp_path)
    site.open()
    site.runner.commit([gas(1, 20)], {"guard": b"17"})
    site.restart()
    assert site.runner.position("guard") == b"17"


def test_new_rules_are_an_input_and_keep_the_state() -> None:
    """A rule set with another limit is logged once; what is in both keeps its alarm."""
    site = in_memory()
    site.open()
    site.commit(gas(1, 20))
    site.commit(gas(2, 250))
    other = decision(limit_2=22_000)
    made = site.runner.change_rules(other, "cli:anna")
    assert "rules.changed" in kinds(made)
    assert site.runner.change_rules(other, "cli:anna").last_seq == 0
    site.plan = other
    assert "rules.changed" not in kinds(site.restart())
    assert site.runner.states["r1"].version == site.runner.version


def test_a_frame_that_nobody_understands_is_a_dead_letter() -> None:
    """Its bytes are kept, an event tells of it, and its neighbours are taken."""
    site = in_memory()
    site.open()
    foreign = gas(1, 20)._replace(device="gas9")
    torn = gas(2, 20)
    torn = torn._replace(blocks=(torn.blocks[0]._replace(words=b"\x00"),))
    raw = Unreadable(b"\xff\x00", "mqtt", "not JSON")
    made = site.runner.commit([foreign, raw, torn, gas(3, 20)])
    assert kinds(made).count("input.undecodable") == 3
    store = site.store
    assert isinstance(store, MemoryStore)
    bodies = [decode_input(row.data).body for row in store.log.inputs(made.first_seq - 1)]
    assert [type(body).__name__ for body in bodies] == ["Undecodable", "Undecodable", "Undecodable", "Frame"]
    letters = [body.sha256 for body in bodies if isinstance(body, Undecodable)]
    assert store.log.dead_letter(letters[1]) == b"\xff\x00"


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "\ud800"},
        {"detail": "\ud800"},
        {"detail": "x" * 5000},
        {"outcome": 99},
        {"synced": 1},
        {"age_ms": 1.5},
        {"device_seq": True},
        {"blocks": (Block(Table.HOLDING, 0, 65536, bytes(131072)),) * 100},
    ],
)
def test_a_frame_that_could_not_be_read_again_is_never_written(wrong: dict[str, object]) -> None:
    """Whatever is wrong with it, it ends as a dead letter, and the next start reads the log."""
    site = in_memory()
    site.open()
    assert "input.undecodable" in kinds(site.commit(gas(1, 20)._replace(**wrong)))  # type: ignore[arg-type]
    site.commit(gas(2, 20))
    assert "log_damaged" not in str(site.restart().events)
    store = site.store
    assert isinstance(store, MemoryStore)
    assert replay_log(store.log).equal


def test_a_frame_of_a_foreign_device_is_kept_with_its_exact_words() -> None:
    """The dead letter is the frame in the form in which the log would have had it."""
    site = in_memory()
    site.open()
    foreign = gas(1, 20)._replace(device="gas9")
    made = site.commit(foreign)
    store = site.store
    assert isinstance(store, MemoryStore)
    body = decode_input(next(store.log.inputs(made.first_seq - 1)).data).body
    assert isinstance(body, Undecodable)
    letter = store.log.dead_letter(body.sha256)
    assert letter is not None
    assert decode_input(letter).body == foreign


def test_a_command_that_no_record_can_hold_is_refused() -> None:
    """Who asked gets the reason, and gets it again."""
    site = in_memory()
    site.open()
    wrong = command("c1", What.ACK, "s/r1/\ud800")
    first = site.commit(wrong)
    assert "utf-8" in first.refusals["c1"].reason
    assert site.commit(wrong).refusals == first.refusals


def test_a_report_with_an_odd_detail_is_no_damage() -> None:
    """verify and the next start pass over a snapshot or retention Report that names nothing."""
    site = in_memory()
    site.open()
    site.commit(*(Report(kind, "s/_site/log", on=True, pulse=True, detail="x y") for kind in ("snapshot", "retention")))
    store = site.store
    assert isinstance(store, MemoryStore)
    assert verify_log(store.log).ok
    assert "log_damaged" not in str(site.restart().events)


def test_an_input_that_step_raises_on_is_gone_round(tmp_path: Path) -> None:
    """The poison is kept as a dead letter, the state is made again from the log, replay agrees."""
    site, other = on_disk(tmp_path), in_memory()
    for each in (site, other):
        each.open()
        each.commit(gas(1, 20))
    poison = Report(kind=7, subject="s/r1/x", on=True, pulse=False, detail="")  # type: ignore[arg-type]
    made = site.commit(gas(2, 30), poison._replace(kind="write", detail=["no text"]), gas(3, 250))  # type: ignore[arg-type]
    other.commit(gas(2, 30), poison._replace(kind="read_back"), gas(3, 250))
    assert "input.undecodable" in kinds(made)
    assert kinds(made).count("alarm.raised") == 2
    assert site.runner.states["r1"].columns.value(0) == other.runner.states["r1"].columns.value(0)
    assert verify(tmp_path).ok
    assert replay(tmp_path).equal


def test_replay_derives_every_event_again(tmp_path: Path) -> None:
    """A week of restarts, snapshots, commands and rule changes gives the same bytes, and verify holds."""
    site = on_disk(tmp_path)
    site.open()
    for day in range(3):
        for n in range(1, 20):
            site.commit(gas(n, 20 + 25 * n, boot=f"g{day}"), bank(n, low=frozenset(range(n % 4)), boot=f"g{day}"))
            site.tick(900)
        site.commit(command(f"a{day}", What.ACK, H2_ALARM))
        site.runner.change_rules(decision(limit_2=20_000 + 500 * day), "cli:anna")
        site.plan = decision(limit_2=20_000 + 500 * day)
        site.runner.snapshot()
        if day % 2:
            site.restart()
        else:
            site.runner.close()
            site.clock.reboot(60_000, f"boot-{day}")
            site.open()
    found = replay(tmp_path)
    assert found.equal, found.first_difference
    assert found.events > 100
    assert verify(tmp_path).ok
    since = site.runner.head.tick_ms - 30_000
    part = replay(tmp_path, since_tick_ms=since)
    assert part.equal
    assert 0 < part.inputs < found.inputs


def test_other_rules_show_what_they_would_have_changed(tmp_path: Path) -> None:
    """An alarm under the higher limit is lost; under the lower one it comes earlier."""
    site = on_disk(tmp_path)
    site.open()
    for n, value in enumerate((20, 50, 120, 190, 210, 150), 1):
        site.commit(gas(n, value))
    lost = replay(tmp_path, decision(limit_2=30_000))
    earlier = replay(tmp_path, decision(limit_2=15_000))
    assert [(change.alarm, change.change) for change in lost.alarms] == [(H2_ALARM, "lost")]
    assert [(change.alarm, change.change) for change in earlier.alarms] == [(H2_ALARM, "earlier")]
    assert lost.messages[1] == lost.messages[0] - 1
    assert not lost.equal


@pytest.mark.parametrize(
    ("limit_1", "limit_2", "changes", "messages", "cycles"),
    [
        (10_000, 20_000, [], (2, 2), (2, 2)),
        (10_000, 15_000, ["earlier"], (2, 2), (2, 2)),
        (10_000, 22_000, ["later"], (2, 2), (2, 2)),
        (10_000, 30_000, ["lost"], (2, 1), (2, 2)),
        (40_000, 50_000, ["lost", "lost"], (2, 0), (2, 1)),
    ],
)
def test_other_rules_tell_alarms_messages_and_relay_cycles(
    limit_1: int, limit_2: int, changes: list[str], messages: tuple[int, int], cycles: tuple[int, int]
) -> None:
    """By hand: the fan stops after three good samples, and 1.2, 1.6, 2.1, 2.3 %vol bring it back."""
    site = in_memory()
    site.open()
    for n, value in enumerate((20, 20, 20, 20, 20, 120, 160, 210, 230, 20), 1):
        site.commit(gas(n, value), after_ms=500)
    store = site.store
    assert isinstance(store, MemoryStore)
    plan = decision(limit_2=limit_2)
    room = replace(plan.rooms[0], detectors=(replace(plan.rooms[0].detectors[0], limit_1=limit_1),))
    found = replay_log(store.log, replace(plan, rooms=(room, *plan.rooms[1:])))
    assert [change.change for change in found.alarms] == changes
    assert (found.messages, found.relay_cycles) == (messages, cycles)
    assert found.equal == (not changes)


def test_stricter_rules_gain_an_alarm_with_its_moment() -> None:
    """What was never raised has no moment of its own in the log."""
    site = in_memory()
    site.open()
    for n, value in enumerate((20, 20, 120, 160, 20), 1):
        site.commit(gas(n, value), after_ms=500)
    store = site.store
    assert isinstance(store, MemoryStore)
    [change] = replay_log(store.log, decision(limit_2=15_000)).alarms
    assert (change.alarm, change.change, change.was_at_ms) == (H2_ALARM, "gained", 0)
    assert change.data()["at"] == "2026-01-01T00:00:02.000Z"


def test_what_is_told_is_what_is_in_the_log(tmp_path: Path) -> None:
    """Every event that a commit returned stands in the log, in the same order and bytes."""
    site = on_disk(tmp_path)
    site.open()
    for n in range(1, 10):
        site.commit(gas(n, 60 * n), bank(n, low=frozenset(range(n))))
        site.tick(300)
    reader = site.runner.reader()
    assert reader is not None
    assert [row.data for _, row in reader.events(None, 10_000)] == [encode_event(event) for event in site.events]
