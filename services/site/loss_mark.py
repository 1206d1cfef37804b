"""DIR/undurable.mark: how far numbers went while the log took none, so that a power cut does not hide what it took.

The file has its blocks before they are needed and is overwritten in place, which a full disk allows. At most once a
second while the log is undurable it says (log_id, last number on disk, last number given) of this life and of those
before it whose inputs have not been told as lost yet. When the log takes everything again, it is emptied.

Limits: the six newest lives, in one sector of 512 bytes, so a torn write is impossible or shows. It cannot know what
was given in the last second before the cut (``at least``), nor anything on a disk that is read-only or broken: then the
Start's "not clean stop" is all there is.
"""

import json
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import NamedTuple

MARK = "undurable.mark"
SECTOR = 512
LIVES_MAX = 6
EVERY_S = 1.0
_EMPTY = b"[]"


class Life(NamedTuple):
    """One log_id under which inputs were numbered that were not on disk."""

    log_id: str
    on_disk: int
    """The last number that was in the log."""
    given: int
    """The last number that was given."""


class LossMark:
    """One owner, the writer. Never raises for the disk: what cannot be noted cannot be told later."""

    def __init__(self, data: Path) -> None:
        self._path = data / MARK
        self._before: tuple[Life, ...] = ()
        self._is_empty = False
        self._noted_at = -EVERY_S
        self.readable = False
        """Whether the file told something, be it that nothing was undurable."""

    def open(self) -> tuple[Life, ...]:
        """The lives that were not told of yet; the file has its blocks from here on, when the disk allows."""
        try:
            self._before = tuple(Life(*life) for life in json.loads(_checked(self._path.read_bytes())))
            self.readable = True
        except (OSError, ValueError, TypeError):
            self._before = ()
        self._is_empty = self.readable and not self._before
        if not self.readable:
            self.clear()
        return self._before

    def note(self, life: Life) -> None:
        """The log is undurable."""
        if monotonic() - self._noted_at < EVERY_S:
            return
        self._noted_at = monotonic()
        lives = (*self._before, life)[-LIVES_MAX:]
        self._is_empty = not self._write(json.dumps(lives, separators=(",", ":")).encode()) and self._is_empty

    def clear(self) -> None:
        """Everything is on disk, what was lost is told."""
        self._before = ()
        if not self._is_empty:
            self._is_empty = self._write(_EMPTY)
            self._noted_at = -EVERY_S

    def _write(self, body: bytes) -> bool:
        sector = (sha256(body).hexdigest().encode() + b" " + body).ljust(SECTOR)
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.pwrite(descriptor, sector, 0)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            return True
        return False


def lost(lives: tuple[Life, ...], log_id: str, site_seq: int) -> tuple[str, ...]:
    """A sentence for each life that has inputs which the log, ending at ``site_seq`` under ``log_id``, lacks."""
    sentences = []
    for life in lives:
        kept = max(life.on_disk, site_seq) if life.log_id == log_id else life.on_disk
        if life.given > kept:
            sentences.append(
                f"inputs {kept + 1} to {life.given} of log {life.log_id} were decided upon while the log took none, "
                f"and were not on disk when it ended: at least {life.given - kept} are lost"
            )
    return tuple(sentences)


def not_known(site_seq: int) -> str:
    """What is said after an unclean stop without a mark."""
    return (
        f"the stop was not clean and there is no {MARK}: whether inputs after {site_seq} were decided upon and lost "
        "while the log took none is not known"
    )


def _checked(sector: bytes) -> bytes:
    digest, _, body = sector.rstrip().partition(b" ")
    if sha256(body).hexdigest().encode() != digest:
        raise ValueError("torn")
    return body
