"""Fuzz target of register words: any frame of any shipped device decodes, plainly and as columns alike."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.devices.blocks import plan_device
from shared.devices.columns import ScanDecoder
from shared.devices.decoder import decode_device
from shared.devices.frame import Block, Frame
from shared.devices.profile import DevicePlan, Profile, Table
from shared.domain.units import CEILING, NoData
from shared.runtime.profiles import SHIPPED, load_profile, shipped_profiles
from tests.fuzz.harness import held
from tests.fuzz.samples import FRAME


def _plan(name: str) -> DevicePlan:
    profile, faults = load_profile(name, SHIPPED)
    assert isinstance(profile, Profile), faults
    found = (group.channel(n, short.name) for group in profile.groups for short in group.channels for n in (1, 2))
    extra = [channel for channel in found if channel is not None]
    return plan_device(profile, device_id="d", bus="b", unit=1, every_ms=1000, rooms=("r1",), extra=extra)


_PLANS = {name: _plan(name) for name in shipped_profiles()}
_DECODERS = {name: ScanDecoder(plan) for name, plan in _PLANS.items()}
_WORD = st.sampled_from((b"\x00\x00", b"\xff\xff", b"\x7f\xff", b"\x80\x00", b"\x7f\x80", b"\x00\x01", b"\x0e\x10"))


@st.composite
def _frames(draw: st.DrawFn) -> tuple[str, Frame]:
    name = draw(st.sampled_from(sorted(_PLANS)))
    blocks = []
    for block in _PLANS[name].blocks:
        size = (block.count + 7) // 8 if block.table.is_bits else 2 * block.count
        words = draw(st.one_of(st.binary(min_size=size, max_size=size), st.lists(_WORD, max_size=20).map(b"".join)))
        if draw(st.integers(0, 3)):
            words = (words * (size // max(1, len(words)) + 1))[:size]
        blocks.append(Block(block.table, block.address, block.count, words))
    stray = Block(Table.HOLDING, 65535, 9, b"")
    taken = draw(st.sampled_from((blocks, blocks, blocks[:-1], [*blocks, stray], [stray, *blocks])))
    outcome = draw(st.sampled_from((NoData.PRESENT, NoData.PRESENT, NoData.PRESENT, NoData.TIMEOUT)))
    return name, FRAME._replace(device="d", outcome=outcome, blocks=tuple(taken))


@given(_frames())
def test_any_words_decode_to_values_or_reasons(case: tuple[str, Frame]) -> None:
    """No frame raises; the column form gives what the plain form gives, value by value and reason by reason."""
    name, frame = case
    plain = held(lambda: decode_device(_PLANS[name].channels, frame))
    scan = held(lambda: _DECODERS[name].decode(frame))
    assert plain is not None
    assert scan is not None
    for value, column, reason in zip(plain, scan.values.tolist(), scan.reasons.tolist(), strict=True):
        if isinstance(value, NoData):
            assert reason == value
        else:
            assert (column, reason) == (value, NoData.PRESENT)
            assert abs(value) <= CEILING
    assert scan.values.dtype == np.int64
