"""Traces by OpenTelemetry: ids from the log, nothing when they are off, no secret when they are on."""

import logging
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from services.notifier.ledger_port import Row
from services.notifier.messages import Form, Item, Kind, Lane, Message
from services.notifier.post import Counter
from services.site.traces import OUTPUTS_MAX, SiteTraces
from shared.domain.events import Event, EventType
from shared.runtime.tracing import OFF, InputId, Span, Stage, by_input, open_spans, span_id, trace_id
from tests.testkit.otlp import collector

FRAME = InputId("depot", "log1", 7)
FAN = "depot/r1/io1-do0"


class Kept:
    """Spans that stay here."""

    is_on = True

    def __init__(self) -> None:
        self.told: list[Span] = []

    def tell(self, span: Span) -> None:
        self.told.append(span)

    def close(self) -> None:
        """Nothing waits."""


def event(kind: EventType, seq: int, *, subject: str = FAN, reason: str = "", at_ms: int = 0) -> Event:
    return Event(
        type=kind, id=f"e{seq}", site="depot", room="r1", room_no=seq, log_id="log1", site_seq=seq, ordinal=0,
        tick_ms=seq, at_ms=at_ms or 1_000 * seq, version="v", subject=subject, occurrence="o", rule="h2_alarm",
        severity="critical", state="B", value="2.1", unit="%vol", limit="2", quality="good", reason=reason,
        actor="anna", until_ms=0,
    )  # fmt: skip


def test_ids_come_from_the_input_alone() -> None:
    """Every process finds them by itself, for ever the same: a released form."""
    assert f"{trace_id(FRAME):032x}" == "906221191c7d5b0e83ff0fce8160492c"
    assert f"{span_id(FRAME, Stage.DECIDE):016x}" == "02cc2f8a4d253af8"
    others = {
        trace_id(FRAME._replace(site="mill")),
        trace_id(FRAME._replace(log_id="log2")),
        trace_id(FRAME._replace(site_seq=8)),
        trace_id(FRAME),
    }
    assert len(others) == 4
    assert len({span_id(FRAME, stage, key) for stage in Stage for key in ("", "a")}) == 2 * len(Stage)


