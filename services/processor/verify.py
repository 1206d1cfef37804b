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
from shared.domain.errors import LogDamaged
from shared.domain.inputs import Report, ReportKind, Start, Undecodable
from shared.log.chain import kept_root, states_hash
from shared.log.headfile import read_mark
from shared.log.order import log_id_at
from shared.log.port import Reading, Stretch
from shared.log.store import HEAD_FILE, open_reader
from shared.wire.inputs import Input, RuleSet
from shared.wire.packing import Mark
from shared.wire.plans import decision_version

Progress = Callable[[int, int], None]
"""Told (done, of all) now and then."""


class Gone(NamedTuple):
    """Records of which frames and Ticks are gone, and why: age, or one of the reasons of keeping.py."""

    first: int
    last: int
    why: str


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
    gone: tuple[Gone, ...] = ()
    """What is missing of a sound log, in order; neighbours of one reason as one."""


@dataclass(slots=True)
class _Seen:
    """What has been read so far, for what can only be compared at the end."""

    records: int = 0
    events: int = 0
    last: int = 0
    head: str = ""
    log_id: str = ""
    starts: list[tuple[int, str]] = field(default_factory=list)
    """(site_seq, log_id) of each Start."""
    snapshots: dict[str, str] = field(default_factory=dict)
    """Hashes that Reports name, by the site_seq that they are of, as text."""
    folds: dict[int, Told] = field(default_factory=dict)
    """Retention Reports by the last number of their interval."""
    folded: list[Stretch] = field(default_factory=list)
    gone: list[Gone] = field(default_factory=list)
    rulesets: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)


def verify(directory: Path, progress: Progress = lambda _done, _all: None) -> Verified:
    """Checks DIR/log.db; a damaged log is an answer, not an error."""
    try:
        reader = open_reader(directory)
    except LogDamaged as damage:
        return _verdict(_Seen(), damage, 0)
    mark = read_mark(directory / HEAD_FILE)
    try:
        found = _mark_checked(mark, reader, verify_log(reader, progress))
        if found.ok:
            reader.check_file()
    except LogDamaged as damage:
        found = found._replace(ok=False, bad_record=found.site_seq, what=str(damage))
    finally:
        reader.close()
    return found


def placed(damage: LogDamaged, directory: Path) -> LogDamaged:
    """Damage that was met in the file, not in a record, with the first record that cannot be read for it."""
    if damage.record:
        return damage
    found = verify(directory)
    what = found.what.removeprefix(f"record {found.bad_record}: ")
    is_placed = found.records > 0 or what != found.what
    return LogDamaged(found.bad_record, what) if is_placed and not found.ok else damage


def _mark_checked(mark: Mark | None, reading: Reading, found: Verified) -> Verified:
    """Whether the log reaches as far as the head beside it says, under that name or a later one."""
    if not found.ok or mark is None or mark.site_seq <= found.site_seq:
        return found
    names = [log_id for _, log_id in reading.log_ids()]
    if mark.log_id in names[:-1]:
        return found
    what = f"the log ends at {found.site_seq}, but it had reached {mark.site_seq} as {mark.log_id}"
    return found._replace(ok=False, bad_record=found.site_seq + 1, what=what)


def verify_log(
    reading: Reading, progress: Progress = lambda _done, _all: None, *, records_max: int | None = None
) -> Verified:
    """The same for any log. With ``records_max`` a log of more inputs and events is left unchecked from there on."""
    seen = _Seen(last=reading.first_seq() - 1)
    digest = reading.genesis()
    bad: LogDamaged | None = None
    try:
        head = reading.head()
        for stretch in reading.stretches():
            digest = _check_stretch(stretch, digest, seen)
            progress(stretch.last_seq, max(stretch.last_seq, head.site_seq))
            if records_max is not None and seen.records + seen.events > records_max:
                return _verdict(seen, None, 0)
        if seen.last < head.site_seq:
            raise LogDamaged(seen.last + 1, f"the log ends here, but it had reached {head.site_seq}")
        _check_bodies(reading, seen)
    except LogDamaged as damage:
        bad = damage
    seen.head = digest.hex()
    return _verdict(seen, bad, 0 if bad else _replay_from(reading))


