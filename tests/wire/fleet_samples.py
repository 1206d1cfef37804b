"""One good record of every kind that the fleet's topics hold, and how each is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.domain.inputs import Command, What
from shared.domain.plan import Severity
from shared.wire import batches, blocks, deadletters, deliveries, kpis, live, orders, registrations, signs, site_state
from shared.wire.sections import section_of
from tests.contract.rows import LOG_ID, WALL_MS, event
from tests.wire.chained import BLOCK, KEY

BATCH = batches.EventsBatch(
    site="s",
    log_id=LOG_ID,
    epoch=1,
    first_seq=1,
    last_seq=10,
    verdict=batches.Verdict.EQUAL,
    core_version=1,
    offset=41,
    head_hash=BLOCK.head_hash.hex(),
    events=tuple(each.data for each in BLOCK.events),
)
COMMAND = Command(
    "c1",
    What.SHELVE,
    "s/r1/gas1-h2/h2_prealarm",
    "o1",
    Severity.WARNING,
    'Größe "x"',
    "anna",
    3_600_000,
    "ben",
    "a watch",
    "1",
    "2",
    -3,
    4,
)
_TO: dict[str, Any] = {"site": "s", "sent_at_ms": WALL_MS, "ttl_ms": 600_000}
COMMAND_ORDER = orders.command_order(COMMAND, site="s", sent_at_ms=WALL_MS, ttl_ms=600_000)
RESEND = orders.Resend(id="x1", from_seq=7, epoch=3, state=True, **_TO)
LEASE = orders.OutputLease(
    id="x2", output="s/r1/io1-do0", epoch=1, number=2, on_ms=60_000, reason="drill", actor="anna", **_TO
)
NOTIFY = orders.NotifyLease(id="x3", holder="centre-1", epoch=1, number=9, for_ms=5000, **_TO)
FILE = orders.FileOrder(
    id="x4", name="people.yaml", number=3, actor="anna", body="people: {}\n", key=KEY.id, signature="0" * 128, **_TO
)
OCCURRENCE = "a" * 32
REFUSALS = (live.LiveRefusal("r1", "severity-rose", "it is critical"),)
ALARM = live.LiveAlarm(
    id="s/r1/gas1-h2/h2_alarm",
    rule="h2_alarm",
    point="s/r1/gas1-h2",
    severity="critical",
    state="B",
    condition="true",
    override="none",
    occurrence=OCCURRENCE,
    since_at_ms=WALL_MS,
    value="2.1",
    unit="%vol",
    guidance="leave the room",
    until_at_ms=0,
)
LIVE = live.Live(
    site="s",
    log_id=LOG_ID,
    site_seq=10,
    sent_at_ms=WALL_MS,
    key=KEY.id,
    from_seq=9,
    events=live.raw_events((event(10, 0, 5).data,)),
    points=(live.LivePoint("s/r1/gas1-h2", "2.1", "%vol", "good", "", WALL_MS),),
    answers=(live.LiveAnswer("c1", False, "severity-rose", "it is critical", OCCURRENCE, "critical", REFUSALS),),  # noqa: FBT003
    alarms=(ALARM,),
    alarms_gone=("s/r1/gas1-h2/h2_prealarm",),
    outputs=(live.LiveOutput("s/r1/io1-do0", "fan", "on", ("h2_alarm",), "on", "proven", True, "watchdog"),),  # noqa: FBT003
    anew=True,
)
DELIVERY = deliveries.Delivery(
    id="m1",
    site="s",
    thread="o1",
    channel="email",
    person="anna",
    outcome=deliveries.Outcome.FAILED,
    attempt=2,
    repeat=True,
    reason="451 busy",
    at_ms=WALL_MS,
    sender="centre-1",
)
SIGN = signs.Sign(
    service="notifier",
    replica="host-1-ab",
    sent_at_ms=WALL_MS,
    expires=(signs.Expiry("token", "anna-desk", WALL_MS),),
)
KPI = kpis.Kpi(
    site="s",
    begin_ms=WALL_MS,
    window_ms=600_000,
    announced=3,
    warnings=2,
    criticals=1,
    acked=1,
    closed=2,
    hidden=1,
    events=12,
    blocks=4,
    log_id=LOG_ID,
    last_seq=10,
    offset=42,
)
LETTER = deadletters.DeadLetter(
    "ampward.inputs.v1", 3, 17, "s", "block: no header line and signature", "processor-1", WALL_MS, b"\x00po\nison\xff"
)

STATE = site_state.SiteState(
    site="s",
    generation=3,
    epoch=1,
    log_id=LOG_ID,
    site_seq=10,
    hash=BLOCK.head_hash,
    offset=42,
    core_version=1,
    blind="",
    parked="",
    lost=("r2",),
    starts=((1, LOG_ID),),
    states={"": b"v", "r1": b"{}"},
)
REGISTRATION = registrations.Registration("s", 3, (KEY.public.text(),))


@dataclass(frozen=True, slots=True)
class Sample:
    """A value, its bytes, and how they are made and read."""

    name: str
    value: Any
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]

    @property
    def data(self) -> bytes:
        return self.encode(self.value)


def _signed(block: blocks.Block) -> bytes:
    return blocks.encode_block(block, KEY)


def _checked(data: bytes) -> blocks.Block:
    return blocks.decode_block(data, KEY.public)


def _signed_live(record: live.Live) -> bytes:
    return live.encode_live(record, KEY)


def _checked_live(data: bytes) -> live.Live:
    return live.decode_live(data, {KEY.id: KEY.public})


def _packed(block: blocks.Block) -> bytes:
    return blocks.encode_block(block, KEY, pack=True)


def _packed_batch(batch: batches.EventsBatch) -> bytes:
    return batches.encode_batch(batch, section_of(batch.events, pack=True))


PACKED = (
    Sample("packed_block", BLOCK, _packed, _checked),
    Sample("packed_batch", BATCH, _packed_batch, batches.decode_batch),
)
"""As sites and processors write them."""
SAMPLES = (
    Sample("block", BLOCK, _signed, _checked),
    Sample("batch", BATCH, batches.encode_batch, batches.decode_batch),
    Sample("command", COMMAND_ORDER, orders.encode_order, orders.decode_order),
    Sample("resend", RESEND, orders.encode_order, orders.decode_order),
    Sample("lease", LEASE, orders.encode_order, orders.decode_order),
    Sample("notify_lease", NOTIFY, orders.encode_order, orders.decode_order),
    Sample("file", FILE, orders.encode_order, orders.decode_order),
    Sample("live", LIVE, _signed_live, _checked_live),
    Sample("delivery", DELIVERY, deliveries.encode_delivery, deliveries.decode_delivery),
    Sample("state", STATE, site_state.encode_site_state, site_state.decode_site_state),
    Sample("registration", REGISTRATION, registrations.encode_registration, registrations.decode_registration),
    Sample("kpi", KPI, kpis.encode_kpi, kpis.decode_kpi),
    Sample("sign", SIGN, signs.encode_sign, signs.decode_sign),
    Sample("dead_letter", LETTER, deadletters.encode_dead_letter, deadletters.decode_dead_letter),
)
