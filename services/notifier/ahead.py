"""The port to what is told ahead of a site's order: events of now, while the events before them are still to be read.

At the centre the blocks bring every event in the log's order, and the live lane brings the newest at once. What the
blocks do not bring in their time is given here; when they come to it, the notifier knows it again by its place.
The site's own notifier reads its log faster than it grows: NOTHING_AHEAD.
"""

from typing import NamedTuple, Protocol

from shared.domain.events import Event


class Early(NamedTuple):
    """One event of an alarm."""

    event: Event
    leased: str | None
    """Who held the notify lease at its place; "" is nobody, None is not known: then nothing begins with it."""
    undurable: bool = False


class Ahead(Protocol):
    def events(self) -> tuple[Early, ...]:
        """Those that are late by now, in their order; each once. What is not committed after that ends the notifier."""
        ...

    def leased(self) -> str | None:
        """Who holds the lease now, when that is known better than by the events that were read; else None."""
        ...

    def is_behind(self) -> bool:
        """Whether something was heard that the feed should have given by now: what it will give is old."""
        ...

    def read_seq(self) -> int:
        """The highest input whose events the feed has given."""
        ...


class _Nothing:
    def events(self) -> tuple[Early, ...]:
        return ()

    def leased(self) -> str | None:
        return None

    def is_behind(self) -> bool:
        return False

    def read_seq(self) -> int:
        return 0


NOTHING_AHEAD: Ahead = _Nothing()
