"""``python -m services.history DIR``: keeps DIR/history.db behind DIR/log.db, at low priority, until TERM.

Nobody waits for it and it writes nothing but its own file: its death, a damaged file or a full disk cost the history
only. A damaged file is thrown away and grown anew from the log. It leaves the log its space: while the disk has less
than SPARE_BYTES free it writes nothing, and goes on where it stood when there is room again.
Exit 0 after TERM. Trouble is told in a structured line once, and again when it is over.
"""

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from services.history.database import FILE, HistoryBroken, HistoryDamaged, remove
from services.history.growing import Growing
from services.history.rebuild import adopt, held, is_ready
from shared.domain.errors import Busy, LogError, WireError
from shared.log.store import DATABASE
from shared.runtime.garbage import settle
from shared.runtime.lifecycle import Signals, end_with_parent
from shared.runtime.logging import configure, logger

TURN_S = 0.5
TROUBLE_S = 5.0
NICE = 10
SPARE_BYTES = 512 << 20
"""The log's own alarm for a full disk comes at 256 MiB (shared.devices.plan.LogLimits)."""


def main() -> int:
    """The exit code."""
    end_with_parent()
    signals = Signals()
    signals.install()
    configure("history")
    with suppress(OSError):
        os.nice(NICE)
    Process(Path(sys.argv[1]), signals).run()
    return 0


class Process:
    """Grows the history of one folder until the signals say so."""

    def __init__(self, directory: Path, signals: Signals, *, spare_bytes: int = SPARE_BYTES) -> None:
        self._directory = directory
        self._file = directory / FILE
        self._signals = signals
        self._spare_bytes = spare_bytes
        self._growing: Growing | None = None
        self._trouble = ""

    def run(self) -> None:
        """Until INT or TERM."""
        while not self._signals.ended.is_set():
            try:
                with held(self._directory):
                    self._run()
            except (Busy, HistoryBroken) as fault:
                self._tell(str(fault))
                self._signals.ended.wait(TROUBLE_S)

    def _run(self) -> None:
        while not self._signals.ended.is_set():
            self._signals.ended.wait(TURN_S if self.turn() else TROUBLE_S)
        self.end()

    def turn(self) -> bool:
        """One look at the log; False when something is in the way."""
        try:
            self._turn()
        except HistoryDamaged as fault:
            self._close()
            remove(self._file)
            self._tell(str(fault))
            return False
        except (HistoryBroken, LogError, WireError, OSError) as fault:
            self._close()
            self._tell(str(fault))
            return False
        self._tell("")
        return True

    def _turn(self) -> None:
        if not (self._directory / DATABASE).exists():
            return
        free = shutil.disk_usage(self._directory).free
        if free < self._spare_bytes:
            raise HistoryBroken(f"{free >> 20} MiB are free, {self._spare_bytes >> 20} are left to the log")
        if self._growing is not None and not self._growing.follower.is_current():
            self._growing.flush()
            self._close()
        if self._growing is not None and (is_ready(self._directory) or not self._growing.keeper.is_current()):
            self._close()
        if self._growing is None:
            adopt(self._directory)
            self._growing = Growing(self._directory, self._file)
            settle()
        self._growing.step(is_over=self._signals.ended.is_set)

    def end(self) -> None:
        """Write what is read, if the disk takes it."""
        if self._growing is not None:
            with suppress(HistoryBroken, LogError):
                self._growing.flush()
        self._close()

    def _close(self) -> None:
        if self._growing is not None:
            self._growing.close()
            self._growing = None

    def _tell(self, trouble: str) -> None:
        """Once a change, not once a turn."""
        kind = trouble.partition(":")[0]
        if kind == self._trouble:
            return
        self._trouble = kind
        if trouble:
            logger().warning("history_waits", why=trouble)
        else:
            logger().info("history_grows")
