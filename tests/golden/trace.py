"""The worked trace: hydrogen crosses 2 % in one scan; its input, events, chain row, block and records in Kafka as the
very bytes.

`python -m tests.golden.trace` prints it; docs/trace.txt holds it. It is the contract between everything that writes and
everything that reads these records, and is added to, not edited, once released.
"""

import json
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from services.processor.runner import Runner
from services.processor.seats import KEY as NEEDS_KEY
from services.processor.seats import RULES, Given, Seats
from shared.bus.registry import EVENTS, INPUTS, Topic
from shared.devices.frame import Block, Frame
from shared.devices.profile import Table
from shared.domain.units import NoData
from shared.log.port import Cursor, Reading
from shared.log.store import MemoryStore
from shared.runtime.clocks import ManualClock
from shared.runtime.site_file import check_site
from shared.wire import cloud
from shared.wire.blocks import encode_block, peek_block
from shared.wire.inputs import encode_input
from shared.wire.sections import LENGTH_BYTES
from shared.wire.signing import SIGNATURE_BYTES, SigningKey
from tests.services.processor.recorded import block_from, links_of

SITE = """version: 1
site: {id: demo, name: Demo}
buses: {b1: {modbus_tcp: "10.0.0.5:502"}}
devices:
  gas1: {bus: b1, unit: 1, profile: pemtech-pt495, every: 500ms, room: r1}
  io1: {bus: b1, unit: 2, profile: relay-io, every: 500ms, room: r1}
rooms:
  r1:
    volume_m3: 50
    gas: [{h2: gas1.h2}]
    fan: [{output: io1.do0, airflow: io1.di2, capacity_m3h: 100}]
    charger_inhibit: {output: io1.do1}
"""
LOG_ID = "5f2c1a7e9b3d4c60a1b2c3d4e5f60718"
BOOT = "7d1e"
KEY = SigningKey(bytes(range(32)))
CALM = (0, 0, 0, 3)
"""Tenths of a per cent by volume, scan by scan; then the crossing."""
CROSSING = 21


def _frame(number: int, tenths: int, clock: ManualClock) -> Frame:
    words = tenths.to_bytes(2) + (0x0600).to_bytes(2)
    blocks = (Block(Table.HOLDING, 0, 2, words),)
    return Frame(
        device="gas1",
        boot=BOOT,
        device_seq=number,
        sampled_at_ms=clock.wall_ms() - 12,
        age_ms=12,
        synced=True,
        outcome=NoData.PRESENT,
        detail="",
        blocks=blocks,
    )


def lines() -> Iterator[str]:
    """The trace, line by line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "site.yaml")
        path.write_text(SITE, encoding="utf-8")
        checked = check_site(path, {})
    assert checked.plan is not None, checked.errors
    clock = ManualClock()
    runner = Runner(MemoryStore(), checked.plan.decision, clock, limits=checked.plan.log, new_id=lambda: LOG_ID)
    runner.open(BOOT)
    for number, tenths in enumerate(CALM, 1):
        clock.advance(500)
        runner.commit([_frame(number, tenths, clock)])
    clock.advance(500)
    log = runner.reader()
    assert log is not None
    before = log.head()
    crossing = _frame(len(CALM) + 1, CROSSING, clock)
    runner.commit([crossing])
    row = next(log.inputs(before.site_seq, 1))
    header, _, words = row.data.partition(b"\n")
    assert row.data == encode_input(LOG_ID, row.site_seq, log.head().tick_ms, log.head().at_ms, crossing)
    yield "A crossing of 2 %: what stands in the log, byte for byte"
    yield ""
    yield "site file"
    yield from (f"    {line}" for line in SITE.splitlines())
    yield ""
    yield f"decision version  {runner.version}"
    yield f"head before       site_seq {before.site_seq}, chain {before.hash.hex()}"
    yield ""
    yield f"input {row.site_seq}, kind {row.kind}, {len(row.data)} bytes: one line of JSON, a newline, the words"
    yield f"    {header.decode()}"
    yield f"    words  {words.hex(' ', 2)}        {CROSSING} tenths of a per cent, then status 0 of a hydrogen head"
    yield ""
    events = [event for _, event in log.events(Cursor(LOG_ID, before.site_seq, 1 << 30), 100)]
    yield f"events of this input: {len(events)}"
    for event in events:
        yield f"    {event.data.decode()}"
    yield ""
    stretch = list(log.stretches(before.site_seq))[-1]
    yield "chain row: h = sha256(previous, first, last, root of inputs, root of events, count)"
    yield f"    first {stretch.first_seq}, last {stretch.last_seq}"
    yield f"    hash  {stretch.hash.hex()}"
    yield ""
    yield from _in_kafka(log)


def _in_kafka(log: Reading) -> Iterator[str]:
    """The link as the uplink sends it, not packed, and what the processor makes of it behind all before it."""
    links, names = list(links_of(log)), list(log.log_ids())
    parts = [encode_block(block_from(part, site="demo", names=names), KEY) for part in (links[:-1], links[-1:])]
    head, at_ms = peek_block(parts[1]), log.head().at_ms
    key_id, name = KEY.public.id, cloud.range_id(head.log_id, head.epoch, head.first_seq, head.last_seq)
    line, _, rest = parts[1].partition(b"\n")
    signature, records = rest[:SIGNATURE_BYTES], rest[SIGNATURE_BYTES:]
    yield f"site's key        private 00 01 .. 1f, public {KEY.public.text()}, id {key_id}"
    yield ""
    yield from _record(INPUTS, parts[1], cloud.headers(cloud.BLOCK, site="demo", id=name, at_ms=at_ms))
    yield f"    {line.decode()}"
    yield f"    signature  {signature.hex()}"
    inputs, events = records[: (part := json.loads(line)["part"])], records[part:]
    yield from _section("inputs", inputs)
    yield from _section("events", events)
    yield ""
    seats = Seats()
    seats.learn(NEEDS_KEY + key_id, "demo", KEY.public.raw)
    for row in log.inputs(0):
        if row.kind == "ruleset":
            version = row.data.partition(b'"version":"')[2].partition(b'"')[0].decode()
            seats.learn(RULES + version, "", log.ruleset(version) or b"")
    _, made = seats.take(Given("demo", offset, data) for offset, data in enumerate(parts))
    line, _, section = made.record.partition(b"\n")
    assert section == events
    yield from _record(EVENTS, made.record, cloud.headers(cloud.BATCH, site="demo", id=made.id, at_ms=at_ms))
    yield f"    {line.decode()}"
    yield "    then the events as they stand in the block"


def _record(topic: Topic, value: bytes, headers: cloud.Headers) -> Iterator[str]:
    yield f"record of {topic.name}, key demo, {len(value)} bytes, sha256 {sha256(value).hexdigest()}"
    yield from (f"    {name}: {text.decode()}" for name, text in headers)


def _section(name: str, data: bytes) -> Iterator[str]:
    """Records behind their lengths; the records themselves are above."""
    at = number = 0
    while at < len(data):
        number += 1
        length = data[at : at + LENGTH_BYTES]
        at += LENGTH_BYTES + int.from_bytes(length)
        yield f"    {name}     {length.hex()}: {int.from_bytes(length)} bytes, number {number} of those above"


if __name__ == "__main__":
    print("\n".join(lines()))
