"""A site's log as it stands in ampward.inputs.v1: the Kafka adapter of the log port.

For who asks in the centre what a site's log says: verify, replay, events of a site that is far away, or gone. Each
group is one signed block; the index of a site's blocks (shared.log.kafka.index) is kept in memory, some 600 bytes a
block (100 MB for a day of two frames a second), their bytes are read when they are wanted.

Promises: what LogContract of tests/contract asks. A commit is in the topic on all in-sync replicas when it returns.
Refuses: LogDamaged for a block that is not signed by the site's keys or not whole; LogBroken when Kafka does not answer
within WAIT_S, or refuses. After a LogBroken of ``commit`` the group may be in the topic or may not: open the log anew.
Limits: there is no lock; that a site has one writer is for its uplink to see, and its epoch tells a second one.
Readers' positions, dead letters, folding and housekeeping are not kept here (docs/adr/0075): a group that brings such
is refused (LogError). The port is synchronous, so the clients live in an event loop in a thread of its own.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeVar

from shared.domain.errors import LogBroken, LogDamaged, LogError, WireError
from shared.log.chain import GENESIS, link
from shared.log.kafka.access import Access
from shared.log.kafka.index import BlockIndex, Entry
from shared.log.kafka.producer import Producer
from shared.log.kafka.reader import Reader
from shared.log.kafka.records import Place, Record, RecordRefused, Unconfirmed
from shared.log.kafka.stretch import StretchLost, next_before, read_stretch
from shared.log.order import END, check_group, log_id_at, resume_place
from shared.log.port import Cursor, EventRow, Group, Head, InputRow, Snapshot, Stretch
from shared.log.segments import event_row
from shared.wire import cloud
from shared.wire.blocks import Block, BlockHead, BlockLink, check_head, decode_block, encode_block, peek_block
from shared.wire.inputs import decode_input
from shared.wire.plans import check_decision
from shared.wire.rows import EventBytes
from shared.wire.signing import PublicKey, SigningKey

WAIT_S: Final = 60.0
_TROUBLE = (Unconfirmed, RecordRefused, StretchLost, TimeoutError)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SiteInKafka:
    """Where a site's log is, and by which keys its blocks are signed."""

    site: str
    inputs: Place
    rulesets: str
    """The topic of the rule sets' bodies."""
    keys: Mapping[str, PublicKey]
    """By their ids: all that the site ever had."""
    first_offset: int = 0
    """Where reading begins: what lies before it is not in this log."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Who writes: the site's key, its program's core, and the epoch of this writer."""

    key: SigningKey
    core_version: int
    epoch: int = 1


