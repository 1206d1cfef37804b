"""The trace of what was decided again: a span for each input of a block with alarms or outputs."""

from services.processor.seats import Outcome
from shared.log.kafka.records import Record
from shared.runtime.tracing import Span, Spans, Stage, by_input
from shared.wire.batches import decode_batch
from shared.wire.events import decode_event


def tell_compared(spans: Spans, record: Record, outcome: Outcome, now_ms: int) -> None:
    """That the events of this block were derived again."""
    if not spans.is_on:
        return
    attributes = {"verdict": outcome.verdict, "batch": outcome.id}
    for cause, _ in by_input(map(decode_event, decode_batch(outcome.record).events)):
        spans.tell(Span(Stage.COMPARE, cause, record.at_ms, now_ms, attributes=attributes))
