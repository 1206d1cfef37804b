"""Reads the log from where the history ends, and finds its way when the log is another than it was.

| found | what is done |
|---|---|
| the log goes on | so does the history |
| an older copy of the log was put back | goes on behind the last record that both have |
| the log has no log_id that was ever read (a damaged log was set aside) | reads this one from its first record |
| a record whose bytes are not its checksum's | the rest of its row is a hole |

Whatever the log is, what was rolled up stays. Raises LogBroken, LogDamaged, LogNewer when the log cannot be read.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from services.history.tally import Place, Tally
from shared.domain.errors import LogBroken
from shared.log.segments import Unpacked
from shared.log.sqlite_read import SqliteReader
from shared.log.store import DATABASE, open_reader

Progress = Callable[[int, int], None]


class Follower:
    """One reader of one log file; ``is_current`` says whether DIR still has that file."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / DATABASE
        self._inode = _inode(self._path)
        self._reader = open_reader(directory)

    @property
    def reader(self) -> SqliteReader:
        return self._reader

    def is_current(self) -> bool:
        return _inode(self._path) == self._inode

    def close(self) -> None:
        self._reader.close()

    def begin(self, tally: Tally) -> None:
        """Let the tally stand at the last record that it has in common with this log."""
        place = tally.place
        ids = self._reader.log_ids()
        before = self._reader.first_seq() - 1
        tally.folded_to = self._reader.folded_to()
        if not place.log_id:
            if before > place.site_seq:
                tally.resume(Place("", before), "")
            return
        reached = {**tally.ends, place.log_id: place.site_seq}
        ends = [first - 1 for first, _ in ids[1:]] + [self._reader.head().site_seq]
        for (_, log_id), end in reversed(list(zip(ids, ends, strict=True))):
            if log_id not in reached:
                continue
            common = min(reached[log_id], end)
            if log_id != place.log_id or common != place.site_seq:
                tally.resume(Place(log_id, common), f"an older log was put in its place: it goes on behind {common}")
            return
        tally.resume(Place(place.log_id, before), "another log was put in its place")

    def read(self, tally: Tally) -> Iterator[int]:
        """Takes what the log has behind the tally's place; gives the number reached after each row of it."""
        for last_seq, inside in self._reader.records(tally.place.site_seq):
            if inside.bad:
                _skip(tally, last_seq, inside)
            else:
                tally.take(inside.inputs, inside.events)
            yield last_seq


def _skip(tally: Tally, last_seq: int, inside: Unpacked) -> None:
    """Everything before the bad record is good."""
    tally.take(
        (row for row in inside.inputs if row.site_seq < inside.bad),
        (event for event in inside.events if event[0] < inside.bad),
    )
    tally.resume(Place(tally.place.log_id, last_seq), f"record {inside.bad} is damaged")


def _inode(path: Path) -> tuple[int, int]:
    """Raises LogBroken when there is no log."""
    try:
        found = path.stat()
    except OSError as fault:
        raise LogBroken(f"there is no log in {path.parent}") from fault
    return found.st_dev, found.st_ino
