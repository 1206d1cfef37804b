"""Polls the devices of every bus at their own pace and makes frames of what they answer.

Promises: each device gets a frame each period, good or bad, with a dense device_seq; no drift (services.collector
.schedule); a scan is cut into single requests, so that fast devices (gas, relays, airflow) go between the blocks of a
long scan, and writes between any two requests. A block that fails is asked once more. A device that stays silent is
quarantined: its frames say QUARANTINED (DISCONNECTED while its line is gone), and it is tried again, with one request,
when nobody else needs the line soon.
What answers is checked against the profile's identity at the start, after each reconnect, after each silence and every
ten minutes.
Refuses nothing and decides nothing: frames go to ``on_frame`` in the event loop, in order of device_seq.
Limits: one request at a time per bus; a bus's task ends only with an error of ``on_frame`` or of an adapter's own, and
then ``run`` ends with it: its owner must know.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.collector.schedule import Schedule
from shared.devices.frame import Block, Frame
from shared.devices.profile import DevicePlan, Table
from shared.domain.units import NoData
from shared.fieldbus.port import BusFailure, Reader
from shared.runtime.clocks import Clock

IDENTITY_EVERY_MS = 600_000
TIMEOUT_MS = 300
_SILENT = (NoData.TIMEOUT, NoData.MALFORMED)
_NO_TIMEOUTS: Mapping[str, int] = {}

OnFrame = Callable[[Frame], None]
Pause = Callable[[int], Awaitable[None]]


async def sleep_ms(ms: int) -> None:
    """The pause between polls; tests bring one that moves their clock."""
    await asyncio.sleep(ms / 1000)


@dataclass(frozen=True, slots=True)
class PollCount:
    """How polling of one device went since the start."""

    polls: int
    skipped: int
    """Slots that passed while the bus was busy."""
    is_quarantined: bool


@dataclass(slots=True)
class _Scan:
    """A poll under way."""

    due_ms: int
    started_ms: int
    sampled_at_ms: int
    is_try: bool
    blocks: list[Block] = field(default_factory=list)
    was_repeated: bool = False


@dataclass(slots=True)
class _Poller:
    device: DevicePlan
    schedule: Schedule
    polls: int = 0
    scan: _Scan | None = None
    identified_on: int = -1
    """The connection on which the identity was right."""
    identified_ms: int = 0


class Collector:
    """All buses of a site. ``run`` it as one task; cancel that to stop."""

    def __init__(
        self,
        devices: Sequence[DevicePlan],
        readers: Mapping[str, Reader],
        on_frame: OnFrame,
        clock: Clock,
        boot: str,
        *,
        timeouts_ms: Mapping[str, int] = _NO_TIMEOUTS,
        pause: Pause = sleep_ms,
        seqs: dict[str, int] | None = None,
    ) -> None:
        """``seqs`` holds the last device_seq of each device of this boot; who polls on after this one is given it."""
        now_ms = clock.monotonic_ms()
        self._seqs = {} if seqs is None else seqs
        self._buses = [
            _Bus(
                [_Poller(one, Schedule(one.every_ms, now_ms)) for one in devices if one.bus == bus and one.blocks],
                reader,
                _Maker(on_frame, clock, boot, self._seqs),
                timeouts_ms.get(bus, TIMEOUT_MS),
                pause,
            )
            for bus, reader in readers.items()
        ]

    async def run(self) -> None:
        """Polls until cancelled. Raises what a bus's task died of."""
        async with asyncio.TaskGroup() as tasks:
            for bus in self._buses:
                tasks.create_task(bus.run())

    def counts(self) -> dict[str, PollCount]:
        """By device."""
        return {
            poller.device.id: PollCount(poller.polls, poller.schedule.skipped, poller.schedule.is_quarantined)
            for bus in self._buses
            for poller in bus.pollers
        }


@dataclass(frozen=True, slots=True)
class _Maker:
    """Frames, stamped."""

    on_frame: OnFrame
    clock: Clock
    boot: str
    seqs: dict[str, int]

    def emit(
        self,
        poller: _Poller,
        started_ms: int,
        sampled_at_ms: int,
        outcome: NoData,
        detail: str,
        blocks: Iterable[Block],
    ) -> None:
        poller.polls += 1
        seq = self.seqs[poller.device.id] = self.seqs.get(poller.device.id, 0) + 1
        self.on_frame(
            Frame(
                device=poller.device.id,
                boot=self.boot,
                device_seq=seq,
                sampled_at_ms=sampled_at_ms,
                age_ms=self.clock.monotonic_ms() - started_ms,
                synced=self.clock.synced(),
                outcome=outcome,
                detail=detail,
                blocks=tuple(blocks),
            )
        )


