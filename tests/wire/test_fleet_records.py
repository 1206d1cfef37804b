"""The records of the fleet's topics: the same both ways, newer ones are read, and a verdict for what is no record."""

import json
import re

import msgspec
import pytest

from shared.domain.errors import WireError
from shared.wire import batches, cloud, deadletters, deliveries, live, orders
from shared.wire.batches import Verdict, decode_batch, encode_batch
from shared.wire.deadletters import decode_dead_letter, encode_dead_letter
from shared.wire.orders import decode_order, encode_order
from shared.wire.plans import check_decision, decision_version
from shared.wire.signing import SigningKey
from shared.wire.versions import Form
from tests.wire.chained import KEY
from tests.wire.fleet_samples import BATCH, COMMAND, COMMAND_ORDER, DELIVERY, LETTER, LIVE, RESEND, SAMPLES, Sample

JSON_SAMPLES = [sample for sample in SAMPLES if sample.name not in ("block", "batch", "dead_letter", "live", "state")]


def named(sample: Sample) -> str:
    return sample.name


@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_a_record_comes_back_as_it_was(sample: Sample) -> None:
    """Decoded it is equal, encoded again it has the same bytes."""
    assert sample.decode(sample.data) == sample.value
    assert sample.encode(sample.decode(sample.data)) == sample.data


@pytest.mark.parametrize("sample", JSON_SAMPLES, ids=named)
def test_a_newer_programs_record_is_read(sample: Sample) -> None:
    """What form 2 added is skipped by a program of form 1; form 3 is refused."""
    fields = json.loads(sample.data)
    newer = json.dumps(fields | {"v": 2, "more": {"x": [1]}}, ensure_ascii=False, separators=(",", ":")).encode()
    found = sample.decode(newer)
    assert (msgspec.structs.replace(found, v=1) if isinstance(found, msgspec.Struct) else found) == sample.value
    with pytest.raises(WireError, match="form 3, this program reads 1 to 2"):
        sample.decode(json.dumps(fields | {"v": 3}).encode())


def _added() -> list[tuple[Sample, msgspec.structs.FieldInfo]]:
    """Fields that a record may lack; ``v`` and the key that has signed it are always there."""
    return [
        (sample, each)
        for sample in SAMPLES
        if sample in JSON_SAMPLES or sample.name == "live"
        if isinstance(sample.value, msgspec.Struct)
        for each in msgspec.structs.fields(sample.value)
        if not each.required and each.name not in ("v", "key")
    ]


@pytest.mark.parametrize(("sample", "added"), _added(), ids=lambda each: each.name)
def test_an_older_programs_record_is_read(sample: Sample, added: msgspec.structs.FieldInfo) -> None:
    """Of before the field was there: it has the default that says nothing, and everything else is as it was."""
    header, newline, _ = sample.data.partition(b"\n")
    fields = json.loads(header)
    del fields[added.name]
    line = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    older = line + b"\n" + KEY.sign(live.SIGNED + line) if newline else line
    default = added.default if added.default_factory is msgspec.NODEFAULT else added.default_factory()
    assert sample.decode(older) == msgspec.structs.replace(sample.value, **{added.name: default})


class _Third(msgspec.Struct):
    v: int
    name: str
    size: int
    unit: str = "mm"


def _second(first: dict[str, object]) -> dict[str, object]:
    return first | {"v": 2, "name": first["nme"]}


def _third(second: dict[str, object]) -> dict[str, object]:
    return second | {"v": 3, "size": second["size_cm"] * 10}  # type: ignore[operator]


def test_older_records_are_brought_up_step_by_step() -> None:
    """A record of any older form is read as the newest one; forms before the first and after the next are refused."""
    form = Form("plank", _Third, (_second, _third))
    assert form.read(b'{"v":1,"nme":"a","size_cm":4}') == _Third(3, "a", 40)
    assert form.read(b'{"v":2,"name":"a","size_cm":4}') == _Third(3, "a", 40)
    assert form.read(b'{"v":3,"name":"a","size":4}') == _Third(3, "a", 4)
    assert form.read(b'{"v":4,"name":"a","size":4,"new":1}') == _Third(4, "a", 4)
    for bad in (b'{"v":0}', b'{"v":5}', b'{"v":"1"}', b"{}", b"[1]", b'{"v":1,"nme":"a","size_cm":"x"}'):
        with pytest.raises(WireError, match="plank"):
            form.read(bad)


