"""Modbus TCP and RTU replies, good and bad, and what each is taken for."""

import pytest

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
    rtu_frame,
    split_rtu,
    split_tcp,
)
from shared.fieldbus.port import BusFailure

READ = read_exchange(1, Table.HOLDING, 0, 2)
BITS = read_exchange(1, Table.COIL, 0, 9)
COIL = coil_exchange(1, 3, value=True)
REGISTER = register_exchange(1, 100, 30)


def test_requests_are_the_bytes_of_the_standard() -> None:
    """Golden frames: reading two registers, writing a coil and a register, with the CRC in line order."""
    assert rtu_frame(READ).hex(" ") == "01 03 00 00 00 02 c4 0b"
    assert rtu_frame(COIL).hex(" ") == "01 05 00 03 ff 00 7c 3a"
    assert rtu_frame(REGISTER).hex(" ") == "01 06 00 64 00 1e 48 1d"
    assert rtu_frame(read_exchange(17, Table.INPUT, 8, 1)).hex(" ") == "11 04 00 08 00 01 b2 98"


PDUS: list[tuple[str, Exchange, str, bytes | NoData]] = [
    ("two registers", READ, "03 04 00 01 00 02", b"\0\1\0\2"),
    ("nine bits", BITS, "01 02 ff 01", b"\xff\x01"),
    ("the echo of a coil", COIL, "05 00 03 ff 00", b""),
    ("the echo of a register", REGISTER, "06 00 64 00 1e", b""),
    ("an exception", READ, "83 02", NoData.EXCEPTION),
    ("an exception without a name", READ, "83 63", NoData.EXCEPTION),
    ("nothing", READ, "", NoData.MALFORMED),
    ("a function code alone", READ, "03", NoData.MALFORMED),
    ("another function", READ, "04 04 00 01 00 02", NoData.MALFORMED),
    ("the exception of another function", READ, "84 02", NoData.MALFORMED),
    ("an exception without a code", READ, "83", NoData.MALFORMED),
    ("an exception with more than a code", READ, "83 02 00", NoData.MALFORMED),
    ("one register for two", READ, "03 02 00 01", NoData.MALFORMED),
    ("three registers for two", READ, "03 06 00 01 00 02 00 03", NoData.MALFORMED),
    ("a byte count that lies", READ, "03 02 00 01 00 02", NoData.MALFORMED),
    ("a byte too few", READ, "03 04 00 01 00", NoData.MALFORMED),
    ("one byte for nine bits", BITS, "01 01 ff", NoData.MALFORMED),
    ("the echo of another coil", COIL, "05 00 04 ff 00", NoData.MALFORMED),
    ("the echo of the other state", COIL, "05 00 03 00 00", NoData.MALFORMED),
    ("an echo cut off", COIL, "05 00 03 ff", NoData.MALFORMED),
    ("the echo of another value", REGISTER, "06 00 64 00 1f", NoData.MALFORMED),
]


@pytest.mark.parametrize(("about", "exchange", "pdu", "expected"), PDUS, ids=[case[0] for case in PDUS])
def test_only_the_exact_answer_counts(about: str, exchange: Exchange, pdu: str, expected: bytes | NoData) -> None:
    """Function, length, byte count and echo are those of the request, or the reply is refused with its reason."""
    found = check_reply(exchange, bytes.fromhex(pdu))
    assert (found.reason if isinstance(found, BusFailure) else found) == expected, about


TCP: list[tuple[str, str, Verdict, int]] = [
    ("the answer", "0007 0000 0007 01 03 04 0001 0002", Verdict.MINE, 13),
    ("the answer and more", "0007 0000 0007 01 03 04 0001 0002 0008", Verdict.MINE, 13),
    ("nothing yet", "", Verdict.MORE, 0),
    ("half a header", "0007 0000 00", Verdict.MORE, 0),
    ("half an answer", "0007 0000 0007 01 03 04 00", Verdict.MORE, 0),
    ("the answer to the request before", "0006 0000 0007 01 03 04 0001 0002", Verdict.FOREIGN, 13),
    ("an answer without a transaction", "0000 0000 0007 01 03 04 0001 0002", Verdict.FOREIGN, 13),
    ("another unit's answer", "0007 0000 0007 02 03 04 0001 0002", Verdict.FOREIGN, 13),
    ("another protocol", "0007 0001 0007 01 03 04 0001 0002", Verdict.GARBAGE, 0),
    ("another protocol, seen early", "0007 0001", Verdict.GARBAGE, 0),
    ("a length of nothing", "0007 0000 0000 01", Verdict.GARBAGE, 0),
    ("a length without a function", "0007 0000 0001 01", Verdict.GARBAGE, 0),
    ("a length over the largest", "0007 0000 00ff 01", Verdict.GARBAGE, 0),
    ("a web server", "485454502f312e3120343030", Verdict.GARBAGE, 0),
]


@pytest.mark.parametrize(("about", "data", "verdict", "used"), TCP, ids=[case[0] for case in TCP])
def test_a_tcp_stream_is_taken_apart_strictly(about: str, data: str, verdict: Verdict, used: int) -> None:
    """Transaction, protocol, length and unit decide whether a frame is mine, foreign or garbage."""
    assert split_tcp(bytes.fromhex(data), 7, READ)[:2] == (verdict, used), about


def framed(text: str) -> bytes:
    """These bytes with their CRC."""
    data = bytes.fromhex(text)
    return data + crc16(data)


RTU: list[tuple[str, Exchange, bytes, Verdict]] = [
    ("the answer", READ, framed("01 03 04 0001 0002"), Verdict.MINE),
    ("an exception", READ, framed("01 83 02"), Verdict.MINE),
    ("an echo", COIL, framed("01 05 0003 ff00"), Verdict.MINE),
    ("nothing yet", READ, b"", Verdict.MORE),
    ("half of it", READ, framed("01 03 04 0001 0002")[:6], Verdict.MORE),
    ("a wrong CRC", READ, framed("01 03 04 0001 0002")[:-1] + b"\0", Verdict.GARBAGE),
    ("another unit's answer", READ, framed("02 03 04 0001 0002"), Verdict.FOREIGN),
    ("the answer to a longer read", READ, framed("01 03 06 0001 0002 0003"), Verdict.FOREIGN),
    ("the answer to another function", READ, framed("01 04 04 0001 0002"), Verdict.FOREIGN),
    ("the echo of another write", COIL, framed("01 05 0004 ff00"), Verdict.FOREIGN),
    ("the exception of another function", READ, framed("01 84 02"), Verdict.FOREIGN),
    ("our own request heard back", READ, rtu_frame(READ), Verdict.GARBAGE),
    ("an unknown function", READ, b"\x01\x2b\x0e\x01\x00\x00\x00", Verdict.GARBAGE),
]


@pytest.mark.parametrize(("about", "exchange", "data", "verdict"), RTU, ids=[case[0] for case in RTU])
def test_a_serial_line_is_taken_apart_strictly(about: str, exchange: Exchange, data: bytes, verdict: Verdict) -> None:
    """Unit, function, length and CRC decide; a reply of the right unit with the wrong shape is an earlier one."""
    assert split_rtu(data, exchange)[0] is verdict, about


def test_an_answer_behind_stray_bytes_is_found() -> None:
    """The zero that a turning transceiver puts before a frame does not hide the frame; half a frame is not one."""
    answer = framed("01 03 04 0001 0002")
    assert find_rtu(b"\x00\xff" + answer, READ) == answer[1:-2]
    assert find_rtu(b"\x00" + answer[:-1], READ) is None
