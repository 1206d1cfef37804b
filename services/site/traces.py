"""A site's part of its traces: what a frame led to, and when the relay did what was demanded of it.

Limits: OUTPUTS_MAX demands are remembered until they are confirmed, fail or are released.
"""

from collections.abc import Callable, Sequence
from typing import Final

from shared.domain.events import Event, EventType
from shared.runtime.tracing import OFF, Span, Spans, Stage, by_input, input_of, root

OUTPUTS_MAX: Final = 1_000
_SETTLED: Final = {EventType.OUTPUT_CONFIRMED: "", EventType.OUTPUT_FAILED: "not confirmed"}


class SiteTraces:
    """One log. ``take`` in the writer's thread, after each commit."""

    def __init__(self, spans: Spans = OFF, wall_ms: Callable[[], int] = lambda: 0) -> None:
        self._spans = spans
        self._wall_ms = wall_ms
        self._demanded: dict[str, Event] = {}

    def take(self, events: Sequence[Event]) -> None:
        """What one group of inputs led to."""
        if not self._spans.is_on or not events:
            return
        now_ms = self._wall_ms()
        for cause, caused in by_input(events):
            self._spans.tell(root(cause, caused, now_ms))
            for event in caused:
                self._follow(event)

    def _follow(self, event: Event) -> None:
        match event.type:
            case EventType.OUTPUT_DEMANDED:
                if len(self._demanded) >= OUTPUTS_MAX:
                    del self._demanded[next(iter(self._demanded))]
                self._demanded[event.subject] = event
            case EventType.OUTPUT_RELEASED:
                self._demanded.pop(event.subject, None)
            case EventType.OUTPUT_CONFIRMED | EventType.OUTPUT_FAILED:
                demand = self._demanded.pop(event.subject, None)
                if demand is not None:
                    failed = _SETTLED[EventType(event.type)]
                    self._spans.tell(
                        Span(
                            Stage.RELAY,
                            input_of(demand),
                            demand.at_ms,
                            event.at_ms,
                            key=event.subject,
                            attributes={"output": event.subject},
                            failed=failed and (event.reason or failed),
                        )
                    )
