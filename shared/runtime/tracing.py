"""Traces from a frame to the relay, the screen and the message, by OpenTelemetry. Off unless it is asked for.

    decide    the site, for _fleet the supervisor: from the frame's acceptance to its events      the root of all others
    relay     the site: from a demand to what confirmed or failed it
    send      the uplink: from the frame's acceptance to Kafka's word that it has the block or the live record
    compare   the processor: from the block's place in Kafka to its events' hand-over
    show      a gateway: from the frame's acceptance to the operators' stream, by lane
    message   a notifier, the site's or the centre's: to the moment when the channel took or refused it

A trace is one input: its ids are hashes of (site, log_id, site_seq), which every event names. So no context travels
through step(), the wire or a topic, every process finds its place by itself, and what is told twice has the same ids.
On when OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set and the extra ampward[traces] is
installed; off it costs one look at a flag. Only inputs whose events are of alarms or outputs are traced.
Promises: nobody waits for a collector; what does not fit the queue is dropped. No text of a message, no person, no
address is told. Limits: the library's queue of 2,048 spans and its batches.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from hashlib import sha256
from importlib.metadata import version
from typing import Any, Final, NamedTuple, Protocol

from shared.domain.errors import ConfigError
from shared.domain.events import Event

VARIABLES: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
TRACED: Final = ("ampward.alarm.", "ampward.output.")
CLOSE_S: Final = 2.0
"""A process that ends waits so long for a collector, whatever the library would."""
EXTRA: Final = "traces need the extra ampward[traces], which is not installed"


class Stage(StrEnum):
    DECIDE = "decide"
    RELAY = "relay"
    SEND = "send"
    COMPARE = "compare"
    SHOW = "show"
    MESSAGE = "message"


class InputId(NamedTuple):
    """Which input of which site caused it."""

    site: str
    log_id: str
    site_seq: int


class Span(NamedTuple):
    """A stretch of one input's way. Wall times in milliseconds; an end before its start counts as its start."""

    stage: Stage
    input: InputId
    start_ms: int
    end_ms: int
    key: str = ""
    """Tells spans of one stage and input apart: an output, a message, a lane."""
    attributes: Mapping[str, str | int] = {}
    failed: str = ""
    """Why it went wrong, "" when it did not."""


class Spans(Protocol):
    """Where spans go. ``is_on`` is asked before anything is worked out."""

    is_on: bool

    def tell(self, span: Span) -> None:
        """From any thread; at once, and never raising."""
        ...

    def close(self) -> None:
        """What waits is sent, for a short time."""
        ...


class NoSpans:
    """Traces are off."""

    is_on = False

    def tell(self, span: Span) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


OFF: Final = NoSpans()


def trace_id(of: InputId) -> int:
    """128 bits; never zero."""
    return int.from_bytes(sha256(f"trace {of.site}/{of.log_id}/{of.site_seq}".encode()).digest()[:16]) or 1


def span_id(of: InputId, stage: Stage, key: str = "") -> int:
    """64 bits; never zero."""
    text = f"span {of.site}/{of.log_id}/{of.site_seq} {stage} {key}"
    return int.from_bytes(sha256(text.encode()).digest()[:8]) or 1


def input_of(event: Event) -> InputId:
    return InputId(event.site, event.log_id, event.site_seq)


def by_input(events: Iterable[Event]) -> Iterator[tuple[InputId, list[Event]]]:
    """The traced ones, by the input that caused them."""
    found: dict[InputId, list[Event]] = {}
    for event in events:
        if event.type.startswith(TRACED):
            found.setdefault(input_of(event), []).append(event)
    yield from found.items()


def root(of: InputId, caused: Sequence[Event], now_ms: int) -> Span:
    """What all others of an input hang on, told by who has decided it; ``caused`` are its traced events."""
    attributes = {"events": " ".join(dict.fromkeys(event.type for event in caused)), "room": caused[0].room}
    return Span(Stage.DECIDE, of, caused[0].at_ms, now_ms, attributes=attributes)


def open_spans(
    service: str, env: Mapping[str, str], tell: Callable[[str, str], None] = lambda _event, _words: None
) -> Spans:
    """Where this process's spans go. Without the extra they go nowhere, and that is told: nothing depends on them."""
    if not any(env.get(name) for name in VARIABLES):
        return OFF
    try:
        return _Exported(service)
    except (ConfigError, ImportError) as fault:
        tell("traces_are_off", f"{EXTRA}: {fault}")
        return OFF


class _Exported:
    """By OTLP over HTTP, to where the library's own environment variables say."""

    is_on = True

    def __init__(self, service: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

        self._span: Any = ReadableSpan
        self._context: Any = SpanContext
        self._flags = TraceFlags(TraceFlags.SAMPLED)
        self._failed: Callable[[str], Any] = lambda why: Status(StatusCode.ERROR, why)
        self._fine = Status()
        self._resource = Resource.create({"service.name": f"ampward-{service}", "service.version": version("ampward")})
        self._scope = InstrumentationScope("ampward", version("ampward"))
        self._batches: Any = BatchSpanProcessor(OTLPSpanExporter())

    def tell(self, span: Span) -> None:
        of, is_root = span.input, span.stage is Stage.DECIDE
        made = self._span(
            name=span.stage.value,
            context=self._context_of(of, span_id(of, span.stage, span.key)),
            parent=None if is_root else self._context_of(of, span_id(of, Stage.DECIDE)),
            resource=self._resource,
            attributes={"ampward.site": of.site, "ampward.input": f"{of.site}/{of.log_id}/{of.site_seq}"}
            | {f"ampward.{name}": value for name, value in span.attributes.items()},
            status=self._failed(span.failed) if span.failed else self._fine,
            start_time=span.start_ms * 1_000_000,
            end_time=max(span.start_ms, span.end_ms) * 1_000_000,
            instrumentation_scope=self._scope,
        )
        self._batches.on_end(made)

    def close(self) -> None:
        ending = threading.Thread(target=self._batches.shutdown, name="traces end", daemon=True)
        ending.start()
        ending.join(CLOSE_S)

    def _context_of(self, of: InputId, span: int) -> Any:
        return self._context(trace_id(of), span, is_remote=False, trace_flags=self._flags)
