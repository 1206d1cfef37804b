"""The local link between guard and the processes of its site: messages <-> bytes, both directions.

A message is a length (u32, big-endian, of what follows), one line of JSON with the message's name in ``m``, a newline,
then a tail of raw bytes (a frame's words, a plan) or nothing.

    guard -> site, parent   hello at once; ready; outputs each second; refused
    guard -> site           frame, report: numbered by n, dense, kept until acked
    site -> guard           join, ack, lease, explain, plan, plan_committed, test
    parent -> guard         join, stop, test

A client is told hello first (which boot of guard it is), then says join with the last ``n`` of that boot that it holds
safely; what guard still keeps above it comes next, in order. A hole in ``n`` is what guard had to drop (older than 60 s
or over its memory). Leases, frames and reports are stamped with the monotonic clock that both ends share.

Promises: decoding checks every field's type and range; a newer program's extra fields are skipped. Refuses (WireError):
an unknown message, a size over the limit, a frame whose words do not add up, a tail where none belongs.
Limits: 1 MiB a message from guard (the largest frame, 1,024 blocks of 125 registers, is 256 KiB and its header 40 KiB),
32 MiB a message to guard (the plan of 330 modules is about 1 MiB as JSON; the rest is room to grow).
"""

import struct
from collections.abc import Iterator
from typing import Annotated, ClassVar, TypeVar

import msgspec

from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain.errors import WireError
from shared.domain.inputs import Report
from shared.domain.units import NoData

FROM_GUARD_BYTES_MAX = 1 << 20
TO_GUARD_BYTES_MAX = 32 << 20
BLOCKS_MAX = 1024
_LENGTH = struct.Struct(">I")

Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Whole = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Text = Annotated[str, msgspec.Meta(max_length=2000)]
Name = Annotated[str, msgspec.Meta(max_length=200)]
Place = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Size = Annotated[int, msgspec.Meta(ge=0, le=65536)]


class Message(msgspec.Struct, frozen=True, tag_field="m", tag=str.lower):
    """Root of all messages. ``has_tail`` says whether raw bytes may follow."""

    has_tail: ClassVar[bool] = False


class Hello(Message, frozen=True, tag="hello"):
    """First words of guard to everybody who connects."""

    boot: Name
    """Random id of this guard process: ``n`` and device_seq begin again with it."""
    pid: Count
    plan: Name
    """Hash of the plan in force."""
    lease: Count
    """Last lease number taken: the next one must be above it."""
    ready_at_ms: Whole = 0
    """Wall clock at which the trip was ready, 0 while it is not."""
    asks: tuple[Name, ...] = ()
    """Outputs found on at start that nobody has explained yet. Answer with explain in any case: a module may be
    reached only later."""
    started_at_ms: Whole = 0


class Ready(Message, frozen=True, tag="ready"):
    """The trip is ready: coils were read, the loop runs. ``at_ms``: wall clock."""

    at_ms: Whole


class FrameSent(Message, frozen=True, tag="frame"):
    """One frame; ``age_ms`` is counted up to the moment of sending. The tail holds the words of all blocks."""

    has_tail: ClassVar[bool] = True

    n: Count
    device: Name
    boot: Name
    device_seq: Count
    sampled_at_ms: Whole
    age_ms: Count
    synced: bool
    outcome: NoData
    detail: Text
    blocks: Annotated[tuple[tuple[Table, Place, Size], ...], msgspec.Meta(max_length=BLOCKS_MAX)]
    sent_ms: Whole = -1
    """The sender's Clock.monotonic_ms(): this less ``age_ms`` is when it was made; -1 is not known."""


class ReportSent(Message, frozen=True, tag="report"):
    """One Report; ``age_ms`` since it happened."""

    n: Count
    kind: Name
    subject: Name
    on: bool
    pulse: bool
    detail: Text
    age_ms: Count = 0
    sent_ms: Whole = -1
    """As of a frame."""


class OutputSeen(msgspec.Struct, frozen=True):
    """One output as guard holds it now."""

    id: Name
    wanted: bool
    by: tuple[Name, ...]
    coil: Name
    """on, off, unknown"""
    proof: Name
    """none (no airflow contact), waiting, proven, failed, off"""
    armed: bool
    armed_reason: Text
    """Why it is not armed, or empty."""
    supervision: Name
    """watchdog, watchdog off, not supervised"""
    trouble: Text = ""
    """mismatch, contested, foreign on, foreign off or why a write failed; empty when all is well."""


class Outputs(Message, frozen=True, tag="outputs"):
    """The state of guard, each second. Ten seconds without one: guard hangs, kill it and start another."""

    items: tuple[OutputSeen, ...]
    ready: bool
    not_ready: tuple[Text, ...]
    """What the trip still waits for, or lacks."""
    loop_age_ms: Count
    """Age of guard's own poll-and-trip loop."""
    kept: Count
    """Frames and reports that no ack has covered."""
    dropped: Count
    """Frames dropped unacked since start."""
    plan: Name
    pending: Name = ""
    """Hash of a plan that waits for plan_committed."""
    unreachable: tuple[Text, ...] = ()
    """Relay modules that do not answer, and why: an alarm and a failed check, but no unreadiness."""


class Refused(Message, frozen=True, tag="refused"):
    """What the client asked for is not done; ``what`` is the message's name."""

    what: Name
    reason: Text
    number: Whole = 0


class Join(Message, frozen=True, tag="join"):
    """Who speaks. Frames and reports go to the newest ``site``; an older one is disconnected."""

    role: Annotated[str, msgspec.Meta(pattern="^(site|parent)$")]
    after: Count = 0
    """Last n of this boot that is held safely already."""


class Ack(Message, frozen=True, tag="ack"):
    """Everything up to ``n`` is accepted (durable)."""

    n: Count


