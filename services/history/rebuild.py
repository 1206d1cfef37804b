"""Growing the history anew from the log, beside the old one, which stays in use until the new one is complete.

    history.new.db (grows) --complete--> history.ready.db --adopt--> history.db

Who holds DIR/history.lock adopts: the history's process within a turn when it runs, else who grew it. A kill leaves the
old file as it was. Nothing is sent: there is nobody here who could.

What the log no longer has cannot be grown: frames that were folded, records of a log that was set aside. Their roll-ups
and events are taken over from the old file as far as it can be read.
Raises Busy when somebody else is rebuilding, HistoryBroken, and what the log's reader raises.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

from services.history.database import FILE, HistoryBroken, open_reader, remove, translated
from services.history.earlier import first_minute
from services.history.growing import Growing
from shared.domain.errors import Busy

FRESH = "history.new.db"
READY = "history.ready.db"
LOCK = "history.lock"
REBUILD_LOCK = "history.new.lock"
ADOPT_WAIT_S = 60.0
Progress = Callable[[int, int], None]


class Rebuilt(NamedTuple):
    """What was grown."""

    site_seq: int
    """The last record that it reaches to."""
    kept_days: int
    """Days whose roll-ups were taken over, because the log has their frames no longer."""


@contextmanager
def held(directory: Path, name: str = LOCK) -> Iterator[None]:
    """Nobody else writes this history meanwhile. Raises Busy, HistoryBroken."""
    try:
        handle = os.open(directory / name, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as fault:
        raise HistoryBroken(f"{directory / name}: {fault.strerror}") from fault
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as fault:
        raise Busy(f"the history of {directory} is held by another process") from fault
    finally:
        os.close(handle)


def is_ready(directory: Path) -> bool:
    """A complete new history waits to be adopted."""
    return (directory / READY).exists()


def adopt(directory: Path) -> bool:
    """Put a complete new history into the old one's place; under the lock, while nobody has it open."""
    ready = directory / READY
    if not ready.exists():
        return False
    remove(directory / FILE)
    ready.replace(directory / FILE)
    return True


def rebuild(directory: Path, progress: Progress = lambda _done, _all: None) -> Rebuilt:
    """Grow, and see it adopted."""
    with held(directory, REBUILD_LOCK):
        fresh = directory / FRESH
        remove(fresh)
        try:
            made = _grow(directory, fresh, progress)
            remove(directory / READY)
            fresh.replace(directory / READY)
        finally:
            remove(fresh)
        _see_adopted(directory)
    return made


def _grow(directory: Path, fresh: Path, progress: Progress) -> Rebuilt:
    growing = Growing(directory, fresh)
    try:
        reader = growing.follower.reader
        last = reader.head().site_seq
        kept = _take_over(directory, growing, reader.first_seq(), reader.folded_to())
        growing.step(progress=lambda reached, _all: progress(reached, max(reached, last)))
        growing.flush()
        growing.keeper.settle()
        return Rebuilt(growing.tally.place.site_seq, kept)
    finally:
        growing.close()


def _take_over(directory: Path, growing: Growing, first_seq: int, folded_to: int) -> int:
    """What only the old file has; 0 when it has nothing of the kind, or cannot be read."""
    begin = max(first_seq, folded_to + 1)
    if begin <= 1:
        return 0
    try:
        old = open_reader(directory / FILE)
    except HistoryBroken:
        return 0
    try:
        with translated():
            minute = first_minute(old, begin)
        if not minute:
            return 0
        days = growing.keeper.take_over(old, minute, first_seq)
    except HistoryBroken:
        return 0
    finally:
        old.close()
    growing.begin_again(skip_before=minute)
    return days


def _see_adopted(directory: Path) -> None:
    end = monotonic() + ADOPT_WAIT_S
    while (directory / READY).exists():
        with suppress(Busy), held(directory):
            adopt(directory)
            return
        if monotonic() > end:
            raise HistoryBroken(f"{directory / READY} is complete, but the history's process does not take it over")
        sleep(0.1)