def test_they_are_off_by_default_and_load_nothing() -> None:
    """What nobody asked for costs no import."""
    assert open_spans("site", {}) is OFF
    program = (
        "import sys; from shared.runtime.tracing import OFF, open_spans; assert open_spans('site', {}) is OFF;"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_without_the_extra_it_is_told_and_the_service_goes_on() -> None:
    """A variable that is set on every machine must not end the program on one."""
    program = (
        "import sys; sys.modules['opentelemetry'] = None; sys.modules['opentelemetry.sdk'] = None;"
        "from shared.runtime.tracing import OFF, open_spans;"
        "told = []; env = {'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://127.0.0.1:1'};"
        "assert open_spans('site', env, lambda event, words: told.append((event, words))) is OFF;"
        "assert told[0][0] == 'traces_are_off' and 'ampward[traces]' in told[0][1], told"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_a_real_collector_gets_them_with_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over OTLP: root and child, times, attributes, the fault."""
    with collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        spans = open_spans("site", {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.url})
        spans.tell(Span(Stage.DECIDE, FRAME, 1_000, 1_020, attributes={"room": "r1"}))
        spans.tell(Span(Stage.RELAY, FRAME, 1_020, 900, key=FAN, failed="no read-back"))
        spans.close()
        (one, root), (_, child) = sorted(collected.spans, key=lambda each: str(each[1].name))
    assert one == "ampward-site"
    assert int.from_bytes(root.trace_id) == int.from_bytes(child.trace_id) == trace_id(FRAME)
    assert int.from_bytes(root.span_id) == span_id(FRAME, Stage.DECIDE)
    assert (root.parent_span_id, child.parent_span_id) == (b"", root.span_id)
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (1_000_000_000, 1_020_000_000)
    assert child.start_time_unix_nano == child.end_time_unix_nano
    assert {each.key: each.value.string_value for each in root.attributes} == {
        "ampward.site": "depot",
        "ampward.input": "depot/log1/7",
        "ampward.room": "r1",
    }
    assert (child.status.message, root.status.message) == ("no read-back", "")


def test_a_collector_that_is_away_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Spans wait, are dropped, and the end comes all the same."""
    caplog.set_level(logging.CRITICAL, "opentelemetry")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    spans = open_spans("site", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    for number in range(5_000):
        spans.tell(Span(Stage.DECIDE, FRAME._replace(site_seq=number), 1, 2))
    spans.close()
    spans.tell(Span(Stage.DECIDE, FRAME, 1, 2))
    assert spans.is_on
    for ending in [thread for thread in threading.enumerate() if thread.name == "traces end"]:
        ending.join()


def test_only_inputs_of_alarms_and_outputs_are_traced() -> None:
    """A site that is well makes no spans."""
    events = [event(EventType.LOG_STARTED, 1), event(EventType.ALARM_RAISED, 2), event(EventType.OUTPUT_DEMANDED, 2)]
    assert [(cause.site_seq, len(caused)) for cause, caused in by_input(events)] == [(2, 2)]


@pytest.mark.parametrize(
    ("kinds", "failed"),
    [
        ([EventType.OUTPUT_DEMANDED, EventType.OUTPUT_CONFIRMED], [""]),
        ([EventType.OUTPUT_DEMANDED, EventType.OUTPUT_FAILED], ["no read-back"]),
        ([EventType.OUTPUT_DEMANDED, EventType.OUTPUT_RELEASED, EventType.OUTPUT_CONFIRMED], []),
        ([EventType.OUTPUT_CONFIRMED], []),
    ],
)
def test_the_relay_hangs_on_the_frame_that_demanded_it(kinds: Sequence[EventType], failed: list[str]) -> None:
    """Not on the read-back that confirmed it, which is another input."""
    spans = Kept()
    traces = SiteTraces(spans, lambda: 99_000)
    for seq, kind in enumerate(kinds, 7):
        traces.take([event(kind, seq, reason="no read-back" if kind is EventType.OUTPUT_FAILED else "")])
    decided = [span for span in spans.told if span.stage is Stage.DECIDE]
    assert [(span.input.site_seq, span.end_ms) for span in decided] == [(7 + n, 99_000) for n in range(len(kinds))]
    relays = [span for span in spans.told if span.stage is Stage.RELAY]
    assert [span.failed for span in relays] == failed
    assert all(span.input == FRAME and span.key == FAN and span.start_ms == 7_000 for span in relays)


def test_demands_that_nobody_settles_are_forgotten() -> None:
    """The oldest ones, so that what is remembered has a bound."""
    spans = Kept()
    traces = SiteTraces(spans)
    for number in range(OUTPUTS_MAX + 1):
        traces.take([event(EventType.OUTPUT_DEMANDED, 7, subject=f"depot/r1/do{number}")])
    traces.take([event(EventType.OUTPUT_CONFIRMED, 8, subject=f"depot/r1/do{number}") for number in (0, 1)])
    assert [span.key for span in spans.told if span.stage is Stage.RELAY] == ["depot/r1/do1"]


@pytest.mark.parametrize(("state", "told"), [("sent", [""]), ("refused", ["refused"]), ("failed", [])])
def test_a_message_hangs_on_the_frame_that_it_tells_of(state: str, told: list[str]) -> None:
    """To its end, whichever; neither the person nor the words are in it."""
    spans = Kept()
    items = (Item(Kind.RAISED, event(EventType.ALARM_RAISED, 7)), Item(Kind.REMINDER, event(EventType.ALARM_RAISED, 3)))
    message = Message("m1", Lane("anna", "email"), Form.ALARM, items, "t", (), urgent=True, at_ms=7_100)
    row = Row(message, state, attempts=2, changed_at_ms=9_000, why="anna@example.org")
    Counter(spans=spans).add(row)
    assert [(span.failed, span.input, span.start_ms, span.end_ms, span.key) for span in spans.told] == [
        (failed, FRAME, 7_000, 9_000, "m1") for failed in told
    ]
    assert "anna" not in str([span.attributes for span in spans.told])
