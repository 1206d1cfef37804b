"""What the worker of services.processor.worker keeps of each site and partition, and whom it works with."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from shared.log.kafka.records import Headers, Place, Record
from shared.wire.site_state import StatePlace

ASK_S: Final = 10.0
ASK_S_MAX: Final = 600.0
ASK_TTL_MS: Final = 600_000
TURNS_MAX: Final = 32
"""So many rule sets that were not known may a block name and be gone on with at once; with more, at the next look."""
FAR_S: Final = 1e9


class Broker(Protocol):
    """What is sent and read beside the engine."""

    async def hand_over(self, place: Place, key: bytes, value: bytes, headers: Headers) -> "asyncio.Future[Any]": ...

    def read(self, place: Place, first: int, end: int | None) -> AsyncIterator[Record]:
        """The records from ``first`` up to ``end``, or to the present end."""
        ...

    def known(self, needs: str, site: str) -> bytes | None:
        """The body or key that a parked site waits for."""
        ...

    def is_registered(self, site: str) -> bool:
        """Whether there is, or was, a site of this name."""
        ...

    def is_ended(self, site: str) -> bool:
        """Whether there was one, and is none."""
        ...

    def has_former(self, site: str) -> bool:
        """Whether a key of this site was ended."""
        ...

    def may_sign(self, site: str, key_id: str, at_ms: int) -> bool:
        """Whether this key is known as the site's for what was taken at this instant."""
        ...

    async def make_sure(self) -> None:
        """Returns when everything that was registered before is known."""
        ...


class Engine(Protocol):
    def acknowledge(self, place: Place, below: int) -> None:
        """Everything below this offset is done with."""
        ...


class Counts(NamedTuple):
    """Since the start; a registry shows them."""

    blocks: int = 0
    inputs: int = 0
    events: int = 0
    different: int = 0
    not_comparable: int = 0
    repeats: int = 0
    dead: int = 0
    skipped: int = 0
    """Records that the engine left out and that were read beside it."""
    asked: int = 0
    """Times that a site was asked to send again."""

    def plus(self, **more: int) -> "Counts":
        """With so many more."""
        return self._replace(**{name: getattr(self, name) + number for name, number in more.items()})


@dataclass(slots=True)
class Site:
    name: str
    offset: int = 0
    """The next one to be taken for it."""
    site_seq: int = 0
    epoch: int = 0
    unseen: int = -1
    """From here up to the partition's first offset nobody looked for its blocks; -1 when that does not matter."""
    unsaved: int = -1
    """The first offset that no written state covers, -1 when all are covered."""
    needs: str = ""
    """What it is parked for."""
    needs_since: float = 0.0
    is_told: bool = False
    catching: "asyncio.Task[None] | None" = None
    asked_at: float = -FAR_S
    ask_pause: float = ASK_S


@dataclass(slots=True)
class Partition:
    place: Place
    generation: int
    saved_at: float
    sites: dict[str, Site] = field(default_factory=dict)
    stored: dict[str, tuple[StatePlace, bytes]] = field(default_factory=dict)
    """Newest states of sites that no block has come for yet."""
    first: int = -1
    """The first offset that the engine gave us, and the next that it should give; -1 before."""
    next: int = -1
    passed: int = -1
    """Behind the last record that was passed by because nobody had registered its site; -1 before there was one."""
    pending: "list[asyncio.Future[Any]]" = field(default_factory=list)
    ready: "asyncio.Task[None] | None" = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Who has it folds, saves or gives away; given in the order in which it was asked for."""

    async def confirmed(self) -> None:
        """Waits for all that was sent; one that is given up meanwhile is waited for again by who comes next."""
        pending = list(self.pending)
        if pending:
            await asyncio.wait(pending)
            for sent in pending:
                sent.result()
            del self.pending[: len(pending)]


def restored(partitions: Iterable[Partition]) -> list[Partition]:
    """Those whose states are read; raises what their reading raised."""
    done = [(each, each.ready) for each in partitions if each.ready is not None and each.ready.done()]
    return [partition for partition, ready in done if not ready.cancelled() and ready.result() is None]
