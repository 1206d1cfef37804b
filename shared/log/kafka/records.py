"""A record of a topic as our programs see it, and what they are told about a client in trouble."""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from aiokafka.partitioner import murmur2
from aiokafka.structs import ConsumerRecord

from shared.domain.errors import AmpwardError

Headers = tuple[tuple[str, bytes], ...]
Tell = Callable[[str, str], None]
"""(event name, what happened in words): once per change of condition."""

REQUEST_MS: Final = 10_000
"""A request that is not answered so long ends its connection; the library's own 40 s would outlast every goal."""
KEY_BYTES_MAX: Final = 128
"""Ids of sites have 40 characters, hashes 64 digits; who may write into a topic may write under any key."""


class Place(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int


class Record(NamedTuple):
    place: Place
    offset: int
    key: bytes
    value: bytes | None
    """None is the end of a key in a compacted topic."""
    headers: Headers
    at_ms: int
    """When the broker took it, by its clock."""

    @property
    def name(self) -> str:
        """The key as text. Of one that is longer than any of ours the beginning, which is nobody's name either."""
        return self.key[:KEY_BYTES_MAX].decode("utf-8", "replace")


class Unconfirmed(AmpwardError):
    """The broker did not confirm in time; the record may be in the topic, or may not."""


class RecordRefused(AmpwardError):
    """The broker took a look at a record and said no; sending it again changes nothing."""


def record_of(found: ConsumerRecord) -> Record:
    place = Place(found.topic, found.partition)
    return Record(place, found.offset, found.key or b"", found.value, tuple(found.headers), found.timestamp)


def partition_for(key: bytes, partitions: int) -> int:
    """Where a key lies that no registration places, as every Kafka client places it."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def silent(_event: str, _words: str) -> None:
    """Tells nobody."""


def hush() -> None:
    """The library logs each of its retries, some a second while a broker is away; we tell of the condition, once."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
