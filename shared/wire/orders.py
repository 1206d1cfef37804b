"""What the centre sends to a site <-> bytes: one JSON object. Record of ampward.commands.v1.

    command        a person's act at the centre; the site decides it in the order of its log and answers by its inputs
    resend         the centre lacks inputs: send again from a place, under a higher epoch of the uplink
    lease          the centre wants an output on: for at most 15 minutes, counted from receipt on the site's own clock
    notify_lease   the centre sends this site's messages for so long, but for what the site always sends itself
    file           a file that the site file includes, signed by the centre: the site checks it, accepts or refuses

Each has an id, by which a repeat is known, and a time to live: the site drops what is older by its measured clock
offset. There is no order that switches an output off, silences a detector or changes a rule without the site's check.

Promises: what was encoded decodes to the same. Refuses (WireError): anything else, an order of a type that this
program does not know among them. Limits: an order is at most 64 KiB, a text in it at most 4,096 characters.
"""

from typing import Annotated, Final

import msgspec

from shared.domain.errors import WireError
from shared.domain.inputs import Command, What
from shared.domain.plan import Severity
from shared.wire.inputs import NUMBER_MAX, TEXT_MAX, Count
from shared.wire.versions import Form

ORDER_BYTES_MAX: Final = 64 << 10
TTL_MS_MAX: Final = 86_400_000
"""A day: an order that waited longer is a surprise to everybody."""
LEASE_MS_MAX: Final = 900_000
FILE_CHARACTERS_MAX: Final = 40_000
VERSION: Final = 1

Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Number = Annotated[int, msgspec.Meta(gt=-NUMBER_MAX, lt=NUMBER_MAX)]


class _Order(msgspec.Struct, kw_only=True, frozen=True, tag_field="type"):
    v: int = VERSION
    id: Name
    site: Name
    sent_at_ms: Count
    ttl_ms: Annotated[int, msgspec.Meta(gt=0, le=TTL_MS_MAX)]


class CommandOrder(_Order, kw_only=True, frozen=True, tag="command"):
    """A person's act; the fields are those of shared.domain.inputs.Command."""

    what: What
    subject: Text
    actor: Name
    occurrence: Text = ""
    severity_seen: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0
    """0 when the person did not say."""
    reason: Text = ""
    for_ms: Count = 0
    second_person: Text = ""
    measure: Text = ""
    old_serial: Text = ""
    new_serial: Text = ""
    value: Number = 0
    age_ms: Number = 0

    def command(self) -> Command:
        """As the site's log takes it."""
        return Command(
            self.id,
            self.what,
            self.subject,
            self.occurrence,
            Severity(self.severity_seen) if self.severity_seen else None,
            self.reason,
            self.actor,
            self.for_ms,
            self.second_person,
            self.measure,
            self.old_serial,
            self.new_serial,
            self.value,
            self.age_ms,
        )


class Resend(_Order, kw_only=True, frozen=True, tag="resend"):
    """Send again from ``from_seq`` on, under ``epoch`` or a higher one."""

    from_seq: Count
    epoch: Count
    state: bool
    """Begin at the newest snapshot at or before ``from_seq`` and put it into the first block."""


class OutputLease(_Order, kw_only=True, frozen=True, tag="lease"):
    """Keep the output on for ``on_ms``; refused when (epoch, number) is not above the last one seen, or when it is
    older than ``on_ms`` or ``ttl_ms`` on arrival."""

    output: Name
    epoch: Count
    number: Count
    on_ms: Annotated[int, msgspec.Meta(gt=0, le=LEASE_MS_MAX)]
    reason: Text
    actor: Name

    def name(self) -> str:
        """As the site's log takes it: a later lease is the greater text.

        >>> OutputLease(id="x", site="s", sent_at_ms=0, ttl_ms=1, output="s/r/o", epoch=1, number=255, on_ms=1,
        ...             reason="", actor="anna").name()
        '000000000000000100000000000000ff'
        """
        return f"{self.epoch:016x}{self.number:016x}"


class NotifyLease(_Order, kw_only=True, frozen=True, tag="notify_lease"):
    """``holder`` tells people about this site for ``for_ms`` from receipt on."""

    holder: Name
    epoch: Count
    number: Count
    for_ms: Annotated[int, msgspec.Meta(gt=0, le=60_000)]


class FileOrder(_Order, kw_only=True, frozen=True, tag="file"):
    """Go by this file, when the site file includes one of the name and the site's own check finds no fault."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{1,40}\.yaml$")]
    number: Count
    """Rises from push to push: an older one that is sent again is refused."""
    actor: Name
    body: Annotated[str, msgspec.Meta(max_length=FILE_CHARACTERS_MAX)]
    key: Text = ""
    """The id of the key of the centre's supervision that signed it (shared.wire.pushes)."""
    signature: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{128})?$")] = ""


Order = CommandOrder | Resend | OutputLease | NotifyLease | FileOrder
FORM: Final[Form[Order]] = Form("order", Order)  # type: ignore[arg-type]  # A union is what the decoder takes.
_encode = msgspec.json.Encoder().encode


def command_order(command: Command, *, site: str, sent_at_ms: int, ttl_ms: int) -> CommandOrder:
    """The order that carries a person's act."""
    return CommandOrder(
        id=command.id,
        site=site,
        sent_at_ms=sent_at_ms,
        ttl_ms=ttl_ms,
        what=command.what,
        subject=command.subject,
        actor=command.actor,
        occurrence=command.occurrence,
        severity_seen=int(command.severity_seen or 0),
        reason=command.reason,
        for_ms=command.for_ms,
        second_person=command.second_person,
        measure=command.measure,
        old_serial=command.old_serial,
        new_serial=command.new_serial,
        value=command.value,
        age_ms=command.age_ms,
    )


def lease_command(lease: OutputLease) -> CommandOrder:
    """The lease as the site's log takes it: a command of the centre, whose time to live is the shorter of both."""
    return CommandOrder(
        id=lease.id,
        site=lease.site,
        sent_at_ms=lease.sent_at_ms,
        ttl_ms=min(lease.ttl_ms, lease.on_ms),
        what=What.HOLD_ON,
        subject=lease.output,
        actor=lease.actor,
        occurrence=lease.name(),
        reason=lease.reason,
        for_ms=lease.on_ms,
    )


def encode_order(order: Order) -> bytes:
    """The record's bytes; raises WireError for what ``decode_order`` would refuse."""
    data = _encode(order)
    decode_order(data)
    return data


def decode_order(data: bytes) -> Order:
    """The order; raises WireError with the field and what is allowed."""
    if len(data) > ORDER_BYTES_MAX:
        raise WireError(f"order: {len(data)} bytes, at most {ORDER_BYTES_MAX} are read")
    return FORM.read(data)
