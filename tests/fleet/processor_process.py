"""A processor in a process of its own.

    python -m tests.fleet.processor_process BOOTSTRAP PREFIX PARTITIONS SAVE_S HANDS CORE_VERSION

Prints one JSON line for each thing that it tells; TERM ends it in order.
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


async def main(bootstrap: str, prefix: str, partitions: int, save_s: float, hands: int) -> None:
    """Until TERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    plan = ProcessorPlan(Access(bootstrap), Shape(partitions=partitions), prefix, save_s, hands)
    await serve(plan, stop, _tell)


def be_of(core_version: int) -> None:
    """As if this program had another core, which decides the same: an upgrade, seen from the centre."""
    for module in list(sys.modules.values()):
        if getattr(module, "CORE_VERSION", core_version) != core_version:
            module.CORE_VERSION = core_version  # type: ignore[attr-defined]


if __name__ == "__main__":
    be_of(int(sys.argv[6]))
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])))
