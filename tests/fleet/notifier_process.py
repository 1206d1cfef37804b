"""One replica: ``python -m tests.fleet.notifier_process BOOTSTRAP PREFIX PARTITIONS URL FOLDER``.

Its channel appends a line to FOLDER/arrived for every message that it takes: id, whether it is marked as a repeat, this
process, subject. FOLDER/slow holds the seconds that a send takes. Prints ``ready`` when partitions are its own; TERM
ends it in order; AMPWARD_CRASH_AT names the step at which it kills itself.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from services.notifier.centre.app import NotifierPlan, serve
from services.notifier.ledger_port import LABELS
from services.notifier.ports import Outgoing, Sent
from shared.bus.registry import Shape
from shared.domain.notify_plan import NotifyPlan
from shared.log.kafka import group
from shared.log.kafka.access import Access
from shared.runtime.crashpoints import crash_step
from shared.runtime.logging import configure
from shared.runtime.site_file.people import PeopleOfAll
from tests.services.notifier.lines import EMAIL, route
from tests.services.notifier.samples import BEN


class FileChannel:
    """Takes everything, and what it has taken is on the disk before it says so."""

    name = "email"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, message: Outgoing) -> Sent:
        slow = self._folder / "slow"
        if slow.exists():
            await asyncio.sleep(float(slow.read_text()))
        descriptor = os.open(self._folder / "arrived", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{message.id} {message.repeat} {os.getpid()} {message.subject}\n".encode())
        os.close(descriptor)
        return Sent("kept")

    async def close(self) -> None:
        return


async def main(bootstrap: str, prefix: str, partitions: int, url: str, folder: Path) -> None:
    """Until TERM."""
    configure("notifier")
    group.SESSION_MS, group.HEARTBEAT_MS = 4_000, 1_000  # type: ignore[misc]  # A killed one is followed soon.
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    people = PeopleOfAll(NotifyPlan((BEN,), routes=(route("ben"),), email=(EMAIL,)), "UTC", "en")
    step = crash_step(os.environ, LABELS)
    channel = FileChannel(folder)
    plan = NotifierPlan(
        Access(bootstrap), Shape(partitions=partitions), url, people, prefix, step, lambda _: {"email": channel}
    )
    await serve(plan, stop, lambda event, words: print(event, words, flush=True))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], Path(sys.argv[5])))