def test_the_events_of_a_batch_keep_their_bytes() -> None:
    """Also those that another program would have written otherwise."""
    odd = BATCH.events[0].replace(b'"limit":"2"', b'"limit" : "2" , "more":[1, 2]')
    assert decode_batch(encode_batch(BATCH._replace(events=(odd,)))).events == (odd,)


def test_a_site_cannot_spoil_a_batch() -> None:
    """Events that are not the centre's own are looked at before they are written."""
    for verdict in (Verdict.DIFFERENT, Verdict.NOT_COMPARABLE):
        with pytest.raises(WireError, match="event"):
            encode_batch(BATCH._replace(verdict=verdict, events=(b'{"x":1}],"verdict":"equal"',)))


def test_an_order_carries_the_whole_command() -> None:
    """What the person said at the centre is what the site's log takes."""
    found = decode_order(encode_order(COMMAND_ORDER))
    assert isinstance(found, orders.CommandOrder)
    assert found.command() == COMMAND
    unsaid = COMMAND._replace(severity_seen=None)
    assert orders.command_order(unsaid, site="s", sent_at_ms=0, ttl_ms=1).command() == unsaid


_ORDER = encode_order(COMMAND_ORDER)
_LEASE = next(sample for sample in SAMPLES if sample.name == "lease").data


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "order"),
        (b"[]", "order"),
        (b"[" * 5000, "order"),
        (b"\xff", "order"),
        (_ORDER.replace(b'"type":"command"', b'"type":"fan_off"'), "fan_off"),
        (_ORDER.replace(b'"what":"shelve"', b'"what":"switch_off"'), "switch_off"),
        (_ORDER.replace(b'"ttl_ms":600000', b'"ttl_ms":0'), "ttl_ms"),
        (_ORDER.replace(b'"ttl_ms":600000', b'"ttl_ms":86400001'), "ttl_ms"),
        (_ORDER.replace(b'"actor":"anna"', b'"actor":""'), "actor"),
        (_ORDER.replace(b'"actor":"anna"', b'"actor":null'), "actor"),
        (_ORDER.replace(b'"severity_seen":1', b'"severity_seen":4'), "severity_seen"),
        (_ORDER.replace(b'"for_ms":3600000', b'"for_ms":1e999'), "order"),
        (_LEASE.replace(b'"on_ms":60000', b'"on_ms":900001'), "on_ms"),
        (_LEASE.replace(b'"number":2', b'"number":-2'), "number"),
        (_LEASE.replace(b"drill", b"x" * 4097), "reason"),
        (_LEASE.replace(b"drill", b"x" * 65_536), "at most 65536"),
    ],
)
def test_what_is_no_order_is_refused_with_its_reason(data: bytes, says: str) -> None:
    """The table of bad inputs of this parser: the field, and what is allowed."""
    with pytest.raises(WireError, match=says):
        decode_order(data)


_BATCH = encode_batch(BATCH)
_LIVE = live.encode_live(LIVE, KEY)
OTHER_KEY = SigningKey(b"o" * 32)


def _live(data: bytes) -> live.Live:
    return live.decode_live(data, {KEY.id: KEY.public})


_LETTER = encode_dead_letter(LETTER)


