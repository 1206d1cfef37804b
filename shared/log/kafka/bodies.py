"""Bodies of rule sets in memory: the ones that were last put in or asked for, and where the others stand in the topic.

Who has a Kafka user of a site may write any number of them, and a fleet makes new ones for years: so there is a bound,
and what falls out of it is not lost but read again where it stands when somebody asks for it.
Limits: bodies are kept compressed (zlib), KEPT_BYTES_MAX of them together: 1,000 sites of 330 modules are some 60 MiB.
NAMES_MAX names with their places are some 60 MiB at most; of more the one that was put in first is forgotten.
"""

import zlib
from collections import OrderedDict
from typing import Final

from shared.log.kafka.records import Place

KEPT_BYTES_MAX: Final = 128 << 20
NAMES_MAX: Final = 200_000
_LEVEL: Final = 1


class Bodies:
    """One owner."""

    def __init__(self, kept_bytes_max: int = KEPT_BYTES_MAX, names_max: int = NAMES_MAX) -> None:
        self._kept_bytes_max = kept_bytes_max
        self._names_max = names_max
        self._packed: OrderedDict[str, bytes] = OrderedDict()
        """The one that was used longest ago first."""
        self._places: OrderedDict[str, tuple[Place, int]] = OrderedDict()
        self.size = 0
        """Bytes that are kept."""

    def put(self, version: str, body: bytes, place: Place, offset: int) -> None:
        """The newest one is always kept."""
        self._drop(version)
        packed = zlib.compress(body, _LEVEL)
        self._packed[version] = packed
        self.size += len(packed)
        self._places[version] = (place, offset)
        while self.size > self._kept_bytes_max and len(self._packed) > 1:
            self._drop(next(iter(self._packed)))
        while len(self._places) > self._names_max:
            self._drop(self._places.popitem(last=False)[0])

    def get(self, version: str) -> bytes | None:
        """None when it is not kept, or was never there."""
        packed = self._packed.get(version)
        if packed is None:
            return None
        self._packed.move_to_end(version)
        return zlib.decompress(packed)

    def where(self, version: str) -> tuple[Place, int] | None:
        """Where its newest record stands."""
        return self._places.get(version)

    def _drop(self, version: str) -> None:
        self.size -= len(self._packed.pop(version, b""))