class _Bus:
    """One line: always the most urgent request next."""

    def __init__(self, pollers: list[_Poller], reader: Reader, maker: _Maker, timeout_ms: int, pause: Pause) -> None:
        self.pollers = pollers
        self._reader = reader
        self._maker = maker
        self._clock = maker.clock
        self._timeout_ms = timeout_ms
        self._pause = pause

    async def run(self) -> None:
        while self.pollers:
            now_ms = self._clock.monotonic_ms()
            for poller in self.pollers:
                self._begin(poller, now_ms)
            poller_next = self._next()
            if poller_next is not None:
                await self._ask(poller_next)
                continue
            wake_ms = min(self._wake_ms(poller) for poller in self.pollers)
            await self._pause(max(1, wake_ms - self._clock.monotonic_ms()))

    def _begin(self, poller: _Poller, now_ms: int) -> None:
        """Starts the poll whose slot has come. A quarantined device gets its frame then, and is tried in a pause."""
        schedule = poller.schedule
        due_ms = schedule.next_ms
        if poller.scan is None and schedule.is_due(now_ms):
            schedule.take_slot(now_ms)
            wall_ms = self._clock.wall_ms()
            if schedule.is_quarantined:
                outcome = NoData.QUARANTINED if schedule.has_line else NoData.DISCONNECTED
                self._maker.emit(poller, now_ms, wall_ms, outcome, "silent, tried again later", ())
            else:
                poller.scan = _Scan(due_ms, now_ms, wall_ms, is_try=False)
        if (
            poller.scan is None
            and schedule.is_quarantined
            and schedule.may_try(now_ms, self._free_ms(poller, now_ms), self._timeout_ms)
        ):
            poller.scan = _Scan(now_ms, now_ms, self._clock.wall_ms(), is_try=True)

    def _wake_ms(self, poller: _Poller) -> int:
        schedule = poller.schedule
        if schedule.is_quarantined and schedule.try_ms > self._clock.monotonic_ms():
            return min(schedule.next_ms, schedule.try_ms)
        return schedule.next_ms

    def _free_ms(self, poller: _Poller, now_ms: int) -> int:
        """Time until another device that answers needs the line; 0 while one is being scanned."""
        others = [one for one in self.pollers if one is not poller]
        if any(one.scan is not None for one in others):
            return 0
        due = [one.schedule.next_ms - now_ms for one in others if not one.schedule.is_quarantined]
        return min(due, default=self._timeout_ms)

    def _next(self) -> _Poller | None:
        waiting = [poller for poller in self.pollers if poller.scan is not None]
        return min(waiting, key=_urgency, default=None)

    async def _ask(self, poller: _Poller) -> None:
        """One request for this poll: the identity when it must be checked, else the next block."""
        scan = poller.scan
        assert scan is not None
        device = poller.device
        if self._must_identify(poller):
            assert device.identity is not None
            identity = device.identity
            table, address, size = identity.table, identity.address, len(identity.values)
        else:
            block = device.blocks[len(scan.blocks)]
            table, address, size = block.table, block.address, block.count
        answer = await self._reader.read(device.unit, table, address, size)
        if isinstance(answer, BusFailure):
            self._failed(poller, scan, answer)
        elif self._must_identify(poller):
            self._identified(poller, table, answer)
        else:
            scan.was_repeated = scan.is_try = False
            scan.blocks.append(Block(table, address, size, answer))
            if len(scan.blocks) == len(device.blocks):
                self._end(poller, NoData.PRESENT, "")

    def _must_identify(self, poller: _Poller) -> bool:
        if poller.device.identity is None:
            return False
        if poller.identified_on != self._reader.connections:
            return True
        return self._clock.monotonic_ms() - poller.identified_ms >= IDENTITY_EVERY_MS

    def _identified(self, poller: _Poller, table: Table, answer: bytes) -> None:
        identity = poller.device.identity
        assert identity is not None
        found = read_values(table, answer, len(identity.values))
        if found == identity.values:
            scan = poller.scan
            assert scan is not None
            scan.was_repeated = scan.is_try = False
            poller.identified_on = self._reader.connections
            poller.identified_ms = self._clock.monotonic_ms()
        else:
            self._end(poller, NoData.IDENTITY, f"expected {list(identity.values)}, found {list(found)}")

    def _failed(self, poller: _Poller, scan: _Scan, failure: BusFailure) -> None:
        if failure.reason in _SILENT and not scan.was_repeated and not scan.is_try:
            scan.was_repeated = True
            return
        self._end(poller, failure.reason, failure.detail)

    def _end(self, poller: _Poller, outcome: NoData, detail: str) -> None:
        scan = poller.scan
        assert scan is not None
        poller.scan = None
        if outcome in _SILENT:
            poller.schedule.note_silence(self._clock.monotonic_ms())
        elif outcome is NoData.DISCONNECTED:
            poller.schedule.note_no_line(self._clock.monotonic_ms())
        else:
            poller.schedule.note_answer()
        if outcome in _SILENT or outcome is NoData.DISCONNECTED:
            poller.identified_on = -1
        if scan.is_try and (outcome in _SILENT or outcome is NoData.DISCONNECTED):
            return  # Its slots have their frames already.
        blocks = scan.blocks if outcome is NoData.PRESENT else ()
        self._maker.emit(poller, scan.started_ms, scan.sampled_at_ms, outcome, detail, blocks)


def _urgency(poller: _Poller) -> tuple[bool, bool, int]:
    """Fast devices first, tries of silent ones last, then who waits longest."""
    assert poller.scan is not None
    return poller.scan.is_try, not poller.schedule.is_fast, poller.scan.due_ms


def read_values(table: Table, answer: bytes, size: int) -> tuple[int, ...]:
    """Registers or bits of an answer as integers."""
    if table.is_bits:
        return tuple(answer[place >> 3] >> (place & 7) & 1 for place in range(size))
    return tuple(int.from_bytes(answer[2 * place : 2 * place + 2], "big") for place in range(size))