@pytest.mark.parametrize(
    ("decode", "data", "says"),
    [
        (decode_batch, b"", "batch"),
        (decode_batch, _BATCH[:-1], "batch"),
        (decode_batch, _BATCH.replace(b'"equal"', b'"nearly"'), "nearly"),
        (decode_batch, _BATCH.replace(b'"offset":41', b'"offset":-1'), "offset"),
        (decode_batch, b"x" * (batches.BATCH_BYTES_MAX + 1), "at most"),
        (decode_batch, re.sub(rb'"events":\d+', b'"events":9007199254740991', _BATCH, count=1), "records in"),
        (_live, b"{}", "no line and signature"),
        (_live, _LIVE[:-1], "no line and signature"),
        (_live, _LIVE + b"x", "no line and signature"),
        (_live, b"{}\n" + bytes(64), "live record"),
        (_live, b"x" * (live.LIVE_BYTES_MAX + 1), "at most"),
        (_live, _LIVE.replace(b'"events":[{', b'"events":[{,'), "live record"),
        (_live, _LIVE.replace(b'"value":"2.1"', b'"value":"0.1"'), "not signed by the key"),
        (_live, _LIVE.replace(KEY.id.encode(), b"0" * 16), "no key"),
        (_live, live.encode_live(LIVE, OTHER_KEY), "no key"),
        (_live, _LIVE.partition(b"\n")[0] + b"\n" + KEY.sign(_LIVE.partition(b"\n")[0]), "not signed by the key"),
        (deliveries.decode_delivery, deliveries.encode_delivery(DELIVERY).replace(b"failed", b"lost"), "outcome"),
        (deliveries.decode_delivery, b"x" * 65_537, "at most"),
        (decode_dead_letter, b"{}", "no header line"),
        (decode_dead_letter, b"{}\n", "dead letter"),
        (decode_dead_letter, _LETTER[:-1], "its bytes are not"),
        (decode_dead_letter, _LETTER + b"x", "its bytes are not"),
        (decode_dead_letter, _LETTER.replace(b"po\nison", b"no\nison"), "its bytes are not"),
        (decode_dead_letter, b"x" * (deadletters.LETTER_BYTES_MAX + 1), "more than"),
    ],
)
def test_what_is_no_record_is_refused_with_its_reason(decode: object, data: bytes, says: str) -> None:
    """The table of bad inputs of the other parsers."""
    assert callable(decode)
    with pytest.raises(WireError, match=says):
        decode(data)


def test_nothing_is_sent_that_nobody_would_read() -> None:
    """The writer learns of a record that is too large or wrong, not the reader."""
    with pytest.raises(WireError, match="ttl_ms"):
        encode_order(msgspec.structs.replace(RESEND, ttl_ms=0))
    with pytest.raises(WireError, match="at most"):
        live.encode_live(msgspec.structs.replace(LIVE, events=LIVE.events * 4000), KEY)
    with pytest.raises(WireError, match="reason"):
        deliveries.encode_delivery(msgspec.structs.replace(DELIVERY, reason="x" * 4097))
    with pytest.raises(WireError, match="at most"):
        encode_dead_letter(LETTER._replace(data=bytes(deadletters.LETTER_BYTES_MAX)))
    with pytest.raises(WireError, match="at most"):
        encode_batch(BATCH._replace(events=(BATCH.events[0],) * 70_000))


def test_a_dead_letter_cuts_what_is_too_long_but_never_the_bytes() -> None:
    """A reason of a megabyte is cut, so that the letter can be read."""
    long = LETTER._replace(reason="x" * 1_000_000, key="k" * 100_000)
    found = decode_dead_letter(encode_dead_letter(long))
    assert (len(found.reason), len(found.key), found.data) == (4096, 4096, LETTER.data)


def test_a_rule_set_is_named_by_its_bytes() -> None:
    """Other bytes under the same name are refused."""
    check_decision(decision_version(b"{}"), b"{}")
    with pytest.raises(WireError, match="these bytes are"):
        check_decision(decision_version(b"{}"), b"{ }")


def test_a_record_carries_the_attributes_of_a_cloud_event() -> None:
    """Binary mode of the Kafka binding: ce_ before each name, the media type as content-type."""
    found = dict(cloud.headers(cloud.BLOCK, site="s", id=cloud.range_id("l", 1, 2, 3), at_ms=1_767_225_600_123))
    assert found == {
        "ce_specversion": b"1.0",
        "ce_type": b"ampward.inputs.block.v1",
        "ce_source": b"/s",
        "ce_id": b"l/1/2-3",
        "ce_time": b"2026-01-01T00:00:00.123Z",
        "ce_partitionkey": b"s",
        "content-type": b"application/vnd.ampward.block",
    }
