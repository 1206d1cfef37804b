"""Fuzz targets of the codecs: inputs, events, plans and the link between guard and site."""

from functools import partial
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.devices.plan import DecisionPlan, MqttPlan, SitePlan
from shared.domain.errors import WireError
from shared.domain.plan import RoomPlan
from shared.wire import guardlink
from shared.wire.events import decode_event, encode_event
from shared.wire.inputs import decode_input, encode_input
from shared.wire.plans import decode_decision, decode_site, encode_decision, encode_site
from tests.fuzz.harness import bad, held
from tests.fuzz.samples import BODIES, EVENTS, FRAME, INPUTS

_DECISION = DecisionPlan(core_version=1, site="demo", devices=(), rooms=(RoomPlan(id="r1", site="demo", name="Room"),))  # type: ignore[arg-type]
_SITE = SitePlan(
    name="Demo",
    time_zone="UTC",
    language="en",
    demo=True,
    decision=_DECISION,
    buses=(),
    mqtt=MqttPlan(""),
    http="127.0.0.1:0",
    simulate="",
)
_FROM_GUARD = (
    guardlink.encode(guardlink.Hello(boot="b", pid=1, plan="h", lease=0)),
    guardlink.encode(guardlink.Ready(5)),
    guardlink.encode_frame(3, FRAME, 15),
    guardlink.encode(guardlink.ReportSent(4, "write", "demo/r1/io1-do0", on=True, pulse=False, detail="ok")),
    guardlink.encode(guardlink.Refused("lease", "number not above the last", 4)),
)
_TO_GUARD = (
    guardlink.encode(guardlink.Join("site", 7)),
    guardlink.encode(guardlink.Ack(7)),
    guardlink.encode(guardlink.LeaseSent(8, 5000, {"demo/r1/io1-do0": True}, 12)),
    guardlink.encode(guardlink.PlanSent("h"), encode_site(_SITE)),
    guardlink.encode(guardlink.Test("demo/r1/io1-do0")),
    guardlink.encode(guardlink.Stop()),
)


_DEEP = b'{"v":1,"m":"ack","kind":' + b"[" * 5000 + b"\n"


@given(bad(INPUTS))
@example(_DEEP)
def test_an_input_is_decoded_or_refused(data: bytes) -> None:
    """Whatever the bytes: an input, or a WireError that says what is wrong."""
    got = held(partial(decode_input, data), WireError)
    if got is not None:
        again = encode_input(*got)
        assert decode_input(again) == got


@pytest.mark.parametrize("data", INPUTS, ids=[type(body).__name__ for body in BODIES])
def test_the_good_samples_are_good(data: bytes) -> None:
    """Samples that are refused would fuzz nothing."""
    assert encode_input(*decode_input(data)) == data


@given(bad(EVENTS))
@example(_DEEP)
def test_an_event_is_decoded_or_refused(data: bytes) -> None:
    """Whatever the bytes: an event, or a WireError that says what is wrong."""
    got = held(partial(decode_event, data), WireError)
    if got is not None:
        assert decode_event(encode_event(got)) == got


@given(bad((encode_decision(_DECISION),)))
@example(_DEEP)
def test_a_rule_set_is_decoded_or_refused(data: bytes) -> None:
    """Whatever the bytes: a decision plan, or a WireError that says what is wrong."""
    got = held(partial(decode_decision, data), WireError)
    if got is not None:
        assert decode_decision(encode_decision(got)) == got


@given(bad((encode_site(_SITE),)))
@example(_DEEP)
def test_a_site_plan_is_decoded_or_refused(data: bytes) -> None:
    """Whatever the bytes: a site plan, or a WireError that says what is wrong."""
    got = held(partial(decode_site, data), WireError)
    if got is not None:
        assert decode_site(encode_site(got)) == got


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@example(len(_DEEP).to_bytes(4) + _DEEP, [])
@given(bad(_FROM_GUARD), st.lists(st.integers(0, 10_000), max_size=4))
def test_what_guard_says_is_read_or_refused(data: bytes, cuts: list[int]) -> None:
    """However the stream is cut: whole messages, or a WireError; frames that do not add up are refused too."""
    reader = guardlink.FromGuardReader()
    for piece in _pieces(data, cuts):
        messages = held(lambda piece=piece: list(reader.feed(piece)), WireError)  # type: ignore[misc]
        if messages is None:
            return
        for message, tail in messages:
            if isinstance(message, guardlink.FrameSent):
                held(partial(guardlink.frame_of, message, tail), WireError)


@example(len(_DEEP).to_bytes(4) + _DEEP, [])
@given(bad(_TO_GUARD), st.lists(st.integers(0, 10_000), max_size=4))
def test_what_is_said_to_guard_is_read_or_refused(data: bytes, cuts: list[int]) -> None:
    """However the stream is cut: whole messages, or a WireError."""
    reader = guardlink.ToGuardReader()
    for piece in _pieces(data, cuts):
        if held(lambda piece=piece: list(reader.feed(piece)), WireError) is None:  # type: ignore[misc]
            return


@pytest.mark.parametrize("data", _FROM_GUARD + _TO_GUARD)
def test_the_good_messages_are_good(data: bytes) -> None:
    """Each sample is exactly one message of its direction."""
    reader = guardlink.FromGuardReader() if data in _FROM_GUARD else guardlink.ToGuardReader()
    assert len(list(reader.feed(data))) == 1
