"""A processor in a process of its own: ``python -m tests.fleet.processor_process BOOTSTRAP PREFIX PARTITIONS SAVE_S``.

Prints one JSON line for each thing that it tells, ``ready`` when it works; TERM ends it in order.
"""

import asyncio
import json
import signal
import sys

from services.processor.app import ProcessorPlan, serve
from shared.bus.registry import Shape
from shared.log.kafka.access import Access


def _tell(event: str, words: str) -> None:
    print(json.dumps([event, words]), flush=True)


async def main(bootstrap: str, prefix: str, partitions: int, save_s: float) -> None:
    """Until TERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await serve(ProcessorPlan(Access(bootstrap), Shape(partitions=partitions), prefix, save_s), stop, _tell)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
