"""Inputs <-> bytes: one line of JSON in fixed order, a newline, then the raw words of a frame's blocks.

Promises: the same input gives the same bytes on every machine; ``encode(decode(data)) == data`` for everything that
``encode_input`` made. A header begins with ``kind`` and ``v`` (the version of this form); fields that a newer program
added to a kind are skipped, a newer ``v`` or an unknown kind is refused. A frame's header lists [table, address, size]
of each block, so the words are read without copying the numbers into text.
Refuses (WireError): anything that is not such a line, sizes that do not add up, numbers out of range.
Limits: a record is at most 16 MiB (a Resync of a room with 330 modules is about 0.3 MiB; the rest is room to grow),
a frame at most 1,024 blocks (a 64 Ki register space read in the smallest batches worth making).
"""

from typing import Annotated, Any, NamedTuple

import msgspec

from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain.errors import WireError
from shared.domain.inputs import Command, Report, ReportKind, Resync, Start, Tick, Undecodable, What
from shared.domain.plan import Severity
from shared.domain.units import NoData
from shared.wire.packing import FAULTS

FORM = 1
"""Version of this form: the field ``v`` of each header."""
RECORD_BYTES_MAX = 16 << 20
BLOCKS_MAX = 1024
FRAME_BYTES_MAX = 8 << 20
"""All four register spaces of a device, thirty times over; leaves a record room for its header."""
TEXT_MAX = 4096
"""Characters of a frame's device, boot and detail: the detail is a sentence."""
PLACE_MAX = 65535
NUMBER_MAX = 1 << 53
"""Every JSON reader takes integers up to here exactly."""
Whole = Annotated[int, msgspec.Meta(gt=-NUMBER_MAX, lt=NUMBER_MAX)]


class RuleSet(NamedTuple):
    """The decision version from here on: the body of ``version`` is kept by the log under this hash."""

    version: str
    actor: str


WireBody = Frame | Command | RuleSet | Start | Tick | Report | Resync | Undecodable
"""What an input carries in the log and on the wire."""

KINDS: dict[type, str] = {
    Frame: "frame",
    Command: "command",
    RuleSet: "ruleset",
    Start: "start",
    Tick: "tick",
    Report: "report",
    Resync: "resync",
    Undecodable: "undecodable",
}


class Input(NamedTuple):
    """One input as it stands in the log: (site, log_id, site_seq) is its id."""

    log_id: str
    site_seq: int
    tick_ms: int
    at_ms: int
    body: WireBody


Count = Annotated[int, msgspec.Meta(ge=0, lt=NUMBER_MAX)]
Place = Annotated[int, msgspec.Meta(ge=0, le=PLACE_MAX)]
Size = Annotated[int, msgspec.Meta(ge=0, le=PLACE_MAX + 1)]
Blocks = Annotated[list[tuple[Table, Place, Size]], msgspec.Meta(max_length=BLOCKS_MAX)]


class _Header(msgspec.Struct, tag_field="kind"):
    v: int
    log_id: str
    site_seq: Count
    tick_ms: Count
    at_ms: Whole


class _Frame(_Header, tag="frame"):
    device: str
    boot: str
    device_seq: Count
    sampled_at_ms: Whole
    age_ms: Whole
    synced: bool
    outcome: NoData
    detail: str
    blocks: Blocks


class _Command(_Header, tag="command"):
    id: str
    what: What
    subject: str
    occurrence: str
    severity_seen: Annotated[int, msgspec.Meta(ge=0, le=3)]
    """0 when the person did not say."""
    reason: str
    actor: str
    for_ms: Whole
    second_person: str
    measure: str
    old_serial: str = ""
    new_serial: str = ""
    value: Whole = 0
    age_ms: Whole = 0


class _RuleSet(_Header, tag="ruleset"):
    version: str
    actor: str


class _Start(_Header, tag="start"):
    new_log_id: str
    previous_log_id: str
    previous_seq: Count
    clean: bool
    boot: str


class _Tick(_Header, tag="tick"):
    room: str


class _Report(_Header, tag="report"):
    what: str
    subject: str
    on: bool
    pulse: bool
    detail: str


class _Resync(_Header, tag="resync"):
    cause: str
    first_lost: Count
    last_lost: Count
    state: str
    room: str


class _Undecodable(_Header, tag="undecodable"):
    sha256: str
    size: Count
    source: str
    reason: str


_Any = _Frame | _Command | _RuleSet | _Start | _Tick | _Report | _Resync | _Undecodable
_decoder = msgspec.json.Decoder(_Any)


def encode_input(log_id: str, site_seq: int, tick_ms: int, at_ms: int, body: WireBody) -> bytes:
    """Canonical bytes of one input; raises WireError for what no record can hold.

    >>> encode_input("l", 1, 5, 7, Tick("r1"))
    b'{"kind":"tick","v":1,"log_id":"l","site_seq":1,"tick_ms":5,"at_ms":7,"room":"r1"}\\n'
    """
    try:
        header = _encode(_header((FORM, log_id, site_seq, tick_ms, at_ms), body))
    except (TypeError, ValueError, OverflowError, AttributeError) as fault:
        raise WireError(f"{type(body).__name__} cannot be written: {fault}") from fault
    if isinstance(body, Frame):
        return b"".join([header, b"\n", *[block.words for block in body.blocks]])
    return header + b"\n"


_encode = msgspec.json.Encoder().encode
_Place = tuple[int, str, int, int, int]


