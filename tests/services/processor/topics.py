"""Broker and engine of a worker in memory, and a recorded site's blocks in its topic."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from services.processor.hands import OwnSeats, SeatsPort
from services.processor.seats import KEY, RULES
from services.processor.worker import Worker
from shared.bus.registry import EVENTS, INPUTS
from shared.log.kafka.records import Headers, Place, Record
from shared.runtime.tracing import OFF, Spans
from shared.wire.batches import decode_batch
from shared.wire.blocks import encode_block
from shared.wire.signing import SigningKey
from tests.services.processor.recorded import blocks_of, recorded

SIGNER = SigningKey(bytes(range(32)))
PLACE, OTHER = Place(INPUTS.name, 0), Place(INPUTS.name, 1)
SAVE_S = 5.0


@dataclass
class Topics:
    """Broker and engine in memory. ``confirms`` False keeps every record on its way."""

    inputs: list[Record] = field(default_factory=list)
    sent: dict[str, list[Record]] = field(default_factory=dict)
    acknowledged: list[int] = field(default_factory=list)
    confirms: bool = True
    waiting: "list[asyncio.Future[None]]" = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    now: float = 0.0
    registered: set[str] = field(default_factory=lambda: {"s"})
    ends_at: dict[str, int] = field(default_factory=dict)
    """By key, when it was ended."""
    coming: dict[str, SigningKey] = field(default_factory=dict)
    """By id, keys that were registered and are read when somebody makes sure."""
    keys: dict[str, SigningKey] = field(default_factory=lambda: {SIGNER.id: SIGNER})
    made_sure: int = 0
    bodies: bool = True
    """Rule sets are there."""

    async def hand_over(self, place: Place, key: bytes, value: bytes, headers: Headers) -> "asyncio.Future[None]":
        lane = self.sent.setdefault(place.topic, [])
        lane.append(Record(place, len(lane), key, value, headers, 0))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.confirms:
            done.set_result(None)
        else:
            self.waiting.append(done)
        return done

    async def read(self, place: Place, first: int, end: int | None) -> AsyncIterator[Record]:
        records = self.inputs if place == PLACE else self.sent.get(place.topic, [])
        for record in records[first : len(records) if end is None else end]:
            yield record

    def known(self, needs: str, site: str) -> bytes | None:  # noqa: ARG002
        if not needs.startswith(KEY):
            return recorded(0).ruleset(needs.removeprefix(RULES)) if self.bodies else None
        key = self.keys.get(needs.removeprefix(KEY))
        return None if key is None else key.public.raw

    def is_registered(self, site: str) -> bool:
        return site in self.registered

    def is_ended(self, site: str) -> bool:  # noqa: ARG002
        return all(key_id in self.ends_at for key_id in self.keys)

    def has_former(self, site: str) -> bool:  # noqa: ARG002
        return bool(self.ends_at)

    def may_sign(self, site: str, key_id: str, at_ms: int) -> bool:  # noqa: ARG002
        return key_id in self.keys and at_ms < self.ends_at.get(key_id, 1 << 62)

    async def make_sure(self) -> None:
        self.made_sure += 1
        self.keys |= self.coming

    def acknowledge(self, place: Place, below: int) -> None:  # noqa: ARG002
        self.acknowledged.append(below)

    def worker(self, spans: Spans = OFF, seats: SeatsPort | None = None, ahead: int = 0) -> Worker:
        def tell(event: str, words: str) -> None:
            self.told.append((event, words))

        return Worker(
            seats or OwnSeats(),
            self,
            self,
            tell=tell,
            save_s=SAVE_S,
            ahead=ahead,
            now=lambda: self.now,
            wall_ms=lambda: 1,
            spans=spans,
        )

    def events(self) -> list[bytes]:
        """Each once, in the order in which they came first."""
        batches = [decode_batch(record.value or b"") for record in self.sent.get(EVENTS.name, [])]
        assert {batch.verdict.value for batch in batches} == {"equal"}
        return list(dict.fromkeys(event for batch in batches for event in batch.events))


def topics_of_site() -> Topics:
    data = [encode_block(block, SIGNER) for block in blocks_of(recorded(0), site="s", seed=1)]
    return Topics([Record(PLACE, n, b"s", each, (), 0) for n, each in enumerate(data)])
