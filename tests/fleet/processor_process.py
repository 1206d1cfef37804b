"""A processor in a process of its own.

    python -m tests.fleet.processor_process BOOTSTRAP PREFIX PARTITIONS SAVE_S HANDS CORE_VERSION

Prints one JSON line for each thing that it tells, and ``first_take`` with the wall clock's milliseconds when it takes
its first records; TERM ends it in order.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence

from services.processor.app import ProcessorPlan, serve
from services.processor.worker import Worker
from shared.bus.registry import Shape
from shared.log.kafka.access import Access
from shared.log.kafka.records import Record


def _tell(event: str, words: str) -> None:
    print(json.dumps([event, words]), flush=True)


def _tell_first_take() -> None:
    """What a worker does before is its start, not its work."""
    take = Worker.take

    async def first(worker: Worker, records: Sequence[Record]) -> None:
        setattr(Worker, "take", take)  # noqa: B010
        _tell("first_take", str(time.time_ns() // 1_000_000))
        await take(worker, records)

    setattr(Worker, "take", first)  # noqa: B010


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
    _tell_first_take()
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])))
