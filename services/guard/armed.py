"""Is an output armed? Derived from the commissioning record, and only from it: DIR/commission.json.

A proof counts for the output exactly as it was proven: bus address, unit, coil, sense of the coil, safe value,
watchdog, airflow contact with the address of its own device. Any of these changed in the plan and the output is unarmed
until it is commissioned again; limits and causes may change. An unarmed output is switched all the same, and says so.
"""

from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from services.guard.binding import Binding, BoundOutput, Source
from services.guard.locks import bus_address
from shared.devices.plan import SitePlan
from shared.devices.profile import DevicePlan
from shared.domain.ids import OutputId
from shared.runtime import places

RECORD = "commission.json"


class Proofs(msgspec.Struct, frozen=True):
    """What commissioning saw; each is a sentence, or empty when it does not apply."""

    wiring: str
    read_back: str
    watchdog: str
    airflow: str


class Proven(msgspec.Struct, frozen=True):
    """One output's entry."""

    hash: str
    at: str
    """RFC 3339, UTC."""
    by: str
    proofs: Proofs


class Record(msgspec.Struct, frozen=True):
    outputs: dict[str, Proven] = {}


def output_hash(site: SitePlan, bound: BoundOutput) -> str:
    """Names everything about an output that a proof depends on."""
    parts = [
        bound.plan.id,
        bound.plan.kind,
        _address(site, bound.device),
        bound.device.unit,
        [bound.channel.table, bound.channel.address, bound.channel.on],
        bound.plan.safe_on,
        bound.plan.wiring_safe,
        bound.device.watchdog,
        bound.plan.run_up_ms,
        _sensor(site, bound.airflow),
    ]
    return sha256(msgspec.json.encode(parts)).hexdigest()


def _sensor(site: SitePlan, airflow: Source | None) -> list[object] | None:
    """Where the airflow is read: another box under the same name proves nothing."""
    if airflow is None:
        return None
    device = next(device for device in site.decision.devices if device.id == airflow.device)
    return [_address(site, device), device.unit, airflow.channel]


def _address(site: SitePlan, device: DevicePlan) -> str:
    bus = next(bus for bus in site.buses if bus.id == device.bus)
    return bus_address(bus) or bus.simulated


def read_record(data: Path) -> Record:
    """An absent or unreadable record proves nothing."""
    try:
        return msgspec.json.decode(places.find_file(data, RECORD).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Record()


def told(record: Record, output: str, wall_ms: int) -> str:
    """Of an armed output, for its ARMED Report: "commissioned AGE_MS AT by WHO"; the core counts it as a proof test.

    A record whose time cannot be read is no proof test; one from a clock that was ahead is of now.
    """
    proven = record.outputs.get(output)
    if proven is None:
        return ""
    try:
        at_ms = int(datetime.fromisoformat(proven.at).timestamp() * 1000)
    except (ValueError, OverflowError):
        return ""
    return f"commissioned {max(0, wall_ms - at_ms)} {proven.at} by {proven.by}"


def unarmed(site: SitePlan, binding: Binding, record: Record) -> dict[OutputId, str]:
    """Why each output that is not armed is not."""
    reasons: dict[OutputId, str] = {}
    for bound in binding.outputs:
        proven = record.outputs.get(bound.plan.id)
        if proven is None:
            reasons[bound.plan.id] = "never commissioned"
        elif proven.hash != output_hash(site, bound):
            reasons[bound.plan.id] = "changed since it was commissioned"
    return reasons
