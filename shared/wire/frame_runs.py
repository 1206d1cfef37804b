"""Frames of one device that follow one another, read as columns: many records at once, none by itself.

Records of a run differ in six numbers and in their words; everything else is the same text. So the first record of each
length is read, and of the others it is seen that their text is its text, and the digits in its places are made numbers.

Promises: what stands in the columns is what ``decode_input`` gives for each record. Only canonical records are taken
(as ``encode_input`` writes them) whose numbers are not negative: others are read one by one by who wants them.
Limits: RUN_MAX frames of LENGTHS_MAX lengths; a number has at most 15 digits, below NUMBER_MAX.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import sub
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np

from shared.devices.frame import FrameRun
from shared.domain.units import NoData
from shared.wire.inputs import FORM, Blocks
from shared.wire.packing import FAULTS
from shared.wire.sections import LENGTH_BYTES
from shared.wire.uncut import Inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Octets = NDArray[np.uint8]

RUN_MAX: Final = 1024
"""Frames of a run: as many as the largest block of a backlog has, for what a run costs once is shared by all of it."""
LENGTHS_MAX: Final = 8
_N: Final = rb"(0|[1-9][0-9]{0,14})"
_S: Final = rb'"(?:[^"\\\n]|\\[^\n])*"'
_CANONICAL: Final = re.compile(
    rb'\{"kind":"frame","v":[0-9]+,"log_id":%b,"site_seq":%b,"tick_ms":%b,"at_ms":%b,"device":%b,"boot":%b,'
    rb'"device_seq":%b,"sampled_at_ms":%b,"age_ms":%b,"synced":[a-z]+,"outcome":[0-9]+,"detail":%b,'
    rb'"blocks":\[[][",0-9a-z_]*\]\}\n' % (_S, _N, _N, _N, _S, _S, _N, _N, _N, _S)
)
_SITE_SEQ, _TICK, _STAMP, _DEVICE_SEQ, _SAMPLED, _AGE = range(6)
"""Numbers, in their order."""
_Spans = tuple[tuple[int, int], ...]


class _Head(msgspec.Struct, tag_field="kind", tag="frame"):
    v: int
    log_id: str
    device: str
    boot: str
    synced: bool
    outcome: NoData
    detail: str
    blocks: Blocks


class _Form(NamedTuple):
    """How the records of one length look."""

    size: int
    """Bytes of the header with its newline."""
    texts: tuple[bytes, ...]
    """Before, between and behind the numbers."""
    spans: _Spans


class _Digits(NamedTuple):
    """Where the digits of the numbers stand."""

    text: "Ints"
    """A mask of everything else: the header, eight bytes a number."""
    places: "Ints"
    weights: "Ints"
    begins: "Ints"
    leading: "Ints"
    """Among the digits the first ones of numbers with several."""


_head = msgspec.json.Decoder(_Head)


def decode_run(inputs: Inputs, at: int = 0) -> FrameRun | None:
    """The frames from this place on that are of one device and boot, with values, and whose numbers rise by one.

    None when the first record is no such frame. Checks what ``decode_input`` does, but for the sizes of the blocks
    against the words: who reads the words knows the sizes.
    """
    record = inputs.data(at) if at < len(inputs) else b""
    first = _form(record)
    head = None if first is None else _read(record[: first.size])
    if first is None or head is None:
        return None
    size = len(record) - first.size
    end = at + RUN_MAX
    found, words = _columns_of(inputs.body, inputs.begins[at:end], inputs.ends[at:end], first, size)
    numbers = _followed(found)
    columns = numbers.T.tolist()
    return FrameRun(
        head.device,
        head.boot,
        head.log_id,
        columns[_SITE_SEQ][0],
        columns[_DEVICE_SEQ][0],
        columns[_TICK],
        columns[_STAMP],
        columns[_SAMPLED],
        columns[_AGE],
        tuple(head.blocks),
        words[: len(numbers) * size],
    )


def _form(record: bytes) -> _Form | None:
    """None when the record is no canonical frame."""
    found = _CANONICAL.match(record)
    if found is None:
        return None
    spans = tuple(found.span(number) for number in range(1, 7))
    places = [0, *(place for span in spans for place in span), found.end()]
    texts = tuple(record[a:b] for a, b in zip(places[::2], places[1::2], strict=True))
    return _Form(found.end(), texts, spans)


def _read(header: bytes) -> _Head | None:
    """What all frames of a run have in common; None of a frame without values."""
    try:
        head = _head.decode(header)
    except FAULTS:
        return None
    return head if head.v == FORM and head.outcome is NoData.PRESENT else None


def _columns_of(
    body: bytes, begins: Sequence[int], ends: Sequence[int], first: _Form, words: int
) -> "tuple[Ints, bytes]":
    """Of as many records from the front as are of one form the numbers, a row each; and the words of all that long."""
    lengths = list(map(sub, ends, begins))
    kinds = list(dict.fromkeys(lengths))
    if len(kinds) > LENGTHS_MAX:
        end = lengths.index(kinds[LENGTHS_MAX])
        begins, ends, lengths, kinds = begins[:end], ends[:end], lengths[:end], kinds[:LENGTHS_MAX]
    numbers, good = np.zeros((len(begins), 6), np.int64), np.zeros(len(begins), np.bool_)
    for kind in kinds:
        row = lengths.index(kind)
        form = _form(body[begins[row] : ends[row]])
        if form is None or form.texts != first.texts or kind - form.size != words:
            continue
        if len(kinds) == 1:  # They stand at equal distances, so they are columns as they are.
            stride, edge = LENGTH_BYTES + kind, LENGTH_BYTES + form.size
            octets: Octets = np.frombuffer(body, np.uint8, len(begins) * stride, begins[0] - LENGTH_BYTES)
            octets = octets.reshape(-1, stride)
            numbers, good = _columns(octets[:, LENGTH_BYTES:edge], form.spans)
            return _good(numbers, good), octets[:, edge:].tobytes()
        rows = [row for row, length in enumerate(lengths) if length == kind]
        heads = b"".join([body[begins[row] : begins[row] + form.size] for row in rows])
        numbers[rows], good[rows] = _columns(np.frombuffer(heads, np.uint8).reshape(len(rows), -1), form.spans)
    return _good(numbers, good), b"".join([body[end - words : end] for end in ends])


def _good(numbers: "Ints", good: "NDArray[np.bool_]") -> "Ints":
    """Those before the first that is not."""
    return numbers if good.all() else numbers[: int(good.argmin())]


def _columns(grid: "Octets", spans: _Spans) -> "tuple[Ints, NDArray[np.bool_]]":
    """The numbers of headers of one length, a row each; and whether they look like the first of them."""
    text, places, weights, begins, leading = _digits(grid.shape[1], spans)
    wide = np.zeros((len(grid), 8 * len(text)), np.uint8)
    wide[:, : grid.shape[1]] = grid
    texts = wide.view(np.int64) & text
    good = (texts == texts[0]).all(axis=1)
    digits = grid.take(places, axis=1) - np.uint8(ord("0"))
    good &= (digits <= 9).all(axis=1)
    good &= digits.take(leading, axis=1).all(axis=1)
    return np.add.reduceat(digits * weights, begins, axis=1), good


@lru_cache(maxsize=1024)
def _digits(size: int, spans: _Spans) -> _Digits:
    widths = [end - begin for begin, end in spans]
    text = np.full(-(-size // 8) * 8, 0xFF, np.uint8)
    for begin, end in spans:
        text[begin:end] = 0
    begins = np.cumsum([0, *widths[:-1]])
    weights = np.array([10**k for width in widths for k in reversed(range(width))], np.int64)
    return _Digits(text.view(np.int64), (text == 0).nonzero()[0], weights, begins, begins[np.array(widths) > 1])


def _followed(numbers: "Ints") -> "Ints":
    """As many as follow one another: site_seq and device_seq rise by one, tick_ms does not fall."""
    steps = numbers[1:] - numbers[:-1]
    good = (steps[:, _SITE_SEQ] == 1) & (steps[:, _DEVICE_SEQ] == 1) & (steps[:, _TICK] >= 0)
    return numbers if good.all() else numbers[: int(good.argmin()) + 1]
