"""How long from an event to the last of a thousand readers of its stream, and what guard's trip makes of them.

One gateway in a process of its own and 1,000 loopback readers in another, two events a second; then the trip is
measured as in tests.bench.trip while the same crowd is fed, instead of with every core busy by nothing. Nothing is
asserted here.
"""

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.bench.trip import one
from tests.services.gateway.crowd import Crowd, ask, gateway_process

READERS = 1_000
EVENTS = 40
Say = Callable[[str], None]


def measure(say: Say) -> dict[str, float]:
    """Event to reader, growth of the gateway's memory, and the trip meanwhile."""
    late_ms, growth_mib = asyncio.run(_crowd(say))
    trip_ms = one(say, load=_fed_crowd, name="1,000 readers")
    return {
        "gateway_event_to_reader_ms_p99": late_ms,
        "gateway_growth_mib": growth_mib,
        "trip_over_poll_ms_p99_streams": trip_ms,
    }


async def _crowd(say: Say) -> tuple[float, float]:
    with gateway_process() as process:
        address = await asyncio.to_thread(ask, process)
        before = float(await asyncio.to_thread(ask, process, "memory"))
        crowd = Crowd(address)
        await crowd.come(READERS)
        for count in range(1, EVENTS + 1):
            await asyncio.to_thread(ask, process, "add 1")
            await crowd.have(count)
            await asyncio.sleep(0.5)
        growth = float(await asyncio.to_thread(ask, process, "memory")) - before
        late_ms = sorted(late for reader in crowd.readers for late in reader.late_ms)
        crowd.leave()
    p50, p99 = (late_ms[math.ceil(part * len(late_ms)) - 1] for part in (0.5, 0.99))
    say(
        f"{READERS} readers, {EVENTS} events each: p50 {p50:.0f}, p99 {p99:.0f}, longest {late_ms[-1]:.0f} ms; "
        f"memory +{growth:.0f} MiB, {1024 * growth / READERS:.0f} KiB a reader"
    )
    return p99, growth


@contextmanager
def _fed_crowd() -> Iterator[None]:
    """The crowd with two events a second, from a thread, until the block ends."""
    over = threading.Event()
    come = threading.Event()

    async def feed() -> None:
        with gateway_process() as process:
            crowd = Crowd(await asyncio.to_thread(ask, process))
            await crowd.come(READERS)
            come.set()
            while not over.is_set():
                await asyncio.to_thread(ask, process, "add 1")
                await asyncio.sleep(0.4)
            crowd.leave()

    thread = threading.Thread(target=lambda: asyncio.run(feed()), name="crowd")
    thread.start()
    try:
        come.wait(120)
        yield
    finally:
        over.set()
        thread.join()
