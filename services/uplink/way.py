"""Where in which log the uplink goes on, whatever became of the log meanwhile.

| found | what is done |
|---|---|
| the chain has the place's hash at its number | it goes on behind it |
| nothing was ever sent | it begins at the newest snapshot that is a replay window old, with its states; else at 1 |
| the place is in a log that was set aside | what is good there goes up first, then the new log from its first record |
| intervals behind the place went for space | what was kept of them goes up, then the states that ended them |
| a record behind the place is damaged | what is before it goes up, then the states of the next snapshot |
| another log, or an older copy of it | it begins again like one that never sent, at a snapshot both may have |

Wherever the fleet cannot simply go on from what it has, the epoch rises: lower ones are over from there on.
Raises LogBroken, LogDamaged, LogNewer when nothing can be read.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from services.uplink.links import walk
from services.uplink.place import WINDOW_MS, Place
from shared.domain.errors import LogDamaged, LogError, WireError
from shared.log.port import Snapshot
from shared.log.sqlite_read import SqliteReader
from shared.log.store import open_reader
from shared.wire.inputs import decode_input

LINEAGE_MAX = 20
SETS_ASIDE = "sets_aside"


class Way(NamedTuple):
    """The log to read, from where on. ``place`` may have another epoch than was asked for."""

    folder: Path
    place: Place
    why: str = ""
    """Why the fleet cannot simply go on; "" when it can."""


def find(directory: Path, place: Place) -> Way:
    """The way from ``place``; see the module."""
    if not place.log_id and place.site_seq == 0:
        reader = open_reader(directory)
        try:
            return Way(directory, _joined(reader, place))
        finally:
            reader.close()
    for folder in _lineage(directory):
        found = _within(folder, place)
        if found is not None:
            return found
    return again(directory, place, "another log was put in its place")


def again(directory: Path, place: Place, why: str) -> Way:
    """Begin anew in the log that is there, under the next epoch, at a snapshot before the place when it has one."""
    reader = open_reader(directory)
    try:
        raised = replace(place, epoch=place.epoch + 1)
        is_ours = any(log_id == place.log_id for _, log_id in reader.log_ids())
        before = snapshot_in(reader, 0, place.site_seq) if is_ours else None
        return Way(directory, _at(raised, before) if before is not None else _joined(reader, raised), why)
    finally:
        reader.close()


def newer(directory: Path, folder: Path) -> Path | None:
    """The log that was begun when the one in ``folder`` was set aside; None for the present one."""
    lineage = _lineage(directory)
    at = lineage.index(folder) if folder in lineage else 0
    return lineage[at - 1] if at else None


def begin(folder: Path, place: Place) -> Way:
    """At the first record of a log that was begun after another: it follows the other's last good record."""
    reader = open_reader(folder)
    try:
        first, follows = reader.first_seq(), reader.genesis()
    finally:
        reader.close()
    moved = replace(place, log_id="", site_seq=first - 1, hash=follows, needs_states=False)
    if follows == place.hash:
        return Way(folder, moved)
    return Way(folder, replace(moved, epoch=place.epoch + 1), "the log was set aside")


def behind_damage(folder: Path, place: Place, record: int) -> Way | None:
    """At the first snapshot behind a damaged record; None while there is none."""
    reader = open_reader(folder)
    try:
        later = snapshot_in(reader, max(record, place.site_seq + 1), reader.head().site_seq, newest=False)
    finally:
        reader.close()
    if later is None:
        return None
    raised = replace(place, epoch=place.epoch + 1)
    return Way(folder, _at(raised, later), f"record {record} is damaged")


def resend(directory: Path, place: Place, from_seq: int, *, state: bool, epoch: int) -> Way:
    """From ``from_seq`` on under an epoch above both, with the states before it when asked or when it is gone."""
    reader = open_reader(directory)
    raised = replace(place, epoch=max(place.epoch, epoch) + 1)
    why = f"the fleet asks again from {from_seq}"
    try:
        wanted = min(max(from_seq - 1, 0), reader.head().site_seq)
        if wanted < max(reader.folded_to(), reader.first_seq() - 1) or state:
            found = snapshot_in(reader, 0, wanted) or snapshot_in(reader, wanted, reader.head().site_seq, newest=False)
            if found is not None and (found.at <= wanted or reader.folded_to() >= reader.first_seq()):
                return Way(directory, _at(raised, found), why)
            wanted = reader.first_seq() - 1
        return Way(directory, _before_link(reader, raised, wanted), why)
    finally:
        reader.close()


