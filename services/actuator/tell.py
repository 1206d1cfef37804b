"""What guard tells of the world: Reports, once per change and not once per cycle.

State-like kinds (mismatch, contested, watchdog off ...) are told when they change, and their first state after a
start is told whichever it is, so that an "on" told by an earlier guard process never sticks. Pulses are told each time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.domain.inputs import Report, ReportKind

DETAIL_MAX = 500


class Teller:
    """Gives Reports to ``sink`` in the order in which things happened."""

    def __init__(self, sink: Callable[[Report], None]) -> None:
        self._sink = sink
        self._told: dict[tuple[ReportKind, str], tuple[bool, str]] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Reports of this block go to the sink at its end, in their order: what they come of is kept before them."""
        held: list[Report] = []
        sink, self._sink = self._sink, held.append
        try:
            yield
        finally:
            self._sink = sink
            for report in held:
                sink(report)

    def state(self, kind: ReportKind, subject: str, on: bool, detail: str = "") -> None:
        """A condition that lasts; told again when ``detail`` changes while it is on."""
        now = (on, detail if on else "")
        if self._told.get((kind, subject)) != now:
            self._told[kind, subject] = now
            self._sink(Report(kind.value, subject, on, pulse=False, detail=now[1][:DETAIL_MAX]))

    def pulse(self, kind: ReportKind, subject: str, on: bool, detail: str = "") -> None:
        """Something that happened at one moment."""
        self._sink(Report(kind.value, subject, on, pulse=True, detail=detail[:DETAIL_MAX]))
