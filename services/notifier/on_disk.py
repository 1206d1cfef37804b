"""The site's ledger behind the port: on its disk, in a thread of its own, never waited for longer than COMMIT_S.

The site's notifier goes on when the disk is slow or takes nothing (services.notifier.ledger keeps all of it in memory
then): a message late is worse than one doubled after a crash.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from services.notifier.ledger import Ledger
from services.notifier.ledger_port import Change, Found
from shared.log.steps import Step, no_step
from shared.runtime.logging import logger

COMMIT_S: Final = 3.0


class LedgerOnDisk:
    """Implements services.notifier.ledger_port.DeliveryLedger. One event loop."""

    def __init__(self, folder: Path, *, step: Step = no_step) -> None:
        self._ledger = Ledger(folder, step=step)
        self._thread = ThreadPoolExecutor(1, "notify-ledger")

    @property
    def trouble(self) -> str:
        return self._ledger.trouble

    def take_set_aside(self) -> str:
        said, self._ledger.set_aside = self._ledger.set_aside, ""
        return said

    async def open(self) -> Found:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ledger.open)

    async def commit(self, change: Change) -> None:
        """After COMMIT_S it goes on without having waited for the disk; commits stay in their order."""
        writing = asyncio.get_running_loop().run_in_executor(self._thread, self._ledger.commit, change)
        done, _ = await asyncio.wait([writing], timeout=COMMIT_S)
        if not done:
            logger(part="notifier").warning("ledger_slow")
            return
        writing.result()

    async def tidy(self, wall_ms: int) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._ledger.tidy, wall_ms)

    async def close(self) -> None:
        """Waits until everything is written."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._ledger.close)
        self._thread.shutdown(wait=False)