class KafkaLog:
    """See the module. Without ``writing`` it only reads."""

    def __init__(self, access: Access, site: SiteInKafka, writing: Writing | None = None) -> None:
        self._access = access
        self._site = site
        self._writing = writing
        self._index = BlockIndex()
        self._known_head: Head | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"log of {site.site}", daemon=True)
        self._thread.start()
        self._reader, self._producer = self._call(self._clients())

    async def _clients(self) -> tuple[Reader, Producer]:
        name = f"log-{self._site.site}"
        return Reader(self._access, {self._site.inputs: self._site.first_offset}, name), Producer(
            self._access, name, give_up_s=WAIT_S
        )

    def head(self) -> Head:
        self._catch_up()
        return self._head()

    def first_seq(self) -> int:
        return self._entries()[0].head.first_seq if self._entries() else 1

    def genesis(self) -> bytes:
        return self._entries()[0].head.prev_hash if self._entries() else GENESIS

    def commit(self, group: Group) -> Head:
        if group.positions or group.dead_letters or group.folding is not None:
            raise LogError("Kafka keeps no positions and no dead letters by hash, and folds nothing")
        if self._writing is None:
            raise LogError("this view of the log only reads")
        for version, body in group.rulesets.items():
            check_decision(version, body)
            self._call(self._send_ruleset(self._producer, version, body))
        head = self.head()
        if group.inputs:
            check_group(head, group)
            block = self._block(head, group, self._writing)
            self._call(self._send(self._producer, block, self._writing.key))
            head = self.head()
            if head.hash != block.head_hash:
                raise LogBroken(f"another one writes the log of {block.site}, too")
        return head

    def _block(self, head: Head, group: Group, writing: Writing) -> Block:
        made = link(head.hash, group.inputs, group.events)
        return Block(
            site=self._site.site,
            epoch=max(writing.epoch, self._index.epoch),
            log_id=group.log_id or head.log_id,
            first_seq=made.first_seq,
            last_seq=made.last_seq,
            prev_hash=head.hash,
            links=(BlockLink(made.last_seq, made.hash),),
            core_version=writing.core_version,
            inputs=group.inputs,
            events=tuple(EventBytes(row.site_seq, row.ordinal, row.data) for row in group.events),
            states=group.snapshots,
        )

    async def _send(self, producer: Producer, block: Block, key: SigningKey) -> None:
        name = cloud.range_id(block.log_id, block.epoch, block.first_seq, block.last_seq)
        at_ms = decode_input(block.inputs[-1].data).at_ms
        headers = cloud.headers(cloud.BLOCK, site=block.site, id=name, at_ms=at_ms)
        await producer.send(self._site.inputs, block.site.encode(), encode_block(block, key), headers)

    async def _send_ruleset(self, producer: Producer, version: str, body: bytes) -> None:
        key = version.encode()
        await producer.send(await producer.partition_for(self._site.rulesets, key), key, body)

    def inputs(self, after_seq: int, limit: int = 1000) -> Iterator[InputRow]:
        left = limit
        for block in self._blocks(after_seq + 1):
            rows = [row for row in block.inputs if row.site_seq > after_seq][:left]
            yield from rows
            left -= len(rows)
            if left <= 0:
                return

    def events(self, after: Cursor | None, limit: int = 1000) -> Iterator[tuple[Cursor, EventRow]]:
        self._catch_up()
        log_ids = self._index.log_ids()
        place = (0, -1) if after is None else resume_place(after, log_ids)
        left = limit
        for block in self._blocks(place[0] if place[1] < END else place[0] + 1):
            for event in block.events:
                if event[:2] > place and left > 0:
                    left -= 1
                    cursor = Cursor(log_id_at(event.site_seq, log_ids), event.site_seq, event.ordinal)
                    yield cursor, event_row(*event)
            if left <= 0:
                return

    def position(self, name: str) -> bytes | None:  # noqa: ARG002 - the port's
        return None

    def positions(self) -> dict[str, bytes]:
        return {}

    def ruleset(self, version: str) -> bytes | None:
        return self._call(self._read_ruleset(self._producer, version))

    async def _read_ruleset(self, producer: Producer, version: str) -> bytes | None:
        place = await producer.partition_for(self._site.rulesets, version.encode())
        async with aclosing(read_stretch(self._access, place)) as records:
            async for record in records:
                if record.key == version.encode() and record.value is not None:
                    return record.value
        return None

    def dead_letter(self, sha256: str) -> bytes | None:  # noqa: ARG002 - the port's
        return None

    def snapshot(self, at_or_before: int | None = None) -> Snapshot | None:
        limit = END if at_or_before is None else at_or_before
        self._catch_up()
        chosen = [entry for entry in self._entries() if entry.head.has_states and entry.head.first_seq - 1 <= limit]
        if not chosen:
            return None
        at = chosen[-1].head.first_seq - 1
        block = next(self._read([chosen[-1]]))
        return Snapshot(log_id_at(at, self._index.log_ids()), at, block.states)

    def folded_to(self) -> int:
        folded = [entry.head.last_seq for entry in self._entries() if entry.head.folded]
        return max(folded, default=self.first_seq() - 1)

    def snapshots(self) -> tuple[tuple[int, bytes], ...]:
        self._catch_up()
        heads = [entry.head for entry in self._entries() if entry.head.has_states]
        return tuple((head.first_seq - 1, head.states_hash) for head in heads)

    def stretches(self, after_seq: int = 0) -> Iterator[Stretch]:
        for block in self._blocks(after_seq + 1):
            links = tuple(each.last_seq for each in block.links)
            events = tuple(event_row(*event) for event in block.events)
            yield Stretch(
                block.first_seq, block.last_seq, links, block.head_hash, block.folded, tuple(block.inputs), events, 0
            )

    def log_ids(self) -> tuple[tuple[int, str], ...]:
        self._catch_up()
        return tuple(self._index.log_ids())

    def check(self) -> None:
        """Everything that is here is covered by the chain."""

    def spare_bytes(self) -> int:
        return 0

    def tidy(self) -> bool:
        return False

    def reader(self) -> "KafkaLog":
        return KafkaLog(self._access, self._site)

    def close(self) -> None:
        if self._thread.is_alive():
            self._call(self._end(self._reader, self._producer))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _end(self, reader: Reader, producer: Producer) -> None:
        await reader.close()
        await producer.close()

    def _entries(self) -> list[Entry]:
        return self._index.entries

    def _head(self) -> Head:
        if not self._entries():
            return Head("", 0, 0, 0, GENESIS)
        entry = self._entries()[-1]
        if self._known_head is None or self._known_head.hash != entry.head.head_hash:
            last = decode_input(next(self._read([entry])).inputs[-1].data)
            log_id, last_seq, digest = entry.head.log_id, entry.head.last_seq, entry.head.head_hash
            self._known_head = Head(log_id, last_seq, last.tick_ms, last.at_ms, digest)
        return self._known_head

    def _catch_up(self) -> None:
        """Takes in what came since."""
        self._call(self._follow(self._reader))

    async def _follow(self, reader: Reader) -> None:
        end = (await reader.ends([self._site.inputs]))[self._site.inputs]
        while records := await next_before(reader, self._site.inputs, end):
            for record in records:
                if record.key == self._site.site.encode() and (head := self._head_of(record)):
                    self._index.take(record.offset, head)

    def _head_of(self, record: Record) -> BlockHead | None:
        """None for what the site has not signed: a dead letter for who works through the topic, and not its log."""
        data = record.value or b""
        try:
            key = self._site.keys.get(peek_block(data).key_id)
            head = None if key is None else check_head(data, key)
        except WireError:
            return None
        return head if head is not None and head.site == self._site.site else None

    def _blocks(self, from_seq: int) -> Iterator[Block]:
        """The blocks from the one that holds this number on."""
        self._catch_up()
        return self._read(self._entries()[self._index.from_seq(from_seq) :])

    def _read(self, entries: list[Entry]) -> Iterator[Block]:
        """Their bytes, in runs of rising offsets: a site that sent anew lies in several."""
        for run in _runs(entries):
            source = self._records(run[0].offset, run[-1].offset + 1)
            for entry in run:
                record = next((each for each in source if each.offset == entry.offset), None)
                if record is None:
                    raise LogDamaged(entry.head.first_seq, f"its block at offset {entry.offset} is gone")
                yield self._open(record, entry.head)

    def _open(self, record: Record, head: BlockHead) -> Block:
        try:
            return decode_block(record.value or b"", self._site.keys[head.key_id])
        except WireError as fault:
            raise LogDamaged(head.first_seq, str(fault)) from fault

    def _records(self, first: int, end: int) -> Iterator[Record]:
        """Off the loop's thread one by one; nothing is held for who stops reading."""
        source = read_stretch(self._access, self._site.inputs, first=first, end=end)
        try:
            while (record := self._call(_next_of(source))) is not None:
                yield record
        finally:
            self._call(_close(source))

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs it in the loop's thread; raises LogBroken when Kafka is in the way."""
        try:
            return asyncio.run_coroutine_threadsafe(_bounded(work), self._loop).result()
        except _TROUBLE as fault:
            raise LogBroken(f"Kafka at {self._access.bootstrap}: {fault or 'no answer'}") from fault


async def _bounded(work: Coroutine[Any, Any, T]) -> T:
    async with asyncio.timeout(WAIT_S):
        return await work


async def _next_of(source: AsyncGenerator[Record, None]) -> Record | None:
    return await anext(source, None)


async def _close(source: AsyncGenerator[Record, None]) -> None:
    await source.aclose()


def _runs(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Cut where an offset falls."""
    cuts = [0, *(at + 1 for at, (a, b) in enumerate(pairwise(entries)) if b.offset <= a.offset), len(entries)]
    for begin, end in pairwise(cuts):
        if begin < end:
            yield entries[begin:end]
