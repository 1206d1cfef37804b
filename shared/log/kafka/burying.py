"""Dead letters: records that a service cannot take, with their exact bytes and why, into ampward.deadletter.v1.

Promises: returns when the broker has the letter; one told again has the same id.
"""

from shared.bus.registry import DEADLETTER
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place, Record
from shared.wire import cloud
from shared.wire.deadletters import DeadLetter, encode_dead_letter


class Burying:
    """For one service, by its name; ``prefix`` is that of the topics."""

    def __init__(self, producer: Producer, reader: str, prefix: str = "") -> None:
        self._producer = producer
        self._reader = reader
        self._topic = prefix + DEADLETTER.name

    async def bury(self, record: Record, why: str, now_ms: int) -> None:
        """Beside its own partition, under its own key."""
        key = record.name
        letter = DeadLetter(*record.place, record.offset, key, why, self._reader, now_ms, record.value or b"")
        ident = f"{record.place.topic}/{record.place.partition}/{record.offset}"
        headers = cloud.headers(cloud.DEAD_LETTER, site=key, id=ident, at_ms=now_ms)
        place = Place(self._topic, record.place.partition)
        await self._producer.send(place, key.encode(), encode_dead_letter(letter), headers)
