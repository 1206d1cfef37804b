"""The figures' service in a process of its own: ``python -m tests.fleet.kpi_process BOOTSTRAP PREFIX PARTITIONS``."""

import asyncio
import json
import signal
import sys

from services.processor.app import ProcessorPlan
from services.processor.kpi import serve
from shared.bus.registry import Shape
from shared.log.kafka.access import Access

WINDOW_MS = 5_000


def _tell(event: str, words: str) -> None:
    print(json.dumps([event, words]), flush=True)


async def main(bootstrap: str, prefix: str, partitions: int) -> None:
    """Until TERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await serve(ProcessorPlan(Access(bootstrap), Shape(partitions=partitions), prefix), stop, _tell, WINDOW_MS)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
