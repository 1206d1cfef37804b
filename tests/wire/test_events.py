"""Events as bytes and as CloudEvents."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import WireError
from shared.domain.events import Event, EventType
from shared.wire.events import cloud_event, decode_event, encode_event, stamp
from tests.contract.rows import event as row

EVENT = decode_event(row(4, 1, 9).data)
INTEGERS = {"room_no", "site_seq", "ordinal", "tick_ms", "at_ms", "until_ms"}


def test_the_bytes_are_the_fields_in_their_order() -> None:
    """One JSON object, no field left out, no null."""
    fields = orjson.loads(encode_event(EVENT))
    assert tuple(fields) == Event._fields
    assert {name for name, value in fields.items() if isinstance(value, int)} == INTEGERS
    assert None not in fields.values()


@given(st.text(max_size=30), st.integers(0, 1 << 53))
def test_any_text_and_number_comes_back(text: str, number: int) -> None:
    """Quotes, control characters and every script survive both ways."""
    event = EVENT._replace(reason=text, actor=text[::-1], tick_ms=number)
    assert decode_event(encode_event(event)) == event
    assert orjson.loads(encode_event(event))["reason"] == text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        encode_event(EVENT)[:-1],
        encode_event(EVENT).replace(b'"ordinal":1', b'"ordinal":"1"'),
        encode_event(EVENT._replace(at_ms=1 << 62)),
        encode_event(EVENT._replace(until_ms=-(10**30))),
    ],
)
def test_what_is_no_event_is_refused(data: bytes) -> None:
    """The table of bad events."""
    with pytest.raises(WireError):
        decode_event(data)


def test_a_cloud_event_has_the_shape_of_the_interface() -> None:
    """Attributes and extensions by name; data only as far as it applies."""
    cloud = cloud_event(EVENT._replace(type=EventType.ALARM_SHELVED.value, until_ms=60_400, actor="cli:anna"))
    data = cloud.pop("data")
    assert cloud == {
        "specversion": "1.0",
        "id": EVENT.id,
        "source": "/s",
        "type": "ampward.alarm.shelved.v1",
        "subject": "s/r1/gas1-h2/h2_alarm",
        "time": "2026-01-01T00:00:00.400Z",
        "datacontenttype": "application/json",
        "sequence": "000000000009",
        "causationid": f"s/{EVENT.log_id}/4",
        "rulesetversion": "v",
        "room": "r1",
    }
    assert data == {
        "alarm": "s/r1/gas1-h2/h2_alarm",
        "occurrence": "o",
        "rule": "h2_alarm",
        "severity": "critical",
        "state": "B",
        "value": "2.1",
        "unit": "%vol",
        "limit": "2",
        "quality": "good",
        "actor": "cli:anna",
        "for_ms": 60_000,
    }


def test_an_event_about_no_alarm_names_none() -> None:
    """data.alarm is there for alarms only."""
    made = cloud_event(EVENT._replace(type=EventType.OUTPUT_DEMANDED.value))["data"]
    assert isinstance(made, dict)
    assert "alarm" not in made


def test_stamps_are_utc_with_milliseconds() -> None:
    """Before 1970 too, where a dead clock battery may put us."""
    assert [stamp(ms) for ms in (0, 999, -1)] == [
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:00.999Z",
        "1969-12-31T23:59:59.999Z",
    ]


def test_every_event_that_decodes_can_be_shown() -> None:
    """A site signs what it likes: a year that no calendar has would else end every stream that comes to its event."""
    far = EVENT._replace(at_ms=(1 << 62) - 1, tick_ms=1, until_ms=-(1 << 61))
    assert decode_event(encode_event(far)) == far
    assert cloud_event(far)["time"] == "9999-12-30T23:59:59.999Z"
    assert cloud_event(far._replace(at_ms=-(1 << 61)))["time"] == "0001-01-02T00:00:00.000Z"
    orjson.dumps(cloud_event(far))
