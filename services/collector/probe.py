"""One look at a device: raw words, decoded values, identity, round trip. Writes nothing to it.

For people who put a site into service: what does this device answer, and does the profile make sense of it? Every block
is read once (a second time after silence) and every failure is shown where it happened, so that one wrong address does
not hide the rest.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.collector.collector import read_values
from shared.devices.decoder import decode_channel
from shared.devices.frame import Block, Frame
from shared.devices.profile import Channel, DevicePlan, Table
from shared.domain.units import NoData, format_value
from shared.fieldbus.port import BusFailure, Reader
from shared.runtime.clocks import Clock


@dataclass(frozen=True, slots=True)
class ProbedValue:
    """One channel: its raw words as hexadecimal, and what they mean or why they mean nothing."""

    channel: str
    table: Table
    address: int
    raw: str
    value: str
    """Decimal string; empty when there is none."""
    unit: str
    label: str
    """The name of an enumeration value."""
    no_data: str
    is_assumed: bool


@dataclass(frozen=True, slots=True)
class ProbedBlock:
    table: Table
    address: int
    count: int
    words: str
    """Registers as hexadecimal words, bits as 0 and 1; empty after a failure."""
    failure: str
    round_trip_ms: int


@dataclass(frozen=True, slots=True)
class Probed:
    """What a device answered."""

    device: str
    bus: str
    unit: int
    profile: str
    identity: str
    """``right``, ``not checked``, or what stands there instead."""
    round_trip_ms: int
    """The longest of its requests; -1 when none was answered."""
    blocks: tuple[ProbedBlock, ...]
    values: tuple[ProbedValue, ...]

    @property
    def is_ok(self) -> bool:
        return self.identity in ("right", "not checked") and all(not block.failure for block in self.blocks)


async def probe(device: DevicePlan, reader: Reader, clock: Clock) -> Probed:
    """Reads the device once."""
    identity = await _identity(device, reader)
    blocks: list[ProbedBlock] = []
    raw: list[Block] = []
    reason = NoData.MALFORMED
    for plan in device.blocks:
        begin_ms = clock.monotonic_ms()
        answer = await read_again(reader, device.unit, plan.table, plan.address, plan.count)
        took_ms = clock.monotonic_ms() - begin_ms
        if isinstance(answer, BusFailure):
            reason = answer.reason
            failure = f"{answer.reason.label}: {answer.detail}"
            blocks.append(ProbedBlock(plan.table, plan.address, plan.count, "", failure, took_ms))
            continue
        raw.append(Block(plan.table, plan.address, plan.count, answer))
        words = _words(plan.table, answer, plan.count)
        blocks.append(ProbedBlock(plan.table, plan.address, plan.count, words, "", took_ms))
    frame = Frame(
        device=device.id,
        boot="probe",
        device_seq=1,
        sampled_at_ms=clock.wall_ms(),
        age_ms=0,
        synced=clock.synced(),
        outcome=NoData.PRESENT,
        detail="",
        blocks=tuple(raw),
    )
    answered = [block.round_trip_ms for block in blocks if not block.failure]
    return Probed(
        device=device.id,
        bus=device.bus,
        unit=device.unit,
        profile=device.profile,
        identity=identity,
        round_trip_ms=max(answered, default=-1),
        blocks=tuple(blocks),
        values=tuple(_value(channel, frame, reason) for channel in device.channels),
    )


async def probe_all(devices: Sequence[DevicePlan], readers: dict[str, Reader], clock: Clock) -> tuple[Probed, ...]:
    """All devices, one after the other on each bus, the buses side by side; in the order of ``devices``."""

    async def one_bus(bus: str, reader: Reader) -> list[Probed]:
        return [await probe(device, reader, clock) for device in devices if device.bus == bus]

    found = await asyncio.gather(*(one_bus(bus, reader) for bus, reader in readers.items()))
    by_id = {one.device: one for bus in found for one in bus}
    return tuple(by_id[device.id] for device in devices if device.id in by_id)


async def read_again(reader: Reader, unit: int, table: Table, address: int, count: int) -> bytes | BusFailure:
    """A read, repeated once when nothing usable came."""
    answer = await reader.read(unit, table, address, count)
    if isinstance(answer, BusFailure) and answer.reason in (NoData.TIMEOUT, NoData.MALFORMED):
        answer = await reader.read(unit, table, address, count)
    return answer


async def _identity(device: DevicePlan, reader: Reader) -> str:
    identity = device.identity
    if identity is None:
        return "not checked"
    answer = await read_again(reader, device.unit, identity.table, identity.address, len(identity.values))
    if isinstance(answer, BusFailure):
        return f"{answer.reason.label}: {answer.detail}"
    found = read_values(identity.table, answer, len(identity.values))
    return "right" if found == identity.values else f"expected {list(identity.values)}, found {list(found)}"


def _words(table: Table, answer: bytes, count: int) -> str:
    values = read_values(table, answer, count)
    return "".join(map(str, values)) if table.is_bits else " ".join(f"{value:04x}" for value in values)


def _value(channel: Channel, frame: Frame, reason: NoData) -> ProbedValue:
    raw = ""
    for block in frame.blocks:
        offset = channel.address - block.address
        if block.table is channel.table and 0 <= offset <= block.size - channel.words:
            values = read_values(channel.table, block.words, block.size)[offset : offset + channel.words]
            raw = _words(channel.table, block.words, block.size)[offset] if channel.table.is_bits else ""
            raw = raw or " ".join(f"{value:04x}" for value in values)
    decoded = decode_channel(channel, frame) if raw else reason
    present = not isinstance(decoded, NoData)
    return ProbedValue(
        channel=channel.name,
        table=channel.table,
        address=channel.address,
        raw=raw,
        value=format_value(int(decoded), channel.unit) if present else "",
        unit=channel.unit.value,
        label=dict(channel.labels).get(int(decoded), "") if present else "",
        no_data="" if not isinstance(decoded, NoData) else decoded.label,
        is_assumed=channel.assumed,
    )
