"""A replica of the fleet's history in a process of its own, until TERM.

python -m tests.fleet.history_process BOOTSTRAP PREFIX PARTITIONS DATABASE
"""

import asyncio
import os
import signal
import sys

from services.history.centre.app import HistoryPlan, serve
from services.history.centre.writing import LABELS
from shared.bus.registry import Shape
from shared.log.kafka.access import Access
from shared.runtime.crashpoints import crash_step


async def main(bootstrap: str, prefix: str, partitions: int, url: str) -> None:
    """Flushes often, so that there are many moments at which it may be killed."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    step = crash_step(os.environ, LABELS)
    plan = HistoryPlan(
        Access(bootstrap), Shape(partitions=partitions), url, prefix, step=step, quiet_s=0.3, event_s=0.3
    )
    await serve(plan, stop, lambda event, words: print(event, words, flush=True))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
