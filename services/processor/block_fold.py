"""One site at the centre: its blocks in, verdicts on its events out. Pure: no clock, no broker, no disk.

    block -> does it follow? -> inputs -> the site runner's own fold -> events -> byte for byte the site's? -> Batch

Whether a block follows is asked of the chain and not of numbers: the first link that stands on our head is where the
new begins, so repeats and other cuts of the same links are recognised, and a hole in numbers that the site declared is
none. Lower uplink epochs are ignored.

    Batch      taken; the events of the new links, always the site's own bytes (the site is the authority), and whether
               ours are equal
    Repeat     all of it was taken before, or it is of a lower epoch
    Hole       something is missing before it: the site stops here until it is sent again from ``from_seq``
    Parked     it names a rule set whose body is not there yet: the same block must be given again later

``blind`` says why the rooms' states are not known: another core version decided at the site, the fold raised, an
interval was folded away, or the worker's program is newer than the state. Until states come with a block (or a log
begins anew with its Resyncs) inputs are not folded, and the site's own events pass on as not comparable.
Promises: the same blocks give the same Batches and the same state, whatever their cut, repeats and restarts in between.
Raises nothing for what a block says; a block is checked before it gets here (shared.wire.blocks).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from services.processor.fold import DECISION, Fold, RuleSets
from shared.domain.errors import AmpwardError, WireError
from shared.domain.version import CORE_VERSION
from shared.log.chain import GENESIS
from shared.log.port import Snapshot
from shared.wire.batches import Verdict
from shared.wire.blocks import Block
from shared.wire.inputs import NUMBER_MAX, RuleSet, decode_input
from shared.wire.linking import behind_lengths
from shared.wire.rows import EventBytes
from shared.wire.sections import Told, cut
from shared.wire.site_state import SiteState
from shared.wire.uncut import Inputs

STARTS_MAX = 64
"""Starts that are remembered, to know another life of the log (a restored backup) by its log_id."""
SHOWN_MAX = 2_000
"""Characters of an event in a difference."""


class Batch(NamedTuple):
    first_seq: int
    last_seq: int
    verdict: Verdict
    events: Sequence[EventBytes]
    """Of a whole block as they stand in it."""
    inputs: int
    why: str
    """The first difference, or why nothing was compared; "" when equal."""


class Repeat(NamedTuple):
    epoch: int


class Hole(NamedTuple):
    from_seq: int
    state: bool
    """The site must send its state too: what came before cannot be folded from here."""


class Parked(NamedTuple):
    version: str


Step = Batch | Repeat | Hole | Parked


@dataclass(frozen=True, slots=True)
class _Part:
    """The links of a block that are new."""

    first_seq: int
    rows: Inputs
    events: Sequence[EventBytes]


class SiteFold:
    """Where the centre stands with one site. Owns its room states."""

    def __init__(self, site: str, rulesets: RuleSets) -> None:
        self.site = site
        self._rulesets = rulesets
        self.epoch = 0
        self.log_id = ""
        self.site_seq = 0
        self.hash = GENESIS
        self.blind = ""
        self.starts: tuple[tuple[int, str], ...] = ()
        self.fold = Fold(rulesets)
        self._at_ms = 0
        self._newest = b""
        """The last input that was taken, for its stamp."""

    def take(self, block: Block) -> Step:
        """One block; nothing has changed but the epoch unless it gives a Batch."""
        if block.epoch < self.epoch:
            return Repeat(block.epoch)
        part = self._new_part(block)
        is_newer = block.epoch > self.epoch
        can_stand = bool(block.states) and (is_newer or bool(self.blind))
        if (part is None and is_newer and (can_stand or _begins_anew(block))) or (can_stand and self.blind):
            part = _whole(block)
        step = self._not_next(block) if part is None else self._take_part(block, part, can_stand=can_stand)
        if not isinstance(step, Parked):
            self.epoch = block.epoch
        return step

    def _take_part(self, block: Block, part: _Part, *, can_stand: bool) -> Batch | Repeat | Parked:
        if not part.rows and not part.events:
            return Repeat(block.epoch)
        missing = self._missing(block, part)
        if missing:
            return Parked(missing)
        is_whole = part.first_seq == block.first_seq
        if is_whole and can_stand:
            self._stand(block)
        elif is_whole and _begins_anew(block):
            self.fold, self.blind = Fold(self._rulesets), ""
        return self._take(block, part)

    def _new_part(self, block: Block) -> _Part | None:
        """What of the block stands on our head; None when nothing does."""
        if block.prev_hash == self.hash:
            return _whole(block)
        for last_seq, digest in block.links:
            if digest == self.hash:
                rows = Inputs.of(block.inputs).after(last_seq)
                events = tuple(event for event in block.events if event.site_seq > last_seq)
                first = min([*rows.seqs[:1], *(event.site_seq for event in events[:1])], default=0)
                return _Part(first, rows, events)
        return None

    def _not_next(self, block: Block) -> Repeat | Hole:
        is_other_life = self._is_other_life(block)
        if block.last_seq <= self.site_seq and not is_other_life:
            return Repeat(block.epoch)
        if is_other_life:
            return Hole(block.first_seq, state=True)
        return Hole(self.site_seq + 1, state=self.site_seq == 0)

    def _is_other_life(self, block: Block) -> bool:
        """Whether our log had other records under these numbers."""
        known = [log_id for first, log_id in self.starts if first <= block.first_seq]
        return block.first_seq <= self.site_seq and bool(known) and known[-1] != block.log_id

    def _missing(self, block: Block, part: _Part) -> str:
        """The version of a rule set whose body is needed and not there, "" when none is."""
        if block.core_version != CORE_VERSION:
            return ""
        named = [block.states[DECISION].decode()] if DECISION in block.states else []
        for at, kind in enumerate(part.rows.kinds):
            if kind == "ruleset":
                body = decode_input(part.rows.data(at)).body
                assert isinstance(body, RuleSet)
                named.append(body.version)
        return next((version for version in named if version and self._rulesets(version) is None), "")

    def _stand(self, block: Block) -> None:
        """Stand where the site stood before this block, as it says itself."""
        self.fold, self.blind = Fold(self._rulesets), ""
        try:
            self.fold.restore(Snapshot(block.log_id, block.first_seq - 1, block.states))
        except (AmpwardError, ValueError, KeyError, TypeError) as fault:
            self.blind = f"the state that came with the block cannot be read: {type(fault).__name__}: {fault}"

    def _take(self, block: Block, part: _Part) -> Batch:
        if block.core_version != CORE_VERSION:
            self.blind = f"core version {block.core_version} decided, this is {CORE_VERSION}"
        elif block.folded and not self.blind:
            self.blind = f"the site has folded the inputs up to {block.last_seq} away"
        if self.blind:
            verdict, why = Verdict.NOT_COMPARABLE, self.blind
        else:
            verdict, why = self._compared(part)
        if block.log_id != self.log_id:
            self.starts = (*self.starts, (block.first_seq, block.log_id))[-STARTS_MAX:]
            self.log_id = block.log_id
        self.site_seq, self.hash = block.last_seq, block.head_hash
        self._newest = part.rows.data(-1) if part.rows else self._newest
        return Batch(part.first_seq, block.last_seq, verdict, part.events, len(part.rows), why)

    def _compared(self, part: _Part) -> tuple[Verdict, str]:
        fold = self.fold
        number, parts = 0, list[bytes]()
        lost = set(fold.lost)
        try:
            for count, lines in fold.apply_all(part.rows):
                number += count
                parts.append(lines)
                if fold.lost:
                    lost |= fold.lost
        except Exception as fault:  # What step() raises on here it has not raised on at the site: told, never hidden.
            self.blind = f"the fold raised {type(fault).__name__}: {fault}"
            return Verdict.DIFFERENT, self.blind
        if fold.decision is not None and fold.decision.core_version != CORE_VERSION:
            self.blind = f"the rules are of core version {fold.decision.core_version}, this is {CORE_VERSION}"
            return Verdict.NOT_COMPARABLE, self.blind
        made = b"".join(parts)
        if _are(part.events, number, made):
            return Verdict.EQUAL, ""
        try:
            return _uneven(part, cut(made, number), lost)
        except WireError as fault:  # The inputs are folded and nobody can read what the site has told of them.
            self.blind = f"the events of the block cannot be read: {fault}"
            raise

    def state(self, *, offset: int, generation: int, parked: str = "") -> SiteState:
        """The record from which another worker goes on; ``offset`` is the next one to read."""
        return SiteState(
            self.site,
            generation,
            self.epoch,
            self.log_id,
            self.site_seq,
            self.hash,
            offset,
            CORE_VERSION,
            self.blind,
            parked,
            () if self.blind else tuple(sorted(self.fold.lost)),
            self.starts,
            {} if self.blind else self.fold.snapshot(),
            self._stamp(),
        )

    def _stamp(self) -> int:
        """Of the newest input. One of a newer program need not decode, and a site may sign whatever it likes."""
        if not self._newest:
            return self._at_ms
        try:
            at_ms = decode_input(self._newest).at_ms
        except WireError:
            return self._at_ms
        return at_ms if 0 <= at_ms < NUMBER_MAX else self._at_ms

    def is_restorable(self, state: SiteState) -> str:
        """The version of the rule set that must be there before :meth:`restore`, "" when nothing is missing."""
        version = state.states.get(DECISION, b"").decode()
        return version if version and self._rulesets(version) is None else ""

    def restore(self, state: SiteState) -> None:
        """Stand where the record says. States of another core version, or that cannot be read, leave us blind."""
        self.epoch, self.log_id, self.site_seq, self.hash = state.epoch, state.log_id, state.site_seq, state.hash
        self.starts, self.blind = state.starts, state.blind
        self._at_ms, self._newest = state.at_ms, b""
        self.fold = Fold(self._rulesets)
        if not self.blind and state.core_version != CORE_VERSION:
            self.blind = f"the state is of core version {state.core_version}, this is {CORE_VERSION}"
        if self.blind:
            return
        try:
            self.fold.restore(Snapshot(state.log_id, state.site_seq, state.states))
            self.fold.lost = set(state.lost)
        except (AmpwardError, ValueError, KeyError, TypeError) as fault:
            self.blind = f"the state cannot be read: {type(fault).__name__}: {fault}"


def _are(events: Sequence[EventBytes], count: int, lines: bytes) -> bool:
    """Whether the site's events are these, byte for byte: so many, each behind its length."""
    if isinstance(events, Told):
        return events.are(count, lines)
    return behind_lengths(event.data for event in events) == lines


