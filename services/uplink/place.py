"""DIR/uplink.json: how far the fleet has the log of this site, and under which epoch it is told.

The file follows the acknowledgement and is written at most once a second: after a kill what was acknowledged since is
told again, which the centre knows by its numbers. An epoch is in the file before anything is sent under it, so it never
goes back; while the disk takes no file nothing is sent under a new one. A file that is damaged counts as none.

``marks`` say when the fleet had what, in the log's own time: a frame may leave the log when the fleet has had it for
the replay window. Limits: one mark an hour, at most 26; the file has some 2 KiB.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from shared.log.steps import Step, no_step
from shared.runtime.places import replace_file

FILE = "uplink.json"
FORM = 1
HOUR_MS = 3_600_000
WINDOW_MS = 24 * HOUR_MS
"""The replay window: so long the fleet may ask again for what it has acknowledged."""
MARKS_MAX = WINDOW_MS // HOUR_MS + 2
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Place:
    """Everything up to ``site_seq`` of the log ``log_id``, whose chain has ``hash`` there, is the fleet's."""

    epoch: int = 1
    log_id: str = ""
    """Empty: nothing was ever acknowledged."""
    site_seq: int = 0
    hash: bytes = bytes(HASH_BYTES)
    needs_states: bool = False
    """The next block must bring the states of the rooms: the fleet cannot go on from what it has."""
    marks: tuple[tuple[int, int], ...] = ()
    """(tick_ms of the log when it was acknowledged, site_seq), rising, one an hour."""
    orders: int = 0
    """The place behind the last order of the fleet that was done."""

    def moved(self, log_id: str, site_seq: int, digest: bytes, tick_ms: int) -> "Place":
        """The same after an acknowledgement up to there, at this time of the log."""
        marks = tuple(mark for mark in self.marks if mark[0] <= tick_ms and mark[1] <= site_seq)
        if not marks or tick_ms - marks[-1][0] >= HOUR_MS:
            marks = (*marks, (tick_ms, site_seq))[-MARKS_MAX:]
        return replace(self, log_id=log_id, site_seq=site_seq, hash=digest, needs_states=False, marks=marks)

    def kept_since(self, tick_ms: int) -> int:
        """The last number that the fleet has had for the whole replay window at this time of the log; 0 for none."""
        old = [seq for marked_ms, seq in self.marks if tick_ms - marked_ms >= WINDOW_MS]
        return min(max(old, default=0), self.site_seq)


def read_place(directory: Path) -> Place | None:
    """None when there is no file, or it is not what was written."""
    try:
        return _decode((directory / FILE).read_bytes())
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_place(directory: Path, place: Place) -> None:
    """Replaces the file in one step, fsynced; raises OSError when the disk refuses."""
    body = asdict(place) | {"v": FORM, "hash": place.hash.hex()}
    replace_file(directory / FILE, json.dumps(body).encode() + b"\n", 0o600)


def _decode(data: bytes) -> Place:
    body: dict[str, Any] = json.loads(data)
    if body.pop("v") != FORM:
        raise ValueError("another form")
    marks = tuple((int(tick), int(seq)) for tick, seq in body.pop("marks"))
    place = Place(**(body | {"hash": bytes.fromhex(body["hash"]), "marks": marks}))
    if place.epoch < 1 or min(place.site_seq, place.orders) < 0 or len(place.hash) != HASH_BYTES:
        raise ValueError("out of range")
    return place


class Keeper:
    """Writes the place now and then. One owner, one thread at a time."""

    def __init__(self, directory: Path, every_s: float = 1.0, step: Step = no_step) -> None:
        self._directory = directory
        self._step = step
        self._every_s = every_s
        self._written: Place | None = None
        self._written_at = -every_s
        self.trouble = ""
        """Why the disk does not take it; "" while it does."""

    @property
    def has_any(self) -> bool:
        """Whether the file says anything."""
        return self._written is not None

    def read(self) -> Place | None:
        self._written = read_place(self._directory)
        return self._written

    def is_due(self, place: Place, now_s: float) -> bool:
        """Whether it is to be written now, when nothing waits for that."""
        return place != self._written and now_s - self._written_at >= self._every_s

    def keep(self, place: Place, now_s: float) -> bool:
        """Write it, unless it is there; True when the file says so now. Blocks; never raises for the disk."""
        if place == self._written:
            return True
        self._written_at = now_s
        self._step("before place")
        try:
            write_place(self._directory, place)
        except OSError as fault:
            self.trouble = os.strerror(fault.errno or 0)
            return False
        self._step("after place")
        self._written, self.trouble = place, ""
        return True
