"""What a view is told by the parent and by the log's events: sentences for people, newest last."""

from collections import deque


class Told:
    """Bounded: a view that is left alone for a year stays small."""

    def __init__(self) -> None:
        self.story: deque[str] = deque(maxlen=6)
        self.said: deque[str] = deque(maxlen=4)
        self.events: deque[str] = deque(maxlen=8)
