"""How deep a battery was discharged: ampere-hours of each string and the lowest jar, while its mode was discharge.

The mode is the core's (ampward.mode.changed), charge is the current below zero times the log's milliseconds until the
next reading, in whole mA ms. A gap of more than a minute between two readings counts nothing: what nobody measured is
not made up, and ``lasted_ms`` says how long the discharge took in all.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.history.layouts import BatteryOf
from services.history.packing import Ints
from shared.domain.events import Event
from shared.domain.plan import Mode

GAP_MS_MAX = 60_000
MA_MS_PER_MAH = 3_600_000


@dataclass(slots=True)
class StringCharge:
    tick_ms: int = -1
    """Of the last reading, -1 before the first."""
    ma: int = 0
    taken: int = 0
    """mA ms out of the string."""


@dataclass(slots=True)
class Discharge:
    """One that has begun; ``ended_at_ms`` is 0 while it lasts."""

    battery: str
    log: int
    site_seq: int
    began_at_ms: int
    began_tick_ms: int
    ended_at_ms: int = 0
    lasted_ms: int = 0
    lowest_jar: str = ""
    lowest_mv: int = 0
    strings: dict[str, StringCharge] = field(default_factory=dict)

    def row(self) -> tuple[object, ...]:
        """As the table ``discharges`` has it."""
        taken = {name: charge.taken // MA_MS_PER_MAH for name, charge in sorted(self.strings.items())}
        return (
            self.battery, self.began_at_ms, self.ended_at_ms, self.lasted_ms, json.dumps(taken), self.lowest_jar,
            self.lowest_mv, self.log, self.site_seq,
        )  # fmt: skip

    def data(self) -> list[Any]:
        """For the cursor's own transaction: everything needed to go on."""
        strings = {name: [one.tick_ms, one.ma, one.taken] for name, one in self.strings.items()}
        return [
            self.battery, self.log, self.site_seq, self.began_at_ms, self.began_tick_ms, self.ended_at_ms,
            self.lasted_ms, self.lowest_jar, self.lowest_mv, strings,
        ]  # fmt: skip


def _read(data: list[Any]) -> Discharge:
    found = Discharge(*data[:9])
    found.strings = {name: StringCharge(*one) for name, one in data[9].items()}
    return found


class Discharges:
    """All batteries of the site."""

    def __init__(self, data: list[list[Any]]) -> None:
        self._batteries: dict[str, BatteryOf] = {}
        self._by_device: dict[str, tuple[BatteryOf, ...]] = {}
        self.open = {one.battery: one for one in map(_read, data)}
        self.ended: list[Discharge] = []

    def use(self, batteries: dict[str, BatteryOf]) -> None:
        """From here on the site has these batteries."""
        self._batteries = batteries
        self._watch()

    def _watch(self) -> None:
        watched = [self._batteries[name] for name in self.open if name in self._batteries]
        devices = {device for battery in watched for device in battery.devices}
        self._by_device = {device: tuple(b for b in watched if device in b.devices) for device in devices}

    def changed(self, event: Event, log: int) -> None:
        """An event of a battery's mode."""
        known = self.open.pop(event.subject, None)
        if known is not None:
            known.ended_at_ms = event.at_ms
            known.lasted_ms = event.tick_ms - known.began_tick_ms
            self.ended.append(known)
        if event.state == Mode.DISCHARGE.value:
            self.open[event.subject] = Discharge(event.subject, log, event.site_seq, event.at_ms, event.tick_ms)
        self._watch()

    def take(self, device: str, tick_ms: int, values: Ints, reasons: NDArray[np.int8]) -> None:
        """A scan of any device."""
        for battery in self._by_device.get(device, ()):
            self._take(self.open[battery.id], battery, device, tick_ms, values, reasons)

    def _take(
        self, found: Discharge, battery: BatteryOf, device: str, tick_ms: int, values: Ints, reasons: NDArray[np.int8]
    ) -> None:
        found.lasted_ms = tick_ms - found.began_tick_ms
        for string in (string for string in battery.strings if string.device == device):
            charge = found.strings.setdefault(string.id, StringCharge())
            if reasons[string.channel]:
                continue
            past_ms = tick_ms - charge.tick_ms
            if charge.tick_ms >= 0 and past_ms <= GAP_MS_MAX:
                charge.taken += max(0, -charge.ma) * past_ms
            charge.tick_ms, charge.ma = tick_ms, int(values[string.channel])
        for jar, channel in battery.jars.get(device, ()):
            mv = int(values[channel])
            if not reasons[channel] and (not found.lowest_jar or mv < found.lowest_mv):
                found.lowest_jar, found.lowest_mv = jar, mv

    def data(self) -> list[list[Any]]:
        """What ``__init__`` takes."""
        return [self.open[name].data() for name in sorted(self.open)]
