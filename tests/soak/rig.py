"""A runner on a manual clock, and what the goals compare: small helpers that several goals share."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from services.processor.fold import Fold
from services.processor.runner import Runner, Unreadable
from shared.devices.decoder import decode_device
from shared.devices.frame import Frame
from shared.devices.plan import DecisionPlan
from shared.devices.profile import DevicePlan
from shared.domain.events import Event
from shared.domain.inputs import Scan
from shared.domain.units import NoData
from shared.log.port import Reading
from shared.log.store import MemoryStore, SqliteStore
from shared.runtime.clocks import ManualClock
from shared.wire.events import encode_event
from shared.wire.inputs import WireBody, decode_input
from tests.soak.world import World, site_plan

BALLAST_BYTES = 1 << 20


def sqlite_store(folder: Path) -> SqliteStore:
    """A store whose ballast does not cost a test 64 MiB of writing."""
    return SqliteStore(folder, ballast_bytes=BALLAST_BYTES)


def open_runner(store: SqliteStore | MemoryStore, clock: ManualClock, ids: Iterator[str]) -> Runner:
    """A runner of the world's site; log_ids come from ``ids``, so that runs can be compared."""
    plan = site_plan()
    runner = Runner(store, plan.decision, clock, limits=plan.log, new_id=lambda: next(ids))
    runner.open(clock.boot_id)
    return runner


def log_ids(prefix: str = "log") -> Iterator[str]:
    """log-1, log-2 ... as long hex-like names."""
    number = 0
    while True:
        number += 1
        yield f"{prefix}{number:028d}"


def feed(runner: Runner, clock: ManualClock, world: World, count: int, batch: int) -> list[Event]:
    """``count`` inputs in groups of ``batch``, time passing between them; all events they caused."""
    events: list[Event] = []
    waiting: list[WireBody | Unreadable] = []
    for pause, body in world.bodies(count):
        if pause and waiting:
            events += runner.commit(waiting).events
            waiting = []
        clock.advance(pause)
        ticked = runner.tick()
        events += ticked.events if ticked else ()
        waiting.append(body)
        if len(waiting) >= batch:
            events += runner.commit(waiting).events
            waiting = []
    if waiting:
        events += runner.commit(waiting).events
    return events


class PlainDecoder:
    """The oracle of decoding: channel by channel in plain Python, then handed on in the same form."""

    def __init__(self, device: DevicePlan) -> None:
        self._device = device

    def decode(self, frame: Frame) -> Scan:
        """The scan of a frame."""
        plain = decode_device(self._device.channels, frame)
        values = [0 if isinstance(value, NoData) else value for value in plain]
        reasons = [int(value) if isinstance(value, NoData) else 0 for value in plain]
        return Scan(
            frame.device, frame.boot, frame.device_seq, frame.sampled_at_ms, frame.age_ms, frame.outcome,
            np.array(values, np.int64), np.array(reasons, np.int8),
        )  # fmt: skip


class PlainFold(Fold):
    """The fold that decides what the log's events should have been: one input at a time, decoded plainly."""

    def use_rules(self, version: str, site_seq: int = 0) -> None:
        super().use_rules(version, site_seq)
        assert isinstance(self.decision, DecisionPlan)
        for each in self.decision.devices:
            self._devices[each.id] = (PlainDecoder(each), tuple(map(str, each.rooms)))  # type: ignore[assignment]


def derived(log: Reading) -> list[bytes]:
    """Every event of a log, derived again from its inputs by the oracle."""
    fold = PlainFold(log.ruleset)
    events: list[bytes] = []
    after = 0
    while rows := list(log.inputs(after, 1000)):
        for row in rows:
            events += map(encode_event, fold.apply(decode_input(row.data)))
        after = rows[-1].site_seq
    return events


def stored(log: Reading) -> list[bytes]:
    """Every event of a log as it stands there."""
    events: list[bytes] = []
    cursor = None
    while rows := list(log.events(cursor, 1000)):
        events += [row.data for _, row in rows]
        cursor = rows[-1][0]
    return events


def lost_and_doubled(expected: Sequence[bytes], found: Sequence[bytes]) -> tuple[int, int]:
    """How many of the expected are missing, and how many are there that should not be."""
    wanted, there = Counter(expected), Counter(found)
    return sum((wanted - there).values()), sum((there - wanted).values())