def _whole(block: Block) -> _Part:
    return _Part(block.first_seq, Inputs.of(block.inputs), block.events)


def _begins_anew(block: Block) -> bool:
    """A log that follows a damaged one: a Start, and in its group the rooms' states as Resyncs."""
    if not block.inputs or block.inputs[0].kind != "start":
        return False
    end = block.links[0].last_seq
    return any(row.kind == "resync" for row in block.inputs if row.site_seq <= end)


def _uneven(part: _Part, made: list[bytes], lost: set[str]) -> tuple[Verdict, str]:
    """The verdict on events that are not plainly equal: what cannot be known here is no difference.

    Not compared are rooms whose state was lost somewhere in the part, and events whose input the site has lost.
    """
    kept = {*part.rows.seqs}
    rooms = tuple(f'"room":"{room}"'.encode() for room in lost)
    told = [each.data for each in part.events if each.site_seq in kept]
    stored = _of_other_rooms(told, rooms)
    derived = _of_other_rooms(made, rooms)
    if stored == derived:
        return Verdict.NOT_COMPARABLE, "inputs were lost at the site"
    for ours, theirs in zip_longest(derived, stored):
        if ours != theirs:
            return Verdict.DIFFERENT, f"the site has {_shown(theirs)}, derived is {_shown(ours)}"
    raise AssertionError("two unequal lists without a difference")


def _of_other_rooms(events: Iterable[bytes], rooms: tuple[bytes, ...]) -> list[bytes]:
    return [data for data in events if not any(room in data for room in rooms)]


def _shown(data: bytes | None) -> str:
    return "nothing" if data is None else data[:SHOWN_MAX].decode("utf-8", "replace")
