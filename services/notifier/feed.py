"""The port between the notifier and the site: events in their order, open alarms, and Reports back into the log.

The notifier knows no log, no core and no gateway. The site process implements :class:`Feed` over its views; the fake of
the tests is tests/services/notifier/fake_site.py. Every method is called from one event loop and returns at once,
except the coroutines.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from services.notifier.reports import BoxReport, Reported
from services.notifier.routing import Setting
from shared.domain.events import About, Event
from shared.log.port import Cursor


class News(NamedTuple):
    """One event with its place."""

    cursor: Cursor
    event: Event
    undurable: bool
    """It is in no log yet."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The place is older than what is kept, or of a log that this one does not continue."""


class OpenAlarm(NamedTuple):
    """An alarm that is open now, as if it had just been raised."""

    event: Event
    hidden: str
    """What keeps it from being told, or empty."""


class Feed(Protocol):
    def setting(self) -> Setting:
        """Plan and names in force; the same object until they change."""
        ...

    def events_after(self, cursor: Cursor | None, limit: int) -> tuple[News, ...] | Gone:
        """At most ``limit`` events behind the cursor, in order; None reads from the beginning of what is kept."""
        ...

    def pass_over(self, cursor: Cursor | None, wanted: Callable[[About], bool]) -> Cursor | None:
        """A place to go on from instead of ``cursor``: no event that is wanted lies between them, and none that is
        undurable."""
        ...

    async def wait_for_events(self, cursor: Cursor | None, timeout_s: float) -> bool:
        """Returns as soon as there is an event behind the cursor, or after the time. Cancellable."""
        ...

    def is_behind(self) -> bool:
        """Whether older events are still expected: then nothing is told of alarms that may be over by now."""
        ...

    def leased(self) -> str:
        """Who held the notify lease at the place that :meth:`head` gave; "" is nobody."""
        ...

    async def head(self) -> tuple[Cursor | None, tuple[OpenAlarm, ...]]:
        """Where somebody stands who has read everything, and the alarms that are open there or a little later."""
        ...

    def tick_ms(self) -> int:
        """The log's own time now: it does not jump with the wall clock."""
        ...

    async def report(self, ledger: str, number: int, reports: Sequence[BoxReport]) -> None:
        """Reports as inputs of the log, in one transaction with the place (``ledger``, ``number``) of the last of
        them."""
        ...

    async def reported(self, ledger: str) -> Reported:
        """How far the log has what that ledger reported. Does not wait for a disk that takes its time."""
        ...
