"""Which frames were taken already, by device, boot and number: a repeat is known as one.

A message comes again when its PUBACK did not reach the broker, when the device sends it again, and when a broker gives
out what was retained. What is remembered is RECENT frames of each device; after a start the newest of the log. A frame
that is older than that and comes again is a late one to the core, which says so and does not use it.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from shared.devices.frame import Frame

RECENT: Final = 4096
"""Of a device that sends twice a second: half an hour. A broker has 100 unacknowledged messages of all devices."""

Id = tuple[str, int]


class Seen:
    """One site's. Not for two threads."""

    def __init__(self) -> None:
        self._ids: dict[str, set[Id]] = {}
        self._order: dict[str, deque[Id]] = {}

    def remember(self, frames: Iterable[Frame]) -> None:
        """Frames of the log, oldest first."""
        for frame in frames:
            self.is_new(frame)

    def is_new(self, frame: Frame) -> bool:
        """Whether it was not taken yet; from now on it was."""
        key = (frame.boot, frame.device_seq)
        ids = self._ids.setdefault(frame.device, set())
        if key in ids:
            return False
        order = self._order.setdefault(frame.device, deque())
        if len(order) == RECENT:
            ids.discard(order.popleft())
        ids.add(key)
        order.append(key)
        return True
