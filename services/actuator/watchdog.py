"""The relay module's own watchdog: is it set as planned? Read only; commissioning sets it, guard never does.

The safe-value register holds one bit a coil, the coil with the lowest address in bit 0. A module without a watchdog is
``not supervised``, and says so wherever it is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from services.actuator.gate import GatedBus
from shared.devices.profile import Channel, DevicePlan, Watchdog
from shared.domain.plan import OutputPlan
from shared.domain.units import NoData
from shared.fieldbus.port import BusFailure

EARLY = 10
"""A module's own clock may be fast by a tenth: its watchdog may act so much before its time."""


class Switched(Protocol):
    """An output and how its on looks on the wire."""

    @property
    def output(self) -> OutputPlan: ...

    @property
    def channel(self) -> Channel: ...

    def raw(self, on: bool) -> bool: ...


@dataclass(frozen=True, slots=True)
class Supervision:
    """What is known of the module's watchdog."""

    time_ms: int
    """Its planned time, 0 when the module has none."""
    was_read: bool = False
    trouble: str = ""
    """What is not as planned."""

    @staticmethod
    def of(device: DevicePlan) -> "Supervision":
        return Supervision(0 if device.watchdog is None else device.watchdog.value * device.watchdog.unit_ms)

    @property
    def early_ms(self) -> int:
        """After so long without contact the module may have acted already; 0 when it has no watchdog."""
        return self.time_ms - self.time_ms // EARLY

    @property
    def label(self) -> str:
        if self.time_ms == 0:
            return "not supervised"
        return "watchdog off" if self.trouble else "watchdog" if self.was_read else "watchdog not read yet"


async def check_watchdog(device: DevicePlan, coils: Sequence[Switched], bus: GatedBus) -> Supervision:
    """Read time, enable and safe values and compare. A module that does not answer leaves ``was_read`` False."""
    found = Supervision.of(device)
    plan = device.watchdog
    if plan is None:
        return found
    registers = {"time": plan.address, "enable": plan.enable_address, "safe value": plan.safe_address}
    values: dict[str, int] = {}
    for name, address in registers.items():
        if address < 0:
            continue
        answer = await bus.read(device.unit, plan.table, address, 1)
        if isinstance(answer, BusFailure):
            was_read = answer.reason is NoData.EXCEPTION
            return replace(found, was_read=was_read, trouble=f"its {name} cannot be read: {answer.reason.label}")
        values[name] = int.from_bytes(answer, "big")
    return replace(found, was_read=True, trouble=_compare(device, plan, values, coils))


def _compare(device: DevicePlan, plan: Watchdog, values: dict[str, int], coils: Sequence[Switched]) -> str:
    if values["time"] != plan.value:
        return f"its time register holds {values['time']}, planned is {plan.value}"
    if values.get("enable", 1) == 0:
        return "it is not enabled"
    first = min((channel.address for channel in device.channels if channel.writable), default=0)
    for coil in coils:
        bit = coil.channel.address - first
        if "safe value" in values and bool(values["safe value"] >> bit & 1) != coil.raw(coil.output.safe_on):
            return f"its safe value of {coil.output.channel} is not the output's"
    return ""
