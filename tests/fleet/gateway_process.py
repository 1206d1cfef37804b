"""A gateway of the fleet in a process of its own.

    python -m tests.fleet.gateway_process BOOTSTRAP PREFIX PARTITIONS TOKEN

Prints its address when it answers, what it has to tell on stderr; TERM ends it in order.
"""

import asyncio
import signal
import sys

from services.gateway.centre.service import GatewayPlan, serving
from shared.bus.registry import Shape
from shared.log.kafka.access import Access
from shared.runtime.garbage import settle


def tell(event: str, words: str) -> None:
    """What a service would log: a record that it refuses is seen by who looks for it."""
    print(f"gateway: {event}: {words}", file=sys.stderr, flush=True)


async def main(bootstrap: str, prefix: str, partitions: int, token: str) -> None:
    """Until TERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    plan = GatewayPlan(Access(bootstrap), Shape(partitions=partitions), token, "127.0.0.1:0", prefix)
    async with serving(plan, tell) as served:
        settle()
        print(served.address, flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
