"""A gas head and a relay module on a real Modbus TCP port, in a thread: set the gas, move coils behind guard's back.

The relay module has a watchdog of its own: when it was not asked anything for its time, its coils stand at their safe
values. Its time is that of its thread: while this process gets no processor the module, which would have one of its
own, does not take it for silence. As a program (``python -m tests.services.guard.plant``) it is the bench's device: see
tests/bench/trip.py.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.devices.profile import Table
from shared.fieldbus.device_side import Answer, Request, TcpServer
from tests.services.actuator.plans import AIRFLOW_ADDRESS, GAS_UNIT, RELAY_UNIT, WATCHDOG_ADDRESS

SAFE = {0: True, 1: False, 2: True, 3: False}
TICK_S = 0.02
ILLEGAL_ADDRESS = 2


@dataclass(slots=True)
class Plant:
    """State of both devices; every access first lets the watchdog act."""

    watchdog_ms: int = 1_000
    gas: int = 3
    """Tenths of a % by volume."""
    stored: dict[int, bool] = field(default_factory=lambda: dict(SAFE))
    registers: dict[int, int] = field(default_factory=dict)
    contacts: dict[int, bool] = field(default_factory=dict)
    writes: list[tuple[float, int, bool]] = field(default_factory=list)
    """Time (time.monotonic), coil, value."""
    silent: set[int] = field(default_factory=set)
    """Units that answer nothing."""
    asked_at: float = 0.0
    """Last request to the relay module, by ``now``."""
    now: Callable[[], float] = time.monotonic
    requests: int = 0
    refused: set[Table] = field(default_factory=set)
    """Tables of the relay module that answer a read with an exception."""
    stuck: set[int] = field(default_factory=set)
    no_air: set[int] = field(default_factory=set)
    """Fans (by coil) that move no air."""
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fall(self) -> None:
        """The module's watchdog."""
        if self.watchdog_ms and self.asked_at and self.now() - self.asked_at > self.watchdog_ms / 1000:
            self.stored.update(SAFE)

    def coil(self, address: int) -> bool:
        with self.lock:
            self.fall()
            return self.stored[address]

    def switch(self, address: int, on: bool) -> None:
        """Somebody else's hand."""
        with self.lock:
            self.fall()
            self.stored[address] = on

    def written(self, address: int) -> list[bool]:
        return [value for _, coil, value in self.writes if coil == address]

    def answer(self, request: Request) -> Answer:
        with self.lock:
            self.requests += 1
            if request.unit in self.silent:
                return Answer(silent=True)
            if request.unit == GAS_UNIT:
                return Answer((self.gas,)) if request.size == 1 else Answer(exception=ILLEGAL_ADDRESS)
            if request.unit != RELAY_UNIT:
                return Answer(silent=True)
            self.fall()
            self.asked_at = self.now()
            return self._relay(request)

    def _relay(self, request: Request) -> Answer:
        places = range(request.address, request.address + request.size)
        if request.is_write:
            self.writes.append((time.monotonic(), request.address, bool(request.values[0])))
            if request.address not in self.stuck:
                self.stored[request.address] = bool(request.values[0])
            return Answer()
        if request.table in self.refused:
            return Answer(exception=ILLEGAL_ADDRESS)
        if request.table is Table.COIL:
            return Answer(tuple(int(self.stored.get(place, False)) for place in places))
        if request.table is Table.DISCRETE:
            moved = any(self.stored[fan] and fan not in self.no_air for fan in (0, 3))
            contacts = {AIRFLOW_ADDRESS: moved, **self.contacts}
            return Answer(tuple(int(contacts.get(place, False)) for place in places))
        registers = {WATCHDOG_ADDRESS: self.watchdog_ms // 100, **self.registers}
        return Answer(tuple(registers.get(place, 0) for place in places))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


class _OwnTime:
    """Goes on only as far as its loop does, by three ticks at most without one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._last = (1.0, loop.time())
        """Own time and the loop's at the last tick, replaced as one: ``now`` is asked from other threads too."""

    def tick(self) -> None:
        self._last = (self.now(), self._loop.time())
        self._loop.call_later(TICK_S, self.tick)

    def now(self) -> float:
        own, looked_at = self._last
        return own + min(self._loop.time() - looked_at, 3 * TICK_S)


@contextmanager
def running(plant: Plant) -> Iterator[Plant]:
    """Serve the plant on a free loopback port until the end of the block."""
    loop = asyncio.new_event_loop()
    server = TcpServer(plant.answer)
    thread = threading.Thread(target=loop.run_forever, name="plant", daemon=True)
    thread.start()
    own = _OwnTime(loop)
    plant.now = own.now
    loop.call_soon_threadsafe(own.tick)
    try:
        plant.port = asyncio.run_coroutine_threadsafe(server.open("127.0.0.1", 0), loop).result(60)
        yield plant
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
