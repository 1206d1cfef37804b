"""The state record of a site: what comes back, and what is refused with which words."""

import zlib
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import WireError
from shared.wire import site_state
from shared.wire.site_state import SiteState, StatePlace, decode_site_state, encode_site_state, peek_site_state

STATE = SiteState("s", 3, 2, "l" * 32, 70, b"h" * 32, 41, 1, "", "", ("r2",), ((1, "l" * 32),), {"": b"v", "r1": b"{}"})


def test_a_state_comes_back_as_it_was() -> None:
    """Every field, and the highest (offset, site_seq) is what decides between two records."""
    data = encode_site_state(STATE)
    assert decode_site_state(data) == STATE
    assert encode_site_state(decode_site_state(data)) == data
    assert peek_site_state(data) == ("s", (41, 70), "")
    assert StatePlace(40, 99) < StatePlace(41, 70) < StatePlace(41, 71)


def _record(body: bytes, *, site: str = "s", form: int = 1, digest: str = "") -> bytes:
    place = {"v": form, "site": site, "offset": 41, "site_seq": 70, "parked": ""}
    header = {**place, "sha256": digest or sha256(body).hexdigest(), "size": len(body)}
    return msgspec.json.encode(header) + b"\n" + zlib.compress(body)


def test_what_a_newer_program_added_is_skipped() -> None:
    """More at the end of the array, in a record of the next form."""
    body = msgspec.msgpack.encode([*STATE, {"more": 1}])
    assert decode_site_state(_record(body, form=2)) == STATE


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "site state"),
        (b"no header", "site state"),
        (_record(b"x", form=3), "form 3, this program reads 1 to 2"),
        (_record(b"x", digest="0" * 64), "not what was written"),
        (_record(msgspec.msgpack.encode(STATE))[:-3], "not what was written"),
        (_record(msgspec.msgpack.encode(["s"])), "site state"),
        (_record(msgspec.msgpack.encode(STATE), site="other"), "stored as other, but it is of s"),
        (_record(b"").partition(b"\n")[0] + b"\nnot zlib", "site state"),
    ],
)
def test_what_is_no_state_is_refused(data: bytes, says: str) -> None:
    """Each with a sentence; nothing else is raised."""
    with pytest.raises(WireError, match=says):
        decode_site_state(data)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that unpack to more than the bound are refused at the bound, at both ends."""
    monkeypatch.setattr(site_state, "UNPACKED_MAX", 1_000)
    with pytest.raises(WireError, match="not what was written"):
        decode_site_state(_record(bytes(1_000_000)))
    with pytest.raises(WireError, match="at most 1000 are read"):
        encode_site_state(STATE._replace(states={"r1": bytes(2_000)}))


@given(st.binary(max_size=300), st.integers(0, 250))
def test_mangled_bytes_raise_nothing_else(noise: bytes, at: int) -> None:
    """A record with foreign bytes in it is read as it was or refused."""
    data = encode_site_state(STATE)
    try:
        assert decode_site_state(data[:at] + noise + data[at + len(noise) :]).site == "s"
    except WireError:
        assert noise
