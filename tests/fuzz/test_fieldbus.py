"""Fuzz targets of Modbus replies: nothing but the answer to this very request counts, whatever the line brings."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.devices.profile import Table
from shared.domain.units import NoData
from shared.fieldbus.exchange import (
    Exchange,
    Verdict,
    check_reply,
    coil_exchange,
    crc16,
    find_rtu,
    read_exchange,
    register_exchange,
    split_rtu,
    split_tcp,
)
from shared.fieldbus.port import BusFailure
from tests.fuzz.harness import edited, held

TRANSACTION = 513


def _tcp(exchange: Exchange, pdu: bytes, transaction: int = TRANSACTION) -> bytes:
    return transaction.to_bytes(2) + b"\0\0" + (len(pdu) + 1).to_bytes(2) + bytes((exchange.unit,)) + pdu


def _rtu(exchange: Exchange, pdu: bytes) -> bytes:
    frame = bytes((exchange.unit,)) + pdu
    return frame + crc16(frame)


def _good(exchange: Exchange) -> bytes:
    if exchange.size:
        return bytes((exchange.function, exchange.size)) + bytes(range(exchange.size))
    return exchange.pdu


_EXCHANGES = (
    read_exchange(1, Table.HOLDING, 0, 4),
    read_exchange(1, Table.COIL, 7, 9),
    read_exchange(2, Table.INPUT, 1000, 125),
    coil_exchange(1, 3, value=True),
    register_exchange(9, 100, 30),
)
_PDUS = tuple(pdu for x in _EXCHANGES for pdu in (_good(x), bytes((x.function | 0x80, 2))))


@st.composite
def _streams(draw: st.DrawFn, wrap: Callable[[Exchange, bytes], bytes]) -> tuple[Exchange, bytes]:
    exchange = draw(st.sampled_from(_EXCHANGES))
    frames = [wrap(other, pdu) for other in _EXCHANGES for pdu in _PDUS]
    return exchange, draw(
        st.one_of(edited(frames), edited(frames).flatmap(lambda a: edited(frames).map(lambda b: a + b)))
    )


@given(_streams(_tcp))
def test_a_tcp_stream_is_split_or_refused(case: tuple[Exchange, bytes]) -> None:
    """Frames come off the front until more bytes are needed or nothing can be made of them; each step gets on."""
    exchange, data = case
    while True:
        got = held(lambda data=data: split_tcp(data, TRANSACTION, exchange))  # type: ignore[misc]
        assert got is not None
        verdict, used, pdu = got
        if verdict in (Verdict.MORE, Verdict.GARBAGE):
            return
        assert 0 < used <= len(data)
        if verdict is Verdict.MINE:
            _judge(exchange, pdu)
        data = data[used:]


@given(_streams(_rtu))
def test_a_serial_stream_is_split_or_refused(case: tuple[Exchange, bytes]) -> None:
    """The same on a serial line, also when the answer stands behind stray bytes."""
    exchange, data = case
    found = held(lambda: find_rtu(b"\0" + data, exchange))
    if found is not None:
        _judge(exchange, found)
    while True:
        got = held(lambda data=data: split_rtu(data, exchange))  # type: ignore[misc]
        assert got is not None
        verdict, used, pdu = got
        if verdict in (Verdict.MORE, Verdict.GARBAGE):
            return
        assert 0 < used <= len(data)
        if verdict is Verdict.MINE:
            _judge(exchange, pdu)
        data = data[used:]


@given(st.sampled_from(_EXCHANGES), edited(_PDUS))
def test_a_reply_is_the_answer_or_a_typed_refusal(exchange: Exchange, pdu: bytes) -> None:
    """A reply of another function, length, byte count or echo is MALFORMED, an exception is EXCEPTION."""
    _judge(exchange, pdu)


def _judge(exchange: Exchange, pdu: bytes) -> None:
    answer = held(lambda: check_reply(exchange, pdu))
    assert answer is not None
    if isinstance(answer, BusFailure):
        assert answer.reason in (NoData.MALFORMED, NoData.EXCEPTION)
        assert answer.detail
    else:
        assert len(answer) == exchange.size
        assert pdu[0] == exchange.function
        assert pdu == _good(exchange)[:2] + answer if exchange.size else pdu == exchange.pdu


@pytest.mark.parametrize("exchange", _EXCHANGES)
def test_the_good_replies_are_good(exchange: Exchange) -> None:
    """Samples that are refused would fuzz nothing."""
    assert split_tcp(_tcp(exchange, _good(exchange)), TRANSACTION, exchange)[0] is Verdict.MINE
    assert split_rtu(_rtu(exchange, _good(exchange)), exchange)[0] is Verdict.MINE
    assert not isinstance(check_reply(exchange, _good(exchange)), BusFailure)
