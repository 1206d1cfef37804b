"""The links of a site's chain as its log holds them, one after the other, each checked against the one before.

A packed row has lost the hashes of its inner links; they follow from the records and are made again here. So nothing
goes up that is not, byte for byte, what the site's chain was made of.

Raises LogDamaged with the record at which that is no longer so; everything before it was given. A folded row is given
as one link with what was kept of it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from shared.domain.errors import LogDamaged, WireError
from shared.log.chain import link
from shared.log.order import log_id_at
from shared.log.sqlite_read import Span, SqliteReader
from shared.wire.inputs import decode_input
from shared.wire.rows import EventBytes, InputRow

RECORD_BYTES = 16
"""What a record takes beside its own bytes, about."""


class Link(NamedTuple):
    """One link with its records."""

    prev: bytes
    """Head of the chain before it."""
    hash: bytes
    first_seq: int
    last_seq: int
    log_id: str
    """That of its inputs: of a Start, the new one."""
    inputs: tuple[InputRow, ...]
    events: tuple[EventBytes, ...]
    folded: bool = False

    @property
    def frames(self) -> int:
        return sum(row.kind == "frame" for row in self.inputs)

    @property
    def size(self) -> int:
        """Bytes of its records, about."""
        inputs = sum(len(row.data) + RECORD_BYTES for row in self.inputs)
        return inputs + sum(len(event.data) + RECORD_BYTES for event in self.events)

    @property
    def starts(self) -> bool:
        """Whether it begins with a Start."""
        return self.inputs[0].kind == "start"

    def tick_ms(self) -> int:
        """The log's time at its last input; -1 when that cannot be read."""
        try:
            return decode_input(self.inputs[-1].data).tick_ms
        except WireError:
            return -1


def walk(reader: SqliteReader, after_seq: int) -> Iterator[Link]:
    """The links from the one that holds the first input after ``after_seq``."""
    digest = b""
    log_ids: list[tuple[int, str]] = []
    for span in reader.spans(after_seq):
        if not digest or span.folded:
            digest = reader.hash_before(span.first_seq)
        if not log_ids or span.last_seq >= log_ids[-1][0]:
            log_ids = list(reader.log_ids())
        made, damage = _checked(span, digest)
        digest = span.hash
        for found in made:
            if found.last_seq > after_seq:
                yield found._replace(log_id=log_id_at(found.last_seq, log_ids))
        if damage is not None:
            raise damage


def _checked(span: Span, prev: bytes) -> tuple[list[Link], LogDamaged | None]:
    """The links of a row, and what is wrong with it behind them."""
    if span.inside.bad:
        damage = LogDamaged(span.inside.bad, "the record's bytes are not its checksum's")
        return ([] if span.folded else list(_links(span, prev))), damage
    if span.folded:
        return [_folded(span, prev)], None
    made = list(_links(span, prev))
    if made and made[-1].hash == span.hash:
        return made, None
    return [], LogDamaged(span.first_seq, "the chain breaks in the row that begins with this record")


def _folded(span: Span, prev: bytes) -> Link:
    inside = span.inside
    events = tuple(map(EventBytes._make, inside.events))
    return Link(prev, span.hash, span.first_seq, span.last_seq, "", inside.inputs, events, folded=True)


def _links(span: Span, prev: bytes) -> Iterator[Link]:
    """Up to the one that has a record which is not what was written."""
    inside = span.inside
    row = told = 0
    for last in inside.links:
        first_row, first_told = row, told
        while row < len(inside.inputs) and inside.inputs[row].site_seq <= last:
            row += 1
        while told < len(inside.events) and inside.events[told][0] <= last:
            told += 1
        inputs = inside.inputs[first_row:row]
        if (inside.bad and inside.bad <= last) or not inputs or inputs[-1].site_seq != last:
            return
        events = tuple(map(EventBytes._make, inside.events[first_told:told]))
        made = link(prev, inputs, events)
        yield Link(prev, made.hash, made.first_seq, last, "", inputs, events)
        prev = made.hash
