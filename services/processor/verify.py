"""Checks every byte of a log against its chain, and says where it first breaks.

Covered: the bytes, numbers, kinds and order of all inputs and events, the chain from its genesis to the head, rule-set
bodies and dead letters by their hash, snapshots by the hash that their Report names, folded intervals by the root that
their retention Report names, and the structure of the file. Not shown by a log alone: a tail cut off at a link; the
head file beside the log and the heads that left the box show that.
Works on a connection of its own while the site runs. Raises LogBroken when the log cannot be read, LogNewer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from services.processor.restore import check_links, read_input
from services.processor.retention import Told, read_told
from shared.domain.errors import LogBroken, LogDamaged
from shared.domain.inputs import Report, ReportKind, Undecodable
from shared.log.chain import kept_root, states_hash
from shared.log.headfile import read_mark
from shared.log.port import Reading, Stretch
from shared.log.sqlite_read import SqliteReader
from shared.log.store import DATABASE, HEAD_FILE
from shared.wire.events import decode_event
from shared.wire.inputs import Input, RuleSet, decode_input
from shared.wire.plans import decision_version

Progress = Callable[[int, int], None]
"""Told (done, of all) now and then."""


class Verified(NamedTuple):
    """``bad_record`` is 0 when ok; ``replay_from`` the first input from which every event can be derived again."""

    records: int
    head: str
    ok: bool
    bad_record: int
    replay_from: int
    log_id: str
    site_seq: int
    what: str
    """What is wrong with the bad record; "" when ok."""


@dataclass(slots=True)
class _Seen:
    """What has been read so far, for what can only be compared at the end."""

    records: int = 0
    events: int = 0
    last: int = 0
    head: str = ""
    snapshots: dict[str, str] = field(default_factory=dict)
    """Hashes that Reports name, by the site_seq that they are of, as text."""
    folds: dict[int, Told] = field(default_factory=dict)
    """Retention Reports by the last number of their interval."""
    folded: list[Stretch] = field(default_factory=list)
    rulesets: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)


def verify(directory: Path, progress: Progress = lambda _done, _all: None) -> Verified:
    """Checks DIR/log.db; a damaged log is an answer, not an error."""
    path = directory / DATABASE
    if not path.exists():
        raise LogBroken(f"there is no log in {directory}")
    try:
        reader = SqliteReader.open(path)
    except LogDamaged as damage:
        return _verdict(_Seen(), "", damage, 0)
    try:
        with reader.frozen():
            found = _mark_checked(directory, verify_log(reader, progress))
            if found.ok:
                reader.check()
    except LogDamaged as damage:
        found = found._replace(ok=False, bad_record=found.site_seq, what=str(damage))
    finally:
        reader.close()
    return found


def _mark_checked(directory: Path, found: Verified) -> Verified:
    mark = read_mark(directory / HEAD_FILE)
    if found.ok and mark is not None and mark.site_seq > found.site_seq and mark.log_id == found.log_id:
        what = f"the log ends at {found.site_seq}, but it had reached {mark.site_seq}"
        return found._replace(ok=False, bad_record=found.site_seq + 1, what=what)
    return found


def verify_log(
    reading: Reading, progress: Progress = lambda _done, _all: None, *, records_max: int | None = None
) -> Verified:
    """The same for any log. With ``records_max`` a log of more inputs and events is left unchecked from there on."""
    seen = _Seen(last=reading.first_seq() - 1)
    digest = reading.genesis()
    log_id = ""
    bad: LogDamaged | None = None
    try:
        head = reading.head()
        for stretch in reading.stretches():
            digest = _check_stretch(stretch, digest, seen)
            if stretch.inputs:
                log_id = decode_input(stretch.inputs[-1].data).log_id
            progress(stretch.last_seq, head.site_seq)
            if records_max is not None and seen.records + seen.events > records_max:
                return _verdict(seen, log_id, None, 0)
        _check_bodies(reading, seen)
        if (log_id, seen.last) != (head.log_id, head.site_seq) and seen.records:
            raise LogDamaged(seen.last, f"the log calls itself {head.log_id}, its last record {log_id}")
    except LogDamaged as damage:
        bad = damage
    seen.head = digest.hex()
    return _verdict(seen, log_id, bad, 0 if bad else _replay_from(reading))


def _verdict(seen: _Seen, log_id: str, bad: LogDamaged | None, replay_from: int) -> Verified:
    record = 0 if bad is None else bad.record or seen.last + 1
    what = "" if bad is None else str(bad)
    return Verified(seen.records, seen.head, bad is None, record, replay_from, log_id, seen.last, what)


def _replay_from(reading: Reading) -> int:
    folded = reading.folded_to()
    if folded < reading.first_seq():
        return reading.first_seq()
    return next((seq + 1 for seq, _ in reading.snapshots() if seq >= folded), 0)


def _check_stretch(stretch: Stretch, previous: bytes, seen: _Seen) -> bytes:
    if stretch.bad:
        raise LogDamaged(stretch.bad, "the record's bytes are not its checksum's")
    if stretch.first_seq <= seen.last:
        raise LogDamaged(stretch.first_seq, f"comes again after {seen.last}")
    for row in stretch.inputs:
        _note(read_input(row), seen)
    _check_events(stretch)
    if stretch.folded:
        seen.folded.append(stretch)
        digest = stretch.hash
    else:
        digest = check_links(stretch, previous)
    seen.records += len(stretch.inputs)
    seen.events += len(stretch.events)
    seen.last = stretch.last_seq
    return digest


def _check_events(stretch: Stretch) -> None:
    expected = (0, 0)
    for row in stretch.events:
        event = decode_event(row.data)
        expected = (row.site_seq, 0) if row.site_seq != expected[0] else (row.site_seq, expected[1] + 1)
        stored = (row.site_seq, row.ordinal, row.room, row.room_no, row.type)
        if stored != (event.site_seq, expected[1], event.room, event.room_no, event.type):
            raise LogDamaged(row.site_seq, f"an event of this record is stored as {stored}")


def _note(entry: Input, seen: _Seen) -> None:
    match entry.body:
        case RuleSet(version=version):
            seen.rulesets.setdefault(version, entry.site_seq)
        case Undecodable(sha256=digest):
            seen.dead[digest] = entry.site_seq
        case Report(kind=ReportKind.SNAPSHOT, detail=detail):
            at, _, digest = detail.partition(" ")
            seen.snapshots[at] = digest.split(" ")[0]
        case Report(kind=ReportKind.RETENTION, detail=detail):
            told = read_told(detail)
            if told is not None:
                seen.folds[told.last] = told
        case _:
            pass


def _check_bodies(reading: Reading, seen: _Seen) -> None:
    """What hangs on the chain by a hash."""
    for version, at in seen.rulesets.items():
        body = reading.ruleset(version)
        if body is None or decision_version(body) != version:
            raise LogDamaged(at, f"the body of rule set {version} is not what was written")
    for digest, at in seen.dead.items():
        letter = reading.dead_letter(digest)
        if letter is not None and sha256(letter).hexdigest() != digest:
            raise LogDamaged(at, "the dead letter of this record is not what came in")
    for seq, stored in reading.snapshots():
        snapshot = reading.snapshot(seq)
        named = seen.snapshots.get(str(seq))
        if snapshot is None or stored.hex() != named or states_hash(snapshot.states) != stored:
            raise LogDamaged(seq, "the snapshot after this record is not the one that its Report names")
    for stretch in seen.folded:
        told = seen.folds.get(stretch.last_seq)
        if told is None or (told.hash, told.first) != (stretch.hash.hex(), stretch.first_seq):
            raise LogDamaged(stretch.first_seq, "no Report tells why the records from here on are gone")
        if told.root != kept_root(stretch.inputs, stretch.events).hex():
            raise LogDamaged(stretch.first_seq, "what was kept of the folded interval is not what its Report names")