class LeaseSent(Message, frozen=True, tag="lease"):
    number: Count
    ttl_ms: Count
    demands: dict[Name, bool]
    """By output id; an output that is not named has no opinion and is held at its safe value."""
    sent_ms: Whole = -1
    """The sender's Clock.monotonic_ms(); -1 counts from receipt."""


class Explained(msgspec.Struct, frozen=True):
    output: Name
    demanded: bool
    """The log's last state demands it."""
    gas_at_limit: bool
    """The last logged gas in its room was at or over its limit."""


class Explain(Message, frozen=True, tag="explain"):
    """What the log knows about the time before guard started: its state before the first input of this boot of guard.
    Said once after the first join; later ones change nothing. An output that is not named was not demanded."""

    away_ms: Whole
    """How long no guard was heard before this boot of guard; -1 not known (then it counts as short)."""
    items: tuple[Explained, ...]


class PlanSent(Message, frozen=True, tag="plan"):
    """A new plan; the tail is its bytes (shared.wire.plans.encode_guard). Until plan_committed guard trips at the lower
    of both limits."""

    has_tail: ClassVar[bool] = True

    hash: Name


class PlanCommitted(Message, frozen=True, tag="plan_committed"):
    hash: Name


class PlanDropped(Message, frozen=True, tag="plan_dropped"):
    """The reload was refused after all: the old plan alone holds."""

    hash: Name


class Test(Message, frozen=True, tag="test"):
    """Switch an output on for a while, to see that it works."""

    __test__: ClassVar[bool] = False

    output: Name
    for_ms: Count = 10_000


class Stop(Message, frozen=True, tag="stop"):
    """Write safe values and end."""


FromGuard = Hello | Ready | FrameSent | ReportSent | Outputs | Refused
ToGuard = Join | Ack | LeaseSent | Explain | PlanSent | PlanCommitted | PlanDropped | Test | Stop

M = TypeVar("M", bound=Message)

_encoder = msgspec.json.Encoder()
_from_guard: msgspec.json.Decoder[FromGuard] = msgspec.json.Decoder(FromGuard)
_to_guard: msgspec.json.Decoder[ToGuard] = msgspec.json.Decoder(ToGuard)


def encode(message: FromGuard | ToGuard, tail: bytes = b"") -> bytes:
    """The bytes of one message.

    >>> encode(Ack(7))
    b'\\x00\\x00\\x00\\x12{"m":"ack","n":7}\\n'
    """
    line = _encoder.encode(message)
    return b"".join((_LENGTH.pack(len(line) + 1 + len(tail)), line, b"\n", tail))


def encode_frame(n: int, frame: Frame, age_ms: int, sent_ms: int = -1) -> bytes:
    blocks = tuple((block.table, block.address, block.size) for block in frame.blocks)
    message = FrameSent(
        n, frame.device, frame.boot, frame.device_seq, frame.sampled_at_ms, age_ms, frame.synced, frame.outcome,
        frame.detail, blocks, sent_ms,
    )  # fmt: skip
    return encode(message, b"".join(block.words for block in frame.blocks))


def frame_of(message: FrameSent, tail: bytes) -> Frame:
    """The frame; raises WireError when the words do not add up."""
    blocks = []
    at = 0
    for table, address, size in message.blocks:
        end = at + ((size + 7) // 8 if table.is_bits else 2 * size)
        blocks.append(Block(table, address, size, tail[at:end]))
        at = end
    if at != len(tail):
        raise WireError(f"frame: the blocks take {at} bytes, {len(tail)} follow the header")
    return Frame(
        message.device, message.boot, message.device_seq, message.sampled_at_ms, message.age_ms, message.synced,
        message.outcome, message.detail, tuple(blocks),
    )  # fmt: skip


def report_of(message: ReportSent) -> Report:
    return Report(message.kind, message.subject, message.on, message.pulse, message.detail)


class _Splitter:
    """Cuts a stream into message bodies; ``limit`` is checked before a body is waited for."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()

    def bodies(self, data: bytes) -> Iterator[bytes]:
        self._data += data
        while len(self._data) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._data)
            if size > self._limit:
                raise WireError(f"{size} bytes, at most {self._limit} are read")
            end = _LENGTH.size + size
            if len(self._data) < end:
                return
            body = bytes(self._data[_LENGTH.size : end])
            del self._data[:end]
            yield body


class FromGuardReader:
    """What a site or parent reads: ``feed`` bytes as they come, get whole messages with their tails."""

    def __init__(self) -> None:
        self._splitter = _Splitter(FROM_GUARD_BYTES_MAX)

    def feed(self, data: bytes) -> Iterator[tuple[FromGuard, bytes]]:
        """Raises WireError at the first bad message; the stream is of no use after it."""
        for body in self._splitter.bodies(data):
            yield _decode(_from_guard, body)


class ToGuardReader:
    """What guard reads."""

    def __init__(self) -> None:
        self._splitter = _Splitter(TO_GUARD_BYTES_MAX)

    def feed(self, data: bytes) -> Iterator[tuple[ToGuard, bytes]]:
        """Raises WireError at the first bad message; the stream is of no use after it."""
        for body in self._splitter.bodies(data):
            yield _decode(_to_guard, body)


def _decode(decoder: "msgspec.json.Decoder[M]", body: bytes) -> tuple[M, bytes]:
    end = body.find(b"\n")
    if end < 0:
        raise WireError("no newline ends the header")
    try:
        message = decoder.decode(body[:end])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise WireError(f"message: {fault}") from fault
    tail = body[end + 1 :]
    if tail and not message.has_tail:
        raise WireError(f"{len(tail)} bytes after a message that has none")
    return message, tail
