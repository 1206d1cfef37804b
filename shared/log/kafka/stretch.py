"""Reads one stretch of a partition, and then is done: what filled a hole, a compacted topic at a start.

A second consumer by assign(), beside whoever reads the topic already: to seek a running group's consumer would move
what the group has fetched. The end is that of the moment at which reading begins, unless it is given.

Promises: every record from ``first`` up to but without ``end`` that the topic still has, in order, once. Offsets need
not be dense. Refuses (StretchLost): to wait longer than ``patience_s`` for the next record, or for the broker.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from shared.domain.errors import AmpwardError
from shared.log.kafka.access import Access
from shared.log.kafka.reader import BEGINNING, Reader
from shared.log.kafka.records import Place, Record, Tell, silent

PATIENCE_S: Final = 60.0
_LOOK_S: Final = 1.0


class StretchLost(AmpwardError):
    """The stretch could not be read to its end in time."""


async def read_stretch(
    access: Access,
    place: Place,
    *,
    first: int = BEGINNING,
    end: int | None = None,
    name: str = "stretch",
    patience_s: float = PATIENCE_S,
    tell: Tell = silent,
) -> AsyncGenerator[Record, None]:
    """See the module. ``end`` is the offset behind the last one that is wanted."""
    async with Reader(access, {place: first}, name, tell=tell) as reader:
        try:
            async with asyncio.timeout(patience_s):
                there = (await reader.ends([place]))[place]
            last = there if end is None else min(end, there)
            while True:
                async with asyncio.timeout(patience_s):
                    records = await next_before(reader, place, last)
                if not records:
                    return
                for record in records:
                    if record.offset < last:
                        yield record
        except TimeoutError as fault:
            raise StretchLost(f"{place.topic}/{place.partition}: nothing for {patience_s} s") from fault


async def next_before(reader: Reader, place: Place, end: int) -> tuple[Record, ...]:
    """The next records, or none when only such offsets are left before ``end`` as hold no record (a gap, a marker)."""
    while reader.offset(place) < end:
        try:
            async with asyncio.timeout(_LOOK_S):
                return await reader.take()
        except TimeoutError:
            if await reader.passed(place) >= end:
                break
    return ()
