"""What a reload changes: ids that are new, gone or renamed, for the message and for the log."""

from dataclasses import dataclass

from shared.devices.plan import SitePlan
from shared.domain.plan import RoomPlan

RESTART = ("site", "http", "mqtt", "simulate", "buses")
"""Parts that a running site takes up only when it starts again."""


@dataclass(frozen=True, slots=True)
class PlanChanges:
    """Ids by kind of change. Alarms that only have other figures are ``changed``."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    """(old id, new id)"""
    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]
    """Those of RESTART that differ."""

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.renamed or self.changed or self.needs_restart)

    def text(self) -> str:
        """One line for people."""
        parts = [
            f"{len(items)} {word} ({_some([str(item) for item in items])})"
            for word, items in (
                ("added", self.added),
                ("removed", self.removed),
                ("renamed", tuple(f"{old} -> {new}" for old, new in self.renamed)),
                ("changed", self.changed),
            )
            if items
        ]
        if self.needs_restart:
            parts.append(f"only after a restart: {', '.join(self.needs_restart)}")
        return "; ".join(parts) or "nothing changed"


def _some(items: list[str]) -> str:
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")


def _things(plan: SitePlan) -> dict[str, object]:
    """Everything with an id, and what it is, in plan order; positions in tables are left out, they move."""
    things: dict[str, object] = {}
    for bus in plan.buses:
        things[f"bus {bus.id}"] = bus
    for device in plan.decision.devices:
        things[f"device {device.id}"] = device
    for room in plan.decision.rooms:
        for output in room.outputs:
            things[output.id] = (output.channel, output.safe_on, output.run_on_ms, output.run_up_ms, output.standby)
        things.update((f"part {part.id}", part) for part in room.parts)
        things.update(_alarms(room))
    return things


def _alarms(room: RoomPlan) -> dict[str, object]:
    """Each alarm with its figures: delays, severity, latch and the limits of its rows."""
    limits: dict[int, list[object]] = {}
    for row in room.limits:
        limits.setdefault(row.alarm, []).append((row.high, row.limit, row.deadband, row.by_mode))
    for deviation in room.deviations:
        limits.setdefault(deviation.alarm, []).append((deviation.limit, deviation.deadband))
    for difference in room.differences:
        limits.setdefault(difference.alarm, []).append((difference.limit, difference.deadband))
    for factor in room.median_factors:
        limits.setdefault(factor.alarm, []).append((factor.factor_percent, factor.floor))
    for detector in room.detectors:
        limits.setdefault(detector.alarm_1, []).append((detector.limit_1, detector.deadband))
        limits.setdefault(detector.alarm_2, []).append((detector.limit_2, detector.deadband))
    return {
        alarm.id: (
            alarm.severity,
            alarm.on_delay_ms,
            alarm.off_delay_ms,
            alarm.latch,
            alarm.realarm_ms,
            alarm.rises,
            alarm.window_ms,
            limits.get(index),
        )
        for index, alarm in enumerate(room.alarms)
    }


def plan_changes(old: SitePlan, new: SitePlan) -> PlanChanges:
    """What differs between two plans of one site."""
    before, after = _things(old), _things(new)
    renamed = [
        (alarm.was, str(alarm.id))
        for room in new.decision.rooms
        for alarm in room.alarms
        if alarm.was and alarm.was in before
    ]
    gone, come = {was for was, _ in renamed}, {now for _, now in renamed}
    return PlanChanges(
        added=tuple(name for name in after if name not in before and name not in come),
        removed=tuple(name for name in before if name not in after and name not in gone),
        renamed=tuple(renamed),
        changed=tuple(name for name in after if name in before and after[name] != before[name]),
        needs_restart=tuple(name for name in RESTART if _whole(old, name) != _whole(new, name)),
    )


def _whole(plan: SitePlan, name: str) -> object:
    return plan.decision.site if name == "site" else getattr(plan, name)
