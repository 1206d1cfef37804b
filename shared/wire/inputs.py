"""Inputs <-> bytes: one line of JSON in fixed order, a newline, then the raw words of a frame's blocks.

Promises: the same input gives the same bytes on every machine; ``encode(decode(data)) == data`` for everything that
``encode_input`` made. A header begins with ``v`` (the version of this form) and ``kind``; fields that a newer program
added to a kind are skipped, a newer ``v`` or an unknown kind is refused. A frame's header lists [table, address, size]
of each block, so the words are read without copying the numbers into text.
Refuses (WireError): anything that is not such a line, sizes that do not add up, numbers out of range.
Limits: a record is at most 16 MiB (a Resync of a room with 330 modules is about 0.3 MiB; the rest is room to grow),
a frame at most 1,024 blocks (a 64 Ki register space read in the smallest batches worth making).
"""

from typing import Annotated, NamedTuple

import msgspec
import orjson

from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain.errors import WireError
from shared.domain.inputs import Command, Report, ReportKind, Resync, Start, Tick, Undecodable, What
from shared.domain.plan import Severity
from shared.domain.units import NoData

FORM = 1
"""Version of this form: the field ``v`` of each header."""
RECORD_BYTES_MAX = 16 << 20
BLOCKS_MAX = 1024


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


Count = Annotated[int, msgspec.Meta(ge=0)]
Place = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Size = Annotated[int, msgspec.Meta(ge=0, le=65536)]
Blocks = Annotated[list[tuple[Table, Place, Size]], msgspec.Meta(max_length=BLOCKS_MAX)]


class _Header(msgspec.Struct, tag_field="kind", kw_only=True):
    v: int
    log_id: str
    site_seq: Count
    tick_ms: Count
    at_ms: int


class _Frame(_Header, tag="frame"):
    device: str
    boot: str
    device_seq: Count
    sampled_at_ms: int
    age_ms: int
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
    for_ms: int
    second_person: str
    measure: str


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
    """Canonical bytes of one input.

    >>> encode_input("l", 1, 5, 7, Tick("r1"))
    b'{"v":1,"kind":"tick","log_id":"l","site_seq":1,"tick_ms":5,"at_ms":7,"room":"r1"}\\n'
    """
    header: dict[str, object] = {
        "v": FORM,
        "kind": KINDS[type(body)],
        "log_id": log_id,
        "site_seq": site_seq,
        "tick_ms": tick_ms,
        "at_ms": at_ms,
    }
    if isinstance(body, Frame):
        header.update(zip(_FRAME_FIELDS, body, strict=True))
        header["outcome"] = int(body.outcome)
        header["blocks"] = [(block.table.value, block.address, block.size) for block in body.blocks]
        return b"".join((orjson.dumps(header), b"\n", *(block.words for block in body.blocks)))
    fields = body._asdict()
    match body:
        case Start():
            fields = {"new_log_id": fields.pop("log_id"), **fields}
        case Report():
            fields = {"what": str(fields.pop("kind")), **fields}
        case Command():
            fields["severity_seen"] = 0 if body.severity_seen is None else int(body.severity_seen)
        case _:
            pass
    header.update(fields)
    return orjson.dumps(header, option=orjson.OPT_APPEND_NEWLINE)


_FRAME_FIELDS = Frame._fields


def decode_input(data: bytes) -> Input:
    """The input that these bytes are; raises WireError with what is wrong."""
    if len(data) > RECORD_BYTES_MAX:
        raise WireError(f"{len(data)} bytes, at most {RECORD_BYTES_MAX} are read")
    end = data.find(b"\n")
    if end < 0:
        raise WireError("no newline ends the header")
    try:
        header = _decoder.decode(data[:end])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
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
    )


def report(kind: ReportKind, subject: str, *, on: bool = True, pulse: bool = False, detail: str = "") -> Report:
    """A Report with its kind as plain text, as it also comes back from ``decode_input``."""
    return Report(kind.value, subject, on, pulse, detail)
