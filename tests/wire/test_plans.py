"""Plans as bytes: canonical, hashed, and refused when they are none."""

from dataclasses import replace

import pytest

from shared.devices.plan import BusPlan, MqttPlan, SitePlan
from shared.domain.errors import WireError
from shared.domain.notify_plan import NotifyPlan, Person
from shared.wire.packing import Mark, Packed, decode_mark, decode_packed, decode_states, encode_mark, encode_packed
from shared.wire.plans import decision_version, decode_decision, decode_site, encode_decision, encode_guard, encode_site
from shared.wire.states import decode_state, encode_state
from tests.services.processor.plant import decision


def a_site() -> SitePlan:
    """A small one."""
    return SitePlan(
        name="Demo",
        time_zone="Europe/Berlin",
        language="en",
        demo=True,
        decision=decision(),
        buses=(BusPlan("b1", "127.0.0.1:5020", "", "", 300),),
        mqtt=MqttPlan(""),
        http="127.0.0.1:0",
        simulate="",
    )


def test_a_decision_plan_comes_back_and_keeps_its_version() -> None:
    """The version is the hash of the canonical bytes, and any change of a limit is another version."""
    data = encode_decision(decision())
    assert decode_decision(data) == decision()
    assert encode_decision(decode_decision(data)) == data
    assert len(decision_version(data)) == 32
    assert decision_version(encode_decision(decision(limit_2=20_001))) != decision_version(data)


def test_a_site_plan_comes_back() -> None:
    """With its defaults, and without a field that is newer than the bytes."""
    plan = a_site()
    data = encode_site(plan)
    assert decode_site(data) == plan
    assert decode_site(data.replace(b',"keep_around_alarm_ms":900000', b"")) == plan


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 3000, b'{"core_version":"x"}'])
def test_what_is_no_plan_is_refused(data: bytes) -> None:
    """Never another error than WireError."""
    for decode in (decode_decision, decode_site, decode_packed, decode_states, decode_mark, decode_state):
        if decode is decode_state and data.startswith(b"{"):
            continue
        with pytest.raises(WireError):
            decode(data)


def test_packed_forms_come_back() -> None:
    """Columns, states and marks; columns of different length are refused."""
    packed = Packed([2], [1, 2], ["tick", "frame"], [7, 8], [b"a", b"b"], [2], [0], [9], [b"e"])
    assert decode_packed(encode_packed(packed)) == packed
    with pytest.raises(WireError, match="length"):
        decode_packed(encode_packed(packed._replace(sums=[7])))
    assert decode_mark(encode_mark(Mark("l", 7, "ab"))) == Mark("l", 7, "ab")
    assert decode_state(encode_state({"form": 1, "x": [1, "a"]})) == {"form": 1, "x": [1, "a"]}


def test_guards_plan_does_not_change_with_people() -> None:
    """guard has no need of people: its bytes are the same whoever is told."""
    plan = a_site()
    peopled = replace(plan, notify=NotifyPlan(people=(Person("anna", "Anna", email="anna@example.org"),)))
    assert encode_guard(peopled) == encode_guard(plan)
    assert b"anna" not in encode_guard(peopled)
    assert decode_site(encode_site(peopled)) == peopled