class At(NamedTuple):
    """A snapshot that is whole, and the chain's head there."""

    at: int
    log_id: str
    hash: bytes
    snapshot: Snapshot


def snapshot_in(reader: SqliteReader, low: int, high: int, *, newest: bool = True) -> At | None:
    """The newest (or oldest) whole snapshot of those from ``low`` to ``high`` that can be gone on from."""
    floor = max(low, reader.folded_to())
    numbers = [seq for seq, _ in reader.snapshots() if floor <= seq <= high]
    for seq in reversed(numbers) if newest else numbers:
        with suppress(LogDamaged):
            found = reader.snapshot(seq)
            if found is not None and found.site_seq == seq:
                return At(seq, found.log_id, reader.hash_before(seq + 1), found)
    return None


def states_at(reader: SqliteReader, site_seq: int) -> dict[str, bytes]:
    """The states that a block behind ``site_seq`` brings; raises LogDamaged when they are not there any more."""
    found = snapshot_in(reader, site_seq, site_seq)
    if found is None:
        raise LogDamaged(site_seq, "the snapshot after this record is gone")
    return found.snapshot.states


def _at(place: Place, found: At) -> Place:
    return replace(place, log_id=found.log_id, site_seq=found.at, hash=found.hash, needs_states=True)


def _lineage(directory: Path) -> list[Path]:
    """The folder of the present log, then of the one it set aside, and so on."""
    found = [directory]
    while len(found) < LINEAGE_MAX:
        name = ""
        with suppress(LogError):
            reader = open_reader(found[-1])
            name = reader.meta(SETS_ASIDE)
            reader.close()
        folder = directory / name
        if not name or folder in found or not folder.is_dir():
            break
        found.append(folder)
    return found


def _within(folder: Path, place: Place) -> Way | None:
    """The way when the log of this folder has the place; None when it has not."""
    try:
        reader = open_reader(folder)
    except LogError:
        return None
    try:
        if reader.first_seq() <= place.site_seq < reader.folded_to():
            return _folded(folder, reader, place)
        if place.needs_states:
            with suppress(LogDamaged):
                states_at(reader, place.site_seq)
                return Way(folder, place)
            return None
        return Way(folder, place) if _stands(reader, place) else None
    finally:
        reader.close()


def _folded(folder: Path, reader: SqliteReader, place: Place) -> Way | None:
    """Within what was folded: what was kept goes up, then states. It is known by the states that it needs."""
    if not any(log_id == place.log_id for _, log_id in reader.log_ids()):
        return None
    if place.needs_states:
        return Way(folder, place)
    return Way(folder, replace(place, epoch=place.epoch + 1, needs_states=True), "intervals went for space")


def _stands(reader: SqliteReader, place: Place) -> bool:
    """Whether the chain of this log has the place's hash behind its number."""
    if place.site_seq < reader.first_seq() - 1:
        return False
    try:
        following = next(walk(reader, place.site_seq), None)
    except LogDamaged:
        return reader.hash_before(place.site_seq + 1) == place.hash
    if following is None:
        head = reader.head()
        return (head.site_seq, head.hash) == (place.site_seq, place.hash)
    return following.first_seq > place.site_seq and following.prev == place.hash


def _joined(reader: SqliteReader, place: Place) -> Place:
    """For one whom the fleet does not know, or no longer."""
    head = reader.head()
    old = [
        seq
        for seq, _ in reader.snapshots()
        if seq >= reader.folded_to() and _tick(reader, seq) <= head.tick_ms - WINDOW_MS
    ]
    found = snapshot_in(reader, 0, old[-1]) if old else None
    if found is None and reader.folded_to() >= reader.first_seq():
        found = snapshot_in(reader, 0, head.site_seq, newest=False)
    if found is not None:
        return _at(place, found)
    return replace(place, log_id="", site_seq=reader.first_seq() - 1, hash=reader.genesis(), needs_states=False)


def _tick(reader: SqliteReader, site_seq: int) -> int:
    """The log's time right behind a snapshot."""
    row = next(reader.inputs(site_seq, 1), None)
    with suppress(WireError):
        return decode_input(row.data).tick_ms if row is not None else 0
    return 0


def _before_link(reader: SqliteReader, place: Place, site_seq: int) -> Place:
    """The place before the link that holds the first input after ``site_seq``."""
    following = next(walk(reader, site_seq), None)
    if following is None:
        head = reader.head()
        return replace(place, log_id=head.log_id, site_seq=head.site_seq, hash=head.hash, needs_states=False)
    before = following.first_seq - 1
    return replace(place, log_id=following.log_id, site_seq=before, hash=following.prev, needs_states=False)
