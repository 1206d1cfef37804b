"""``python -m tests.services.notifier.crashing DIR``: a notifier over three alarms, made to be killed at a step.

Its channel appends one line to DIR/arrived for every message that it takes: id and whether it is marked as a repeat.
AMPWARD_CRASH_AT names the step. It ends with 0 when everything has settled.
"""

import asyncio
import os
import sys
from pathlib import Path

from services.notifier.ledger import LABELS
from services.notifier.ports import Outgoing, Sent
from services.notifier.service import Notifier
from shared.domain.inputs import ReportKind
from shared.runtime.clocks import SystemClock
from shared.runtime.crashpoints import crash_step
from tests.services.notifier.fake_site import FakeSite
from tests.services.notifier.lines import World, route, setting

ALARMS = 3


class FileChannel:
    """Takes everything, and what it has taken is on the disk before it says so."""

    name = "email"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "arrived"

    async def send(self, message: Outgoing) -> Sent:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{message.id} {message.repeat}\n".encode())
        os.close(descriptor)
        return Sent("kept")

    async def close(self) -> None:
        return


async def run(folder: Path) -> None:
    """Until each alarm's message is settled and told to the log."""
    clock = SystemClock()
    began = int((folder / "began").read_text())
    world = World(setting(route("anna")), wall_ms=began)
    site = FakeSite(world.setting)
    site.put(*(world.event("raised", f"r1/gas{number}/h2_alarm", "critical") for number in range(ALARMS)))
    notifier = Notifier(
        site, folder, clock, lambda _: {"email": FileChannel(folder)}, step=crash_step(os.environ, LABELS)
    )
    stop = asyncio.Event()
    task = asyncio.create_task(notifier.run(stop))
    told = folder / "told"
    while len((told.read_text() if told.exists() else "").split()) < ALARMS:
        await asyncio.sleep(0.01)
        with told.open("a") as stream:
            for text in site.told(ReportKind.DELIVERY_SENT):
                message = text.split()[2]
                if message not in told.read_text():
                    stream.write(f"{message}\n")
                    stream.flush()
    stop.set()
    await task


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
