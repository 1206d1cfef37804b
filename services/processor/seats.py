"""The folds of many sites in one process: bytes in, bytes out, so that they can sit in a process of their own.

    (site, offset, block bytes) -> checked with the site's key -> SiteFold -> Outcome with the events record's bytes

What a worker does with an Outcome (send, park, ask, write down) is services.processor.worker's; nothing here reaches a
broker, a clock or a disk. A site that is parked takes nothing more within a call, so that its order is kept.
Promises: never raises for what the bytes of a block or a state say: such a block is DEAD, with the reason; a state that
cannot be read leaves the site without one, and its next block asks for it.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from services.processor.block_fold import Batch, Hole, Parked, SiteFold
from shared.domain.errors import WireError
from shared.domain.version import CORE_VERSION
from shared.wire.batches import EventsBatch, Verdict, encode_batch
from shared.wire.blocks import Block, open_block, peek_block
from shared.wire.cloud import range_id
from shared.wire.sections import Told
from shared.wire.signing import PublicKey
from shared.wire.site_state import SiteState, decode_site_state, encode_site_state


class Kind(StrEnum):
    BATCH = "batch"
    REPEAT = "repeat"
    HOLE = "hole"
    PARKED = "parked"
    DEAD = "dead"


class Given(NamedTuple):
    """One record of ampward.inputs.v1."""

    site: str
    """The record's key."""
    offset: int
    data: bytes


class Outcome(NamedTuple):
    """What became of one record. Fields that do not apply are empty."""

    kind: Kind
    epoch: int = 0
    """The highest of the site that was seen."""
    site_seq: int = 0
    """Where the centre stands with the site after it."""
    verdict: str = ""
    why: str = ""
    """Of a batch the difference, of a dead record what is wrong."""
    id: str = ""
    """What names the batch."""
    record: bytes = b""
    """The value for ampward.events.v1; mostly empty when the block has no events and is equal (CALM_INPUTS)."""
    inputs: int = 0
    events: int = 0
    from_seq: int = 0
    """Where the site is to send again from, 0 when it need not."""
    wants_state: bool = False
    needs: str = ""
    """What a parked site waits for: ``key ID`` or ``rules VERSION``."""


KEY = "key "
RULES = "rules "
BODIES_BYTES_MAX = 64 << 20
"""Of bodies that were learnt. A fold needs one only where it begins to go by it, and parks for one that went."""
CALM_INPUTS = 1000
"""After so many without an event a batch of none says how far a calm site is decided; 10,000 behind is a warning."""