def _verdict(seen: _Seen, bad: LogDamaged | None, replay_from: int) -> Verified:
    record = 0 if bad is None else bad.record or seen.last + 1
    what = "" if bad is None else str(bad)
    gone = () if bad else tuple(seen.gone)
    return Verified(seen.records, seen.head, bad is None, record, replay_from, seen.log_id, seen.last, what, gone)


def _replay_from(reading: Reading) -> int:
    folded = reading.folded_to()
    if folded < reading.first_seq():
        return reading.first_seq()
    return next((seq + 1 for seq, _ in reading.snapshots() if seq >= folded), 0)


def _check_stretch(stretch: Stretch, previous: bytes, seen: _Seen) -> bytes:
    if stretch.bad:
        raise LogDamaged(stretch.bad, "the record's bytes are not its checksum's")
    if stretch.first_seq <= seen.last and not stretch.folded:
        raise LogDamaged(stretch.first_seq, f"comes again after {seen.last}")
    if not seen.starts and [(row.site_seq, row.kind) for row in stretch.inputs[:1]] != [(seen.last + 1, "start")]:
        raise LogDamaged(seen.last + 1, "the first record is missing")
    for row in stretch.inputs:
        entry = read_input(row)
        if entry.site_seq > seen.last:
            _note(entry, seen)
            seen.records += 1
    _check_events(stretch)
    if stretch.folded:
        seen.folded.append(stretch)
        digest = stretch.hash
    else:
        digest = check_links(stretch, previous)
    seen.events += len(stretch.events)
    seen.last = stretch.last_seq
    return digest


def _check_events(stretch: Stretch) -> None:
    expected = (0, 0)
    for row in stretch.events:
        expected = (row.site_seq, 0) if row.site_seq != expected[0] else (row.site_seq, expected[1] + 1)
        if row.ordinal != expected[1]:
            raise LogDamaged(row.site_seq, f"event {expected[1]} of this record is stored as {row.ordinal}")


def _note(entry: Input, seen: _Seen) -> None:
    seen.log_id = entry.log_id
    match entry.body:
        case Start(log_id=log_id):
            seen.starts.append((entry.site_seq, log_id))
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
    starts = [start for start in reading.log_ids() if start[0] <= seen.last]
    if starts != seen.starts:
        raise LogDamaged(seen.last, f"log_ids: the log names its starts {starts}, its records {seen.starts}")
    for seq, stored in reading.snapshots():
        if seq < seen.last:
            _check_snapshot(reading, seq, stored, seen)
    reading.check()
    for stretch in seen.folded:
        _check_folded(stretch, seen)


def _check_folded(stretch: Stretch, seen: _Seen) -> None:
    """The newest Report of it tells why, and what is kept of it."""
    told = seen.folds.get(stretch.last_seq)
    if told is None or (told.hash, told.first) != (stretch.hash.hex(), stretch.first_seq):
        raise LogDamaged(stretch.first_seq, "no Report tells why the records from here on are gone")
    if told.root != kept_root(stretch.inputs, stretch.events).hex():
        raise LogDamaged(stretch.first_seq, "what was kept of the folded interval is not what its Report names")
    before = seen.gone[-1] if seen.gone else None
    if before is not None and (before.why, before.last + 1) == (told.why, told.first):
        seen.gone[-1] = before._replace(last=told.last)
    else:
        seen.gone.append(Gone(told.first, told.last, told.why))


def _check_snapshot(reading: Reading, seq: int, stored: bytes, seen: _Seen) -> None:
    snapshot = reading.snapshot(seq)
    if (snapshot is None or snapshot.site_seq != seq) and seq < reading.folded_to():
        return  # It went with its interval since the list was read.
    if snapshot is None or stored.hex() != seen.snapshots.get(str(seq)) or states_hash(snapshot.states) != stored:
        raise LogDamaged(seq, "the snapshot after this record is not the one that its Report names")
    if snapshot.log_id != log_id_at(seq, seen.starts):
        raise LogDamaged(seq, f"snapshots: the one after this record is stored as of {snapshot.log_id}")
