"""The device of the trip's measurement: a Modbus TCP server whose gas register crosses 1 % again and again.

``python -m tests.bench.trip_device COUNT SEED [LINK]`` prints its port (with LINK: the pseudo-terminal that it serves),
waits for a line on standard input, then makes COUNT crossings, each at a random moment of the poll, and prints the
milliseconds from the register's change to the fan coil's write as JSON. It is the instrument, not what is measured: it
takes a higher priority than guard where that is allowed, because a real device does not share the box's cores.
"""

import asyncio
import json
import os
import random
import sys
import time
from contextlib import suppress
from pathlib import Path

from shared.fieldbus.device_side import Answer, PtyServer, Request, TcpServer
from tests.services.actuator.plans import RELAY_UNIT
from tests.services.guard.plant import Plant

PRIORITY = 20
SETTLE_S = 20.0
QUIET, GAS = 3, 12
FAN_COIL = 0


class Instrument:
    """The plant, with a stopwatch between its register and its coil."""

    def __init__(self) -> None:
        self.plant = Plant(watchdog_ms=0)
        self.plant.stored[FAN_COIL] = False
        self._switched = asyncio.Event()

    def answer(self, request: Request) -> Answer:
        answer = self.plant.answer(request)
        if request.is_write and request.unit == RELAY_UNIT and request.address == FAN_COIL:
            self._switched.set()
        return answer

    async def until(self, *, on: bool) -> float:
        """Wait for the fan coil; gives the time of its write."""
        while self.plant.stored[FAN_COIL] is not on:
            self._switched.clear()
            await asyncio.wait_for(self._switched.wait(), SETTLE_S)
        return self.plant.writes[-1][0]

    async def crossings(self, count: int, chance: random.Random) -> list[float]:
        """Milliseconds of each."""
        measured = []
        for _ in range(count):
            await self.until(on=False)
            await asyncio.sleep(chance.uniform(0.02, 0.14))
            self.plant.gas = GAS
            began = time.monotonic()
            measured.append(1000 * (await self.until(on=True) - began))
            self.plant.gas = QUIET
        return measured


async def main(count: int, seed: int, link: str = "") -> None:
    instrument = Instrument()
    server: PtyServer | TcpServer
    if link:
        server = PtyServer(instrument.answer)
        print(server.open(Path(link)), flush=True)
    else:
        server = TcpServer(instrument.answer)
        print(await server.open("127.0.0.1", 0), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(json.dumps(await instrument.crossings(count, random.Random(seed))), flush=True)
    await server.close()


if __name__ == "__main__":
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