class Seats:
    """See the module. One owner."""

    def __init__(self) -> None:
        self._folds: dict[str, SiteFold] = {}
        self._bodies: dict[str, bytes] = {}
        self._keys: dict[tuple[str, str], PublicKey] = {}
        self._stored: dict[str, SiteState] = {}
        self._calm: dict[str, int] = {}
        """By site: inputs since its last batch."""

    def learn(self, needs: str, site: str, value: bytes) -> None:
        """What a parked site waited for: a rule set's body, or the 32 bytes of a key."""
        if needs.startswith(RULES):
            self._bodies[needs.removeprefix(RULES)] = value
            while len(self._bodies) > 1 and sum(map(len, self._bodies.values())) > BODIES_BYTES_MAX:
                del self._bodies[next(iter(self._bodies))]
        else:
            self._keys[site, needs.removeprefix(KEY)] = PublicKey(value)

    def restore(self, site: str, data: bytes) -> str:
        """The site goes on from this record of ampward.state.v1 at its next block; why not, "" when it does."""
        self.drop(site)
        try:
            state = decode_site_state(data)
        except WireError as fault:
            return str(fault)
        if state.site != site:
            return f"the state is of {state.site}"
        self._stored[site] = state
        return ""

    def drop(self, site: str) -> None:
        """Forgets where a site stands."""
        self._folds.pop(site, None)
        self._stored.pop(site, None)

    def take(self, given: Iterable[Given]) -> Iterator[Outcome]:
        """The records in their order; one outcome each, as soon as it is asked for."""
        parked: dict[str, Outcome] = {}
        for each in given:
            outcome = parked.get(each.site) or self._take_one(each)
            if outcome.kind is Kind.PARKED:
                parked[each.site] = outcome
            yield outcome

    def _take_one(self, given: Given) -> Outcome:
        try:
            head = peek_block(given.data)
            if head.site != given.site:
                raise WireError(f"a block of {head.site} under the key of {given.site}")
            key = self._keys.get((head.site, head.key_id))
            if key is None:
                return Outcome(Kind.PARKED, needs=KEY + head.key_id)
            block = open_block(given.data, key)
            fold = self._fold(given.site)
            if isinstance(fold, Parked):
                return Outcome(Kind.PARKED, needs=RULES + fold.version)
            return self._step(fold, block, given.offset)
        except WireError as fault:
            return _dead(fault)
        except Exception as fault:  # Whatever its site signed: it is this site that stands without a state, no other.
            self.drop(given.site)
            return _dead(fault)

    def _fold(self, site: str) -> SiteFold | Parked:
        fold = self._folds.get(site)
        if fold is None:
            fold = SiteFold(site, self._bodies.get)
            stored = self._stored.get(site)
            if stored is not None:
                missing = fold.is_restorable(stored)
                if missing:
                    return Parked(missing)
                fold.restore(stored)
                del self._stored[site]
            self._folds[site] = fold
        return fold

    def _step(self, fold: SiteFold, block: Block, offset: int) -> Outcome:
        step = fold.take(block)
        if isinstance(step, Parked):
            return Outcome(Kind.PARKED, needs=RULES + step.version)
        if isinstance(step, Hole):
            return Outcome(Kind.HOLE, fold.epoch, fold.site_seq, from_seq=step.from_seq, wants_state=step.state)
        if not isinstance(step, Batch):
            return Outcome(Kind.REPEAT, fold.epoch, fold.site_seq)
        can_heal = bool(fold.blind) and block.core_version == CORE_VERSION
        calm = self._calm.get(fold.site, 0) + step.inputs
        is_worth = bool(step.events) or step.verdict is not Verdict.EQUAL or calm >= CALM_INPUTS
        self._calm[fold.site] = 0 if is_worth else calm
        return Outcome(
            Kind.BATCH,
            fold.epoch,
            fold.site_seq,
            step.verdict.value,
            step.why,
            range_id(block.log_id, block.epoch, step.first_seq, step.last_seq),
            _record(block, step, offset) if is_worth else b"",
            step.inputs,
            len(step.events),
            fold.site_seq + 1 if can_heal else 0,
            can_heal,
        )

    def states(self, wanted: Sequence[tuple[str, int, str]], generation: int) -> list[bytes]:
        """The records of (site, next offset to read, what it is parked for)."""
        return [self._state(site, offset, parked, generation) for site, offset, parked in wanted]

    def _state(self, site: str, offset: int, parked: str, generation: int) -> bytes:
        fold = self._folds.get(site)
        stored = self._stored.get(site)
        if fold is None and stored is not None:
            return encode_site_state(stored._replace(offset=offset, generation=generation, parked=parked))
        fold = fold or SiteFold(site, self._bodies.get)
        try:
            return encode_site_state(fold.state(offset=offset, generation=generation, parked=parked))
        except Exception as fault:  # As above: numbers that nothing holds, more than may be written.
            fold.blind = f"the state cannot be written: {type(fault).__name__}: {fault}"
            return encode_site_state(fold.state(offset=offset, generation=generation, parked=parked))


def _dead(fault: Exception) -> Outcome:
    return Outcome(Kind.DEAD, why=f"{type(fault).__name__}: {fault}")


def _record(block: Block, step: Batch, offset: int) -> bytes:
    """The events of a whole block as they stand in it, packed or not."""
    events, is_equal = step.events, step.verdict is Verdict.EQUAL
    carried = events.section if isinstance(events, Told) else None
    return encode_batch(
        EventsBatch(
            block.site,
            block.log_id,
            block.epoch,
            step.first_seq,
            step.last_seq,
            step.verdict,
            block.core_version,
            offset,
            block.head_hash.hex(),
            () if carried is not None and is_equal else tuple([event.data for event in events]),
        ),
        carried,
    )
