"""Inputs taken together end as they do one by one: the same events, the same state."""

import random
from dataclasses import replace
from itertools import chain

import pytest

from services.processor.fold import Fold
from services.processor.runner import Runner
from shared.devices.columns import ScanDecoder
from shared.devices.profile import DevicePlan
from shared.domain.units import NoData
from shared.log.memory import MemoryLog
from shared.log.store import MemoryStore
from shared.runtime.clocks import ManualClock
from shared.wire.events import encode_event
from shared.wire.frame_runs import decode_run
from shared.wire.inputs import decode_input
from shared.wire.rows import InputRow
from shared.wire.sections import cut
from shared.wire.uncut import Inputs
from tests.bench.site import decision, frames
from tests.services.processor.recorded import recorded
from tests.soak.g13_runners import record
from tests.soak.rig import stored

MODULES = 4
ABSENT = 0x7FFF


def _by_parts(log: MemoryLog, draw: random.Random) -> tuple[list[bytes], dict[str, bytes]]:
    """Events and states after taking the log in stretches of any length."""
    fold, rows, told = Fold(log.ruleset), list(log.inputs(0, 100_000)), list[bytes]()
    while rows:
        size = draw.randint(1, 80)
        told += chain.from_iterable(cut(body, number) for number, body in fold.apply_all(rows[:size]))
        del rows[:size]
    return told, fold.snapshot()


def _one_by_one(log: MemoryLog) -> tuple[list[bytes], dict[str, bytes]]:
    fold = Fold(log.ruleset)
    events = [event for row in log.inputs(0, 100_000) for event in fold.apply(decode_input(row.data))]
    return list(map(encode_event, events)), fold.snapshot()


@pytest.mark.parametrize("seed", [1, 5])
def test_a_battery_room_taken_together_is_the_same(seed: int) -> None:
    """Calm and busy frames, pauses, holes, several boots: whatever stretches they are taken in."""
    log = record(seed)
    told, states = _by_parts(log, random.Random(seed))
    assert (told, states) == _one_by_one(log)
    assert len(told) == len(stored(log)) > 0


def test_a_room_of_everything_taken_together_is_the_same() -> None:
    """Gas, relays, people and restarts between the frames."""
    log = recorded(1)
    assert _by_parts(log, random.Random(1)) == _one_by_one(log)


def test_a_value_that_is_absent_ends_a_run() -> None:
    """The columns of a run stop before the first frame that lacks a value; in time the room says what it did."""
    plan = decision(MODULES)
    device = replace(
        plan.devices[0], channels=tuple(replace(channel, no_data=(ABSENT,)) for channel in plan.devices[0].channels)
    )
    plan = replace(plan, devices=(device,))
    given = frames(MODULES, 40, changing=0.05)
    block = given[20].blocks[0]
    given[20] = given[20]._replace(
        blocks=(block._replace(words=ABSENT.to_bytes(2, "big") + block.words[2:]), *given[20].blocks[1:])
    )
    store, clock = MemoryStore(), ManualClock()
    runner = Runner(store, plan, clock, new_id=lambda: "l" * 32)
    runner.open("bench")
    for frame in given:
        clock.advance(80)
        runner.commit([frame])
    log = store.log
    rows = [row.data for row in log.inputs(0, 1_000) if row.kind == "frame"]
    assert _columns(device, rows) == 20
    assert _by_parts(log, random.Random(3)) == _one_by_one(log)


def _columns(device: DevicePlan, rows: list[bytes]) -> int:
    """How many frames of the run have columns; each is what the frame says by itself."""
    run = decode_run(Inputs.of([InputRow(0, "frame", row) for row in rows]))
    assert run is not None
    assert run.frames == len(rows)
    decoder = ScanDecoder(device)
    values = decoder.decode_run(run)
    assert values is not None
    for row, found in zip(rows, values, strict=False):
        scan = decoder.decode(decode_input(row).body)  # type: ignore[arg-type]
        assert scan.outcome is NoData.PRESENT
        assert scan.values.tolist() == found.tolist()
    return len(values)
