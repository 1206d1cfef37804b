"""Fuzz targets of the fleet's records: blocks, batches, orders, live records, deliveries, dead letters, keys."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.errors import WireError
from shared.wire.blocks import Block, decode_block, peek_block
from shared.wire.signing import SIGNATURE_BYTES, PublicKey, SigningKey, read_public_key, read_signing_key
from tests.fuzz.harness import bad, held
from tests.wire.chained import KEY
from tests.wire.fleet_samples import SAMPLES, Sample

BLOCK = SAMPLES[0].data
_DEEP = b'{"v":1,"links":' + b"[" * 5000 + b"\n" + bytes(SIGNATURE_BYTES)
_BOMB = b'{"v":1,"inputs":[[1,9007199254740991]],"links":[[1,9007199254740991,0,0,""]]}\n' + bytes(SIGNATURE_BYTES)


def _signed_anew(data: bytes) -> bytes:
    """With the right signature, so that the fuzz reaches what stands behind it."""
    end = data.find(b"\n") + 1
    return data[:end] + KEY.sign(data[:end]) + data[end + SIGNATURE_BYTES :] if end else data


@given(bad((BLOCK,)), st.booleans())
@example(_DEEP, True)  # noqa: FBT003 - drawn by position
@example(_BOMB, True)  # noqa: FBT003
def test_a_block_is_decoded_or_refused(data: bytes, signed: bool) -> None:
    """Whatever the bytes, signed by the site or not: the block that the site wrote, or a WireError."""
    candidate = _signed_anew(data) if signed else data
    held(partial(peek_block, candidate), WireError)
    got = held(partial(decode_block, candidate, KEY.public), WireError)
    if got is not None:
        assert isinstance(got, Block)
        assert got.inputs == SAMPLES[0].value.inputs


def _plain() -> list[Any]:
    return [pytest.param(sample, id=sample.name) for sample in SAMPLES[1:]]


@pytest.mark.parametrize("sample", _plain())
@given(data=st.data())
def test_a_record_is_decoded_or_refused(sample: Sample, data: st.DataObject) -> None:
    """Whatever the bytes: a record that can be written again, or a WireError."""
    candidate = data.draw(bad((sample.data, _DEEP)))
    got = held(partial(sample.decode, candidate), WireError)
    if got is not None:
        assert sample.decode(sample.encode(got)) == got


@pytest.mark.parametrize("read", [read_signing_key, lambda data: read_public_key(data.decode("latin-1"))])
@given(data=bad((SigningKey(bytes(32)).pem(), KEY.public.text().encode())))
def test_a_key_is_read_or_refused(read: Callable[[bytes], object], data: bytes) -> None:
    """Whatever the file: a key, or a WireError that does not quote it."""
    got = held(partial(read, data), WireError)
    assert got is None or isinstance(got, SigningKey | PublicKey)
