"""The first group of each start: what the log says of itself before anything new comes in.

    Start                    always, under a fresh log_id
    RuleSet                  when the decision version is new to this log
    Report log_damaged       the log was set aside, or is an older copy
    Report clock_step        the time since the last record could not be known
    Resync, one a room       after a damaged log: the state at its last good record

A log that begins after a damaged one decides by the old rule set until every room has its Resync, then by the new. Of
the old log's positions it takes over what still means the same: the answers of commands, so that the same id gives the
same answer and is no second input, and how far guard and the notifier were heard, so that nothing of them is taken
twice. A reader's cursor is a place in the old log and stays there: nothing in the new log was told before, each reader
begins with its first record, and no cursor can point beyond what is there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from services.processor.fold import Fold
from services.processor.repeats import place
from services.processor.restore import Restored, restore
from services.processor.verify import verify_log
from shared.domain import core
from shared.domain.errors import LogDamaged
from shared.domain.inputs import Report, ReportKind, Resync, Start
from shared.domain.state import RoomState
from shared.log.chain import GENESIS
from shared.log.port import Reading
from shared.log.sequencer import Anchor
from shared.log.store import Opened
from shared.wire.anchors import decode_anchor
from shared.wire.inputs import RuleSet, WireBody, report
from shared.wire.states import encode_state

WHOLE_INPUTS = 20_000
"""A log of up to so many inputs is verified from its first record at each start: a second at most."""
CLOCK_POSITION = "clock"
"""The position under which each group keeps where the log's time stood."""
GUARD_POSITION = "guard"
"""The position under which the site keeps how far the log holds what guard sent, by guard's own numbers."""
KNOWN_POSITION = "guard-known"
"""The position under which the site keeps what it has to tell the next guard (services.site.explaining)."""
NOTIFIER_POSITION = "notifier"
"""The position under which the site keeps how far the log holds what the notifier reported, by its ledger's numbers."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a start goes on from."""

    restored: Restored
    anchor: Anchor
    start_after: int
    """The last number that is taken."""
    follows: bytes
    """The hash that a new log's first link follows, when the old one is set aside."""
    damage: LogDamaged | None
    notes: tuple[str, ...]
    """Further things that the log must say, each as a log_damaged Report."""
    rulesets: dict[str, bytes]
    """Bodies that are needed although the log they came from may be gone."""
    positions: dict[str, bytes]
    """What a new log takes over from the damaged one; empty when the log goes on."""


class Recovered(Protocol):
    """Sees the states and positions as the log last knew them; gives the positions to be kept with the Start."""

    def __call__(
        self, states: Mapping[str, RoomState], position: Callable[[str], bytes | None], *, clean: bool
    ) -> Mapping[str, bytes]: ...


def look(opened: Opened) -> Found:
    """Restores what can be read. Never raises for what it finds."""
    notes = [f"an older copy: {opened.older}"] if opened.older else []
    reading = opened.last
    if reading is None:
        blank = Restored(Fold(lambda _version: None), hash=GENESIS)
        seq = opened.mark.site_seq if opened.mark and opened.damage else 0
        return Found(blank, Anchor(0, 0, 0, ""), seq, GENESIS, opened.damage, tuple(notes), {}, {})
    restored = restore(reading)
    damage = opened.damage or restored.damage
    if damage is None and restored.site_seq - reading.first_seq() < WHOLE_INPUTS:
        checked = verify_log(reading, records_max=2 * WHOLE_INPUTS)
        if not checked.ok:
            restored = restore(reading, before=checked.bad_record)
            damage = LogDamaged(checked.bad_record, checked.what)
    last = restored.site_seq
    if damage is not None:
        last = max(restored.last_found, opened.mark.site_seq if opened.mark else 0)
    rulesets: dict[str, bytes] = {}
    if restored.fold.version:
        rulesets[restored.fold.version] = reading.ruleset(restored.fold.version) or b""
    anchor = _anchor(reading, restored)
    positions = {} if damage is None else _taken_over(reading)
    return Found(restored, anchor, last, restored.hash, damage, tuple(notes), rulesets, positions)


def _taken_over(reading: Reading) -> dict[str, bytes]:
    """The positions that mean the same in another log; one that is not what was written is left behind."""
    kept = reading.positions().items()
    as_they_are = (GUARD_POSITION, KNOWN_POSITION, NOTIFIER_POSITION)
    return {name: value for name, value in kept if name in as_they_are or name.startswith(place(""))}


def _anchor(reading: Reading, restored: Restored) -> Anchor:
    """Where the log's time stood: the stored anchor when it is that of the last record."""
    stamp = Anchor(restored.tick_ms, restored.at_ms, 0, "")
    read = decode_anchor(reading.position(CLOCK_POSITION) or b"")
    stored = None if read is None else Anchor(*read)
    return stored if stored is not None and stored.tick_ms == restored.tick_ms else stamp


def start_body(found: Found, log_id: str, boot: str) -> Start:
    restored = found.restored
    known = bool(restored.fold.states) or found.damage is None
    clean = restored.clean and found.damage is None
    return Start(log_id, restored.log_id if known else "", found.start_after, clean, boot)


def kept_with(
    start: Start, found: Found, position: Callable[[str], bytes | None], on_recovered: Recovered | None
) -> dict[str, bytes]:
    """The positions of the first group. ``position`` reads the log that goes on."""
    kept = dict(found.positions)
    if on_recovered is not None:
        read = position if found.damage is None else kept.get
        kept |= on_recovered(found.restored.fold.states, read, clean=start.clean)
    return kept


def damage_report(found: Found, subject: str, aside: str) -> Report:
    """Names the log that was set aside, its bad record and its last good hash."""
    assert found.damage is not None
    good = f"good up to {found.restored.site_seq}, hash {found.restored.hash.hex()}"
    detail = f"{found.damage}; {good}; set aside as {aside}" if aside else f"{found.damage}; {good}"
    return report(ReportKind.LOG_DAMAGED, subject, pulse=True, detail=detail)


def resyncs(fold: Fold, cause: str, first_lost: int, last_lost: int) -> list[WireBody]:
    """One Resync a room with its present state."""
    return [
        Resync(cause, first_lost, last_lost, encode_state(core.state_to_data(state)).decode(), room)
        for room, state in fold.states.items()
    ]


def first_bodies(found: Found, start: Start, version: str, reports: list[WireBody]) -> list[WireBody]:
    """The bodies of the first group in order."""
    old = found.restored.fold.version
    if found.damage is not None and start.previous_log_id:
        lost = (found.restored.site_seq + 1, found.start_after)
        states = resyncs(found.restored.fold, "damaged", *lost)
        again: list[WireBody] = [RuleSet(old, "ampward"), *states]
        return [start, *again, *reports, *([RuleSet(version, "ampward")] if version != old else [])]
    is_new = version != old or found.damage is not None
    return [start, *([RuleSet(version, "ampward")] if is_new else []), *reports]


def fold_for(found: Found) -> Fold:
    """The fold that takes the first group: what replay of the same log would have at that place."""
    fold = found.restored.fold
    return Fold(fold.rulesets) if found.damage is not None else fold
