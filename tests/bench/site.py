"""How much a site takes from register words to fsynced inputs, decisions and events, in one process.

Frames of 200 registers (50 modules of four values) in groups of 125, which is 50 ms of 2,500 frames a second; 4 % of
the readings change their alarm's state in every frame. Each group is committed to SQLite with synchronous=FULL before
the next is taken; retention, snapshots and packing run as in a site.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from services.processor.runner import Runner
from shared.devices.frame import Block, Frame
from shared.devices.plan import DecisionPlan
from shared.devices.profile import BlockPlan, Channel, DevicePlan, Table, ValueType
from shared.domain.units import NoData
from shared.domain.version import CORE_VERSION
from shared.log.store import SqliteStore
from shared.runtime.clocks import SystemClock
from shared.runtime.garbage import settle
from tests.bench.rooms import KINDS, room, scans

MODULES = 50
READINGS = 4 * MODULES
FRAMES = 5_000
GROUP = 125
STEPS = (10, 10, 100, 1)
"""What one count of a register means: 10 mV, 10 uOhm, 0.1 °C, a state."""
BLOCK = 100


def decision(modules: int, every_ms: int = 80) -> DecisionPlan:
    """One device with all modules, as the core's benchmark has it, seen from its registers."""
    channels = tuple(
        Channel(f"module{n + 1}_{name}", Table.HOLDING, 4 * n + kind, ValueType.U16, unit, multiply=STEPS[kind])
        for n in range(modules)
        for kind, (name, unit) in enumerate(KINDS)
    )
    starts = range(0, 4 * modules, BLOCK)
    device = DevicePlan(
        id="bacs",
        bus="b1",
        unit=1,
        profile="bench",
        every_ms=every_ms,
        rooms=("r1",),
        channels=channels,
        blocks=tuple(BlockPlan(Table.HOLDING, at, min(BLOCK, 4 * modules - at)) for at in starts),
    )
    return DecisionPlan(CORE_VERSION, "bench", (device,), (room(modules),))


def frames(modules: int, count: int, *, changing: float, wall_ms: int = 0, every_ms: int = 80) -> list[Frame]:
    """The scans of the core's benchmark as raw words."""
    made = []
    for scan in scans(modules, count, changing=changing):
        counts = scan.values.reshape(-1, 4) // STEPS
        words = counts.astype(">u2").tobytes()
        blocks = tuple(
            Block(Table.HOLDING, at, min(BLOCK, 4 * modules - at), words[2 * at : 2 * (at + BLOCK)])
            for at in range(0, 4 * modules, BLOCK)
        )
        made.append(
            Frame(
                device="bacs",
                boot="b" * 16,
                device_seq=scan.device_seq,
                sampled_at_ms=wall_ms + scan.device_seq * every_ms,
                age_ms=5,
                synced=True,
                outcome=NoData.PRESENT,
                detail="",
                blocks=blocks,
            )
        )
    return made


def measure(say: Callable[[str], None]) -> dict[str, float]:
    """The best of three, so that a neighbour's work on the same processor is not measured."""
    plan = decision(MODULES)
    given = frames(MODULES, FRAMES, changing=0.04)
    settle()
    best = max(_readings_per_s(plan, given, say) for _ in range(3))
    return {"site_readings_per_s": best}


def _readings_per_s(plan: DecisionPlan, given: list[Frame], say: Callable[[str], None]) -> float:
    with tempfile.TemporaryDirectory(prefix="ampward-bench-") as name:
        runner = Runner(SqliteStore(Path(name)), plan, SystemClock())
        runner.open("bench")
        events = 0
        began = time.perf_counter()
        for at in range(0, len(given), GROUP):
            events += len(runner.commit(given[at : at + GROUP]).events)
            runner.tick()
        seconds = time.perf_counter() - began
        runner.close()
    rate = READINGS * len(given) / seconds
    say(f"{rate:,.0f} readings/s, {events / seconds:,.0f} events/s, {len(given) / seconds:,.0f} frames/s")
    return rate
