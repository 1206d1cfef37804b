"""From the site's plan to what guard needs of it: each detector's and each output's channels, by device.

A point of a room is the n-th channel of the n-th scan (ScanPlan.first, count); guard decodes only the points that trip
or prove something, with the plain decoder, and knows nothing of the rest of the plan.
"""

from dataclasses import dataclass, replace

from shared.devices.plan import SitePlan
from shared.devices.profile import Channel, DevicePlan
from shared.domain.errors import ConfigError
from shared.domain.ids import DeviceId
from shared.domain.plan import NONE, CauseKind, CausePlan, DetectorPlan, OutputPlan, RoomPlan

ROLES = ("h2", "contact_1", "contact_2", "status", "heartbeat")
"""Points of a detector, by the names that DetectorPlan and TripSample share."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a point comes from."""

    device: DeviceId
    channel: Channel


@dataclass(frozen=True, slots=True)
class BoundDetector:
    plan: DetectorPlan
    sources: tuple[tuple[str, Source], ...]
    """Role and source of each point that the detector has."""
    run_on_ms: int
    """The longest of the outputs that it drives."""
    was: str = ""
    """The id that it had before it was renamed, as its alarms know it."""

    @property
    def devices(self) -> frozenset[DeviceId]:
        return frozenset(source.device for _, source in self.sources)


@dataclass(frozen=True, slots=True)
class BoundOutput:
    room: str
    plan: OutputPlan
    device: DevicePlan
    channel: Channel
    detectors: tuple[tuple[CauseKind, int], ...]
    """What may trip it: kind and index into Binding.detectors."""
    airflow: Source | None
    override: Source | None
    was: str = ""
    """The id that it had before it was renamed, as its alarms know it."""


@dataclass(frozen=True, slots=True)
class Binding:
    detectors: tuple[BoundDetector, ...]
    outputs: tuple[BoundOutput, ...]
    site: str


def bind(site: SitePlan) -> Binding:
    """Raises ConfigError when the plan names a device, point or channel that is not there."""
    devices = {device.id: device for device in site.decision.devices}
    detectors: list[BoundDetector] = []
    outputs: list[BoundOutput] = []
    for room in site.decision.rooms:
        first = len(detectors)
        for index, detector in enumerate(room.detectors):
            detectors.append(_bind_detector(room, index, detector, devices))
        outputs.extend(_bind_output(room, output, first, devices) for output in room.outputs)
    return Binding(tuple(detectors), tuple(outputs), site.decision.site)


def stricter(old: DetectorPlan, new: DetectorPlan) -> DetectorPlan:
    """Trips when either would, and ends only when both do; used until a new plan is committed."""
    return replace(
        old,
        limit_1=min(old.limit_1, new.limit_1),
        limit_2=min(old.limit_2, new.limit_2),
        deadband=max(old.deadband, new.deadband),
        persist_ms=min(old.persist_ms, new.persist_ms),
        good_samples=max(old.good_samples, new.good_samples),
        warm_up_ms=max(old.warm_up_ms, new.warm_up_ms),
    )


def _bind_detector(room: RoomPlan, index: int, detector: DetectorPlan, devices: dict[str, DevicePlan]) -> BoundDetector:
    sources = tuple(
        (role, _source(room, getattr(detector, role), devices)) for role in ROLES if getattr(detector, role) != NONE
    )
    if not sources:
        raise ConfigError(f"{detector.id}: a detector without a point")
    driven = [output.run_on_ms for output in room.outputs if any(_is_cause(room, index, c) for c in output.causes)]
    return BoundDetector(detector, sources, max(driven, default=0), _was(room, detector.id))


def _bind_output(room: RoomPlan, output: OutputPlan, first: int, devices: dict[str, DevicePlan]) -> BoundOutput:
    device = devices.get(output.device)
    if device is None:
        raise ConfigError(f"{output.id}: no device {output.device}")
    channel = next((channel for channel in device.channels if channel.name == output.channel), None)
    if channel is None or channel.words != 1:
        raise ConfigError(f"{output.id}: {output.device} has no coil {output.channel}")
    causes = tuple(
        (kind, first + index)
        for cause in output.causes
        for index in range(len(room.detectors))
        if (kind := _kind_for(room, index, cause)) is not None
    )
    return BoundOutput(
        room.id,
        output,
        device,
        channel,
        causes,
        _source(room, output.airflow, devices) if output.airflow != NONE else None,
        _source(room, output.override, devices) if output.override != NONE else None,
        _was(room, output.id),
    )


def _was(room: RoomPlan, subject: str) -> str:
    """What a detector or an output was called before; an alarm's old id ends with its rule, as its new one does."""
    return next((a.was.rpartition("/")[0] for a in room.alarms if a.was and a.subject == subject), "")


def _is_cause(room: RoomPlan, detector: int, cause: CausePlan) -> bool:
    return _kind_for(room, detector, cause) is not None


def _kind_for(room: RoomPlan, detector: int, cause: CausePlan) -> CauseKind | None:
    """What of the detector the cause asks for. The alarms of its two limits count as the limits themselves."""
    plan = room.detectors[detector]
    if cause.kind in (CauseKind.DETECTOR_1, CauseKind.DETECTOR_2, CauseKind.DETECTOR_FAULT):
        return cause.kind if cause.index == detector else None
    if cause.kind is CauseKind.ALARM and cause.index != NONE and room.alarms[cause.index].on_delay_ms == 0:
        if cause.index == plan.alarm_1:
            return CauseKind.DETECTOR_1
        if cause.index == plan.alarm_2:
            return CauseKind.DETECTOR_2
    return None


def _source(room: RoomPlan, point: int, devices: dict[str, DevicePlan]) -> Source:
    for scan in room.scans:
        if scan.first <= point < scan.first + scan.count:
            device = devices.get(scan.device)
            if device is None or point - scan.first >= len(device.channels):
                break
            return Source(scan.device, device.channels[point - scan.first])
    raise ConfigError(f"room {room.id}: point {point} stands in no scan")
