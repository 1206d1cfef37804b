"""Modbus requests and replies as bytes, strictly: what is asked, and whether an answer is the answer to it.

Pure. A reply counts only when unit, function and length are those of the request; for writes, when the echo is exact.
Everything else is refused with a typed reason: nothing here guesses. The CRC is pymodbus's.
"""

from dataclasses import dataclass
from enum import Enum, auto

from pymodbus.framer import FramerRTU

from shared.devices.profile import Table
from shared.domain.units import NoData
from shared.fieldbus.port import BusFailure

READ_FUNCTIONS = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}
WRITE_COIL = 5
WRITE_REGISTER = 6
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target does not respond",
}
TCP_HEADER = 7
MBAP_LENGTH_MAX = 254


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the shape of its answer."""

    unit: int
    function: int
    body: bytes
    """After the function code."""
    size: int
    """Data bytes that a read answers with; 0 for a write, which echoes ``body``."""

    @property
    def pdu(self) -> bytes:
        return bytes((self.function,)) + self.body

    @property
    def reply_length(self) -> int:
        """Bytes of a good reply's PDU."""
        return 2 + self.size if self.size else 1 + len(self.body)


def read_exchange(unit: int, table: Table, address: int, count: int) -> Exchange:
    """Raises ValueError outside the limits of Modbus: a plan is checked before it comes here."""
    limit = 2000 if table.is_bits else 125
    if not (0 <= unit <= 255 and 1 <= count <= limit and address >= 0 and address + count <= 65_536):
        raise ValueError(f"cannot read {count} of {table} at {address} from unit {unit}")
    body = address.to_bytes(2, "big") + count.to_bytes(2, "big")
    return Exchange(unit, READ_FUNCTIONS[table], body, (count + 7) // 8 if table.is_bits else 2 * count)


def coil_exchange(unit: int, address: int, *, value: bool) -> Exchange:
    """Function 05."""
    body = address.to_bytes(2, "big") + (b"\xff\x00" if value else b"\x00\x00")
    return Exchange(unit, WRITE_COIL, body, 0)


def register_exchange(unit: int, address: int, value: int) -> Exchange:
    """Function 06."""
    return Exchange(unit, WRITE_REGISTER, address.to_bytes(2, "big") + value.to_bytes(2, "big"), 0)


def check_reply(exchange: Exchange, pdu: bytes) -> bytes | BusFailure:
    """Data of a reply PDU (function code first), or why it is refused."""
    if not pdu:
        return malformed("an empty answer")
    function = pdu[0]
    if function == exchange.function | 0x80:
        if len(pdu) != 2:
            return malformed(f"an exception of {len(pdu)} bytes")
        return BusFailure(NoData.EXCEPTION, f"{pdu[1]} {EXCEPTIONS.get(pdu[1], 'unknown exception')}")
    if function != exchange.function:
        return malformed(f"an answer to function {function}, asked was {exchange.function}")
    if len(pdu) != exchange.reply_length:
        return malformed(f"an answer of {len(pdu)} bytes, expected were {exchange.reply_length}")
    if not exchange.size:
        return b"" if pdu[1:] == exchange.body else malformed("an echo of another write")
    if pdu[1] != exchange.size:
        return malformed(f"{pdu[1]} data bytes, expected were {exchange.size}")
    return pdu[2:]


def malformed(what: str) -> BusFailure:
    return BusFailure(NoData.MALFORMED, what)


class Verdict(Enum):
    """What a beginning of received bytes is."""

    MORE = auto()
    """Nothing is wrong so far, and it is not complete."""
    MINE = auto()
    FOREIGN = auto()
    """A complete frame that answers another request: late, or of another device."""
    GARBAGE = auto()
    """Can never become a frame."""


def split_tcp(data: bytes, transaction: int, exchange: Exchange) -> tuple[Verdict, int, bytes]:
    """The first frame of a TCP stream: verdict, bytes used, and the PDU when it is mine."""
    if len(data) < TCP_HEADER:
        bad = len(data) >= 4 and data[2:4] != b"\x00\x00"
        return (Verdict.GARBAGE if bad else Verdict.MORE), 0, b""
    length = int.from_bytes(data[4:6], "big")
    if data[2:4] != b"\x00\x00" or not 2 <= length <= MBAP_LENGTH_MAX:
        return Verdict.GARBAGE, 0, b""
    if len(data) < 6 + length:
        return Verdict.MORE, 0, b""
    if int.from_bytes(data[:2], "big") != transaction or data[6] != exchange.unit:
        return Verdict.FOREIGN, 6 + length, b""
    return Verdict.MINE, 6 + length, data[7 : 6 + length]


def rtu_frame(exchange: Exchange) -> bytes:
    """The request as it goes on a serial line."""
    head = bytes((exchange.unit,)) + exchange.pdu
    return head + crc16(head)


def crc16(data: bytes) -> bytes:
    """Modbus CRC in line order."""
    return FramerRTU.compute_CRC(data).to_bytes(2, "big")


def split_rtu(data: bytes, exchange: Exchange) -> tuple[Verdict, int, bytes]:
    """The first frame of a serial line: verdict, bytes used, and the PDU when it is mine.

    A frame's length follows from its function code, as far as it is known; a reply of our own unit and function with
    another byte count, or the echo of another write, answers an earlier request and is FOREIGN when its CRC is right.
    """
    if len(data) < 5:
        return Verdict.MORE, 0, b""
    length = _rtu_length(data)
    if length == 0:
        return Verdict.GARBAGE, 0, b""
    if len(data) < length:
        return Verdict.MORE, 0, b""
    if crc16(data[: length - 2]) != data[length - 2 : length]:
        return Verdict.GARBAGE, 0, b""
    function = data[1] & 0x7F
    shape = data[1] > 0x80 or length == exchange.reply_length + 3
    if not exchange.size and data[1] < 0x80:
        shape = shape and data[2:6] == exchange.body
    if data[0] != exchange.unit or function != exchange.function or not shape:
        return Verdict.FOREIGN, length, b""
    return Verdict.MINE, length, data[1 : length - 2]


def find_rtu(data: bytes, exchange: Exchange) -> bytes | None:
    """The PDU of a whole reply somewhere in ``data``, behind the stray bytes that a turning transceiver makes."""
    for start in range(1, len(data) - 4):
        if data[start] == exchange.unit and data[start + 1] & 0x7F == exchange.function:
            verdict, _, pdu = split_rtu(data[start:], exchange)
            if verdict is Verdict.MINE:
                return pdu
    return None


def _rtu_length(data: bytes) -> int:
    function = data[1]
    if function & 0x80:
        return 5
    if function in (1, 2, 3, 4):
        return 5 + data[2]
    return 8 if function in (5, 6, 15, 16) else 0
