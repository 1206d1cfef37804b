"""Columns of integers <-> few bytes: what the history keeps its roll-ups in.

A column is stored as its least value, the greatest common divisor of what is above it, and the quotients in one, two,
four or eight bytes each, deflated when that makes them fewer. So a value that does not change costs five bytes a day,
and one whose last digit flickers about two bits a reading. A column that drifts is stored by its differences when those
take less.

Promises: what was packed comes back, for every column of 64-bit integers. Refuses (ValueError): anything else.
Limits: a column has at most 65,535 values (a day has 1,440 minutes, a device at most a few thousand values).
"""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

FORM = 1
COUNT_MAX = 65_535
_WIDTHS = (np.dtype("<u1"), np.dtype("<u2"), np.dtype("<u4"), np.dtype("<u8"))
_DEFLATED = 4
_DIFFERENCES = 8
_CONSTANT = 16
_SMALL = 64
"""Fewer bytes are not worth deflating."""


def pack(columns: Sequence[Ints], *, level: int = 6, thrifty: bool = True) -> bytes:
    """All columns have the same length; ``thrifty`` tries differences too, which takes twice as long."""
    count = len(columns[0])
    if count > COUNT_MAX or any(len(column) != count for column in columns):
        raise ValueError(f"{[len(column) for column in columns]} values, at most {COUNT_MAX} and equally many")
    out = bytearray((FORM,))
    _write(out, count)
    if count:
        for column in columns:
            out += _column(column, level, thrifty=thrifty)
    return bytes(out)


def _column(column: Ints, level: int, *, thrifty: bool) -> bytes:
    plain = _stored(column, level, 0)
    if not thrifty or len(plain) <= _SMALL:
        return plain
    with np.errstate(over="ignore"):
        differences = np.diff(column, prepend=column[:1])
    differences[0] = differences[1]
    out = bytearray()
    _write(out, _zigzag(int(column[0])))
    other = _stored(differences, level, _DIFFERENCES)
    return plain if len(plain) <= len(other) + len(out) else other[:1] + bytes(out) + other[1:]


def _stored(column: Ints, level: int, mark: int) -> bytes:
    out = bytearray(1)
    least = int(column.min())
    _write(out, _zigzag(least))
    above = (column - np.int64(least)).view(np.uint64)
    most = int(above.max())
    if most == 0:
        out[0] = mark | _CONSTANT
        return bytes(out)
    step = int(np.gcd.reduce(above))
    _write(out, step)
    most //= step
    width = next(n for n in range(4) if most < 1 << (8 << n))
    data = (above // np.uint64(step) if step > 1 else above).astype(_WIDTHS[width]).tobytes()
    small = zlib.compress(data, level) if len(data) >= _SMALL else data
    if len(small) < len(data):
        mark, data = mark | _DEFLATED, small
    out[0] = mark | width
    _write(out, len(data))
    return bytes(out) + data


def unpack(data: bytes, count: int) -> list[Ints]:
    """The first ``count`` columns."""
    if not data or data[0] != FORM:
        raise ValueError(f"form {data[:1].hex()}, this program reads {FORM}")
    length, at = _read(data, 1)
    columns = []
    for _ in range(count):
        if length == 0:
            columns.append(np.zeros(0, np.int64))
            continue
        column, at = _restored(data, at, length)
        columns.append(column)
    return columns


def _restored(data: bytes, at: int, length: int) -> tuple[Ints, int]:
    mark = data[at]
    at += 1
    first = 0
    if mark & _DIFFERENCES:
        first, at = _read(data, at)
    least, at = _read(data, at)
    if mark & _CONSTANT:
        column = np.full(length, _unzigzag(least), np.int64)
    else:
        step, at = _read(data, at)
        size, at = _read(data, at)
        raw = data[at : at + size]
        at += size
        if mark & _DEFLATED:
            raw = zlib.decompressobj().decompress(raw, 8 * length)
        column = np.frombuffer(raw, _WIDTHS[mark & 3], length).astype(np.int64)
        if step > 1:
            column *= np.uint64(step).astype(np.int64)
        column += np.int64(_unzigzag(least))
    if mark & _DIFFERENCES:
        column[0] = _unzigzag(first)
        column = np.cumsum(column)
    return column, at


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _unzigzag(number: int) -> int:
    return number >> 1 if not number & 1 else -((number + 1) >> 1)


def _write(out: bytearray, number: int) -> None:
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def _read(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