def _header(place: _Place, body: WireBody) -> _Header:
    match body:
        case Frame():
            blocks = [block[:3] for block in body.blocks]
            fields: tuple[Any, ...] = (*body[:-1], blocks)
            return _Frame(*place, *fields)
        case Command():
            seen = 0 if body.severity_seen is None else int(body.severity_seen)
            said: tuple[Any, ...] = (*body[:4], seen, *body[5:])
            return _Command(*place, *said)
        case Tick():
            return _Tick(*place, *body)
        case Report():
            return _Report(*place, *body)
        case RuleSet():
            return _RuleSet(*place, *body)
        case Start():
            return _Start(*place, *body)
        case Resync():
            return _Resync(*place, *body)
        case Undecodable():
            return _Undecodable(*place, *body)


def decode_input(data: bytes) -> Input:
    """The input that these bytes are; raises WireError with what is wrong."""
    if len(data) > RECORD_BYTES_MAX:
        raise WireError(f"{len(data)} bytes, at most {RECORD_BYTES_MAX} are read")
    end = data.find(b"\n")
    if end < 0:
        raise WireError("no newline ends the header")
    try:
        header = _decoder.decode(data[:end])
    except FAULTS as fault:
        raise WireError(f"header: {fault}") from fault
    if header.v != FORM:
        raise WireError(f"form {header.v}, this program reads {FORM}")
    if not isinstance(header, _Frame) and len(data) != end + 1:
        raise WireError(f"{len(data) - end - 1} bytes after the header of a {KINDS[type(_body(header, b''))]}")
    return Input(header.log_id, header.site_seq, header.tick_ms, header.at_ms, _body(header, data[end + 1 :]))


def _body(header: _Any, tail: bytes) -> WireBody:
    match header:
        case _Frame():
            return _frame(header, tail)
        case _Tick(room=room):
            return Tick(room)
        case _Command():
            return _command(header)
        case _Report(what=what, subject=subject, on=on, pulse=pulse, detail=detail):
            return Report(what, subject, on, pulse, detail)
        case _RuleSet(version=version, actor=actor):
            return RuleSet(version, actor)
        case _Start():
            return Start(header.new_log_id, header.previous_log_id, header.previous_seq, header.clean, header.boot)
        case _Resync():
            return Resync(header.cause, header.first_lost, header.last_lost, header.state, header.room)
        case _Undecodable():
            return Undecodable(header.sha256, header.size, header.source, header.reason)


def _frame(header: _Frame, tail: bytes) -> Frame:
    blocks = []
    at = 0
    for table, address, size in header.blocks:
        end = at + ((size + 7) // 8 if table.is_bits else 2 * size)
        blocks.append(Block(table, address, size, tail[at:end]))
        at = end
    if at != len(tail):
        raise WireError(f"the blocks take {at} bytes, {len(tail)} follow the header")
    return Frame(
        header.device,
        header.boot,
        header.device_seq,
        header.sampled_at_ms,
        header.age_ms,
        header.synced,
        header.outcome,
        header.detail,
        tuple(blocks),
    )


def _command(header: _Command) -> Command:
    seen = Severity(header.severity_seen) if header.severity_seen else None
    return Command(
        header.id,
        header.what,
        header.subject,
        header.occurrence,
        seen,
        header.reason,
        header.actor,
        header.for_ms,
        header.second_person,
        header.measure,
        header.old_serial,
        header.new_serial,
        header.value,
        header.age_ms,
    )


def frame_fault(frame: Frame) -> str:
    """Why this frame cannot be a record, "" when it can: what ``decode_input`` would say, in a microsecond."""
    try:
        for number in (frame.device_seq, frame.sampled_at_ms, frame.age_ms):
            if type(number) is not int or not -NUMBER_MAX < number < NUMBER_MAX:
                return f"{number} is out of range"
        if not (_is_text(frame.device) and _is_text(frame.boot) and _is_text(frame.detail)):
            return f"device, boot and detail are text of at most {TEXT_MAX} characters"
        if type(frame.outcome) is not NoData or type(frame.synced) is not bool:
            return f"outcome {frame.outcome}, synced {frame.synced}"
        if frame.device_seq < 0:
            return f"device_seq {frame.device_seq} is below 0"
        return _blocks_fault(frame.blocks)
    except (TypeError, ValueError, AttributeError) as fault:
        return f"{type(fault).__name__}: {fault}"


def _is_text(value: object) -> bool:
    """Text that UTF-8 can hold: half a surrogate pair is none."""
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        return False
    return value.isascii() or value.encode("utf-8", "replace").decode() == value


def _blocks_fault(blocks: tuple[Block, ...]) -> str:
    total = 0
    for table, address, size, words in blocks:
        if type(address) is not int or not (0 <= address <= PLACE_MAX and 0 <= size <= PLACE_MAX + 1):
            return f"{size} of {table} from {address} on do not exist"
        if len(words) != ((size + 7) // 8 if table.is_bits else 2 * size):
            return f"{len(words)} bytes are not {size} of {table}"
        total += len(words)
    if total > FRAME_BYTES_MAX:
        return f"{total} bytes of words, at most {FRAME_BYTES_MAX} are read"
    return "" if len(blocks) <= BLOCKS_MAX else f"{len(blocks)} blocks, at most {BLOCKS_MAX} are read"


def report(kind: ReportKind, subject: str, *, on: bool = True, pulse: bool = False, detail: str = "") -> Report:
    """A Report with its kind as plain text, as it also comes back from ``decode_input``."""
    return Report(kind.value, subject, on, pulse, detail)
