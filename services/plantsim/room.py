"""The physics of one simulated room: hydrogen, fan, charger, jars, electrolyte.

Hydrogen follows the well-mixed balance dC/dt = (G - Q C) / V with G = 0.42e-3 m³ per Ah and cell (0 °C), the cells'
gassing current by charge mode (vented lead: 5 mA/Ah float, 20 boost), and Q the fan's capacity while it really turns.
``speed`` makes gas (nothing else) run faster, so that hours of charging fit into a demonstration.
A fan turns when its contact is on and it is not failing; its airflow switch closes and opens a second later.
Values that the script has set stay as it set them.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.plantsim.device import SimulatedDevice
from services.plantsim.encode import Value

GAS_M3_PER_AH = 0.42e-3
AIRFLOW_LAG_S = 1.0
JARS_EVERY_S = 1.0
CHARGING, EQUALISING, FLOATING, DISCHARGING, RUNNING = 0x10, 0x80, 0x40, 0x08, 0x01
CELLS = {
    "vented_lead": {"float": (2.23, 5.0), "boost": (2.40, 20.0), "discharge": (1.95, 0.0)},
    "vrla": {"float": (2.27, 1.0), "boost": (2.40, 8.0), "discharge": (1.95, 0.0)},
    "vented_nicd": {"float": (1.40, 5.0), "boost": (1.55, 50.0), "discharge": (1.20, 0.0)},
}
"""By battery type and mode: volts a cell, gassing current in mA/Ah [EN 50272-2 as quoted]."""
FLAGS = {
    "float": RUNNING | CHARGING | FLOATING,
    "boost": RUNNING | CHARGING | EQUALISING,
    "discharge": RUNNING | DISCHARGING,
}
CURRENT_A = {"float": 0.002, "boost": 0.2, "discharge": -0.25}
"""String current as a share of the capacity's figure."""


@dataclass(frozen=True, slots=True)
class FanSpec:
    device: str
    output: str
    airflow: tuple[str, str] | None
    capacity_m3h: float


@dataclass(frozen=True, slots=True)
class BatterySpec:
    type: str
    cells_per_jar: int
    capacity_ah: float
    strings: tuple[int, ...]
    """Jars of each string; modules are numbered on from string to string."""
    monitor: str
    """The BACS device, or empty."""
    levels: str
    contact: tuple[str, str] | None
    resistance_mohm: float


@dataclass(frozen=True, slots=True)
class RoomSpec:
    name: str
    volume_m3: float
    speed: float
    mode: str
    ambient_c: float
    h2_points: tuple[tuple[str, str], ...]
    contact_points: tuple[tuple[str, str], ...]
    """Contacts that close at 1 % and at 2 %, in turn."""
    ambient_points: tuple[tuple[str, str], ...]
    fans: tuple[FanSpec, ...]
    inhibit: tuple[str, str] | None
    battery: BatterySpec | None


@dataclass(slots=True)
class _Fan:
    spec: FanSpec
    is_failing: bool = False
    turning_s: float = 0.0
    """How long it has turned (positive) or stood (negative)."""


@dataclass(slots=True)
class SimulatedRoom:
    """Advanced by ``step``; ``held`` are the points that the script keeps."""

    spec: RoomSpec
    devices: Mapping[str, SimulatedDevice]
    held: set[tuple[str, str]]
    dice: random.Random
    h2_percent: float = 0.0
    mode: str = "float"
    fans: list[_Fan] = field(default_factory=list)
    offsets: list[tuple[float, float, float]] = field(default_factory=list)
    """Of each jar: voltage, temperature, resistance against the mean."""
    jars_due_s: float = 0.0
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.mode = self.spec.mode
        self.fans = [_Fan(fan) for fan in self.spec.fans]
        battery = self.spec.battery
        gauss = self.dice.gauss
        jars = sum(battery.strings) if battery is not None else 0
        self.offsets = [(gauss(0, 0.002), gauss(0, 0.3), gauss(0, 0.01)) for _ in range(jars)]

    def step(self, dt_s: float) -> None:
        """Everything that happens in ``dt_s`` seconds."""
        self.now_s += dt_s
        if self.inhibited and self.mode == "boost":
            self.mode = "float"
        airflow_m3h = sum(self._turn(fan, dt_s) for fan in self.fans)
        self.h2_percent = gas_after(
            self.h2_percent, self.gassing_m3h(), airflow_m3h, self.spec.volume_m3, dt_s * self.spec.speed / 3600
        )
        for point in self.spec.h2_points:
            self._show(point, round(self.h2_percent, 4))
        for place, point in enumerate(self.spec.contact_points):
            self._show(point, self.h2_percent >= place + 1)
        if self.now_s >= self.jars_due_s:
            self.jars_due_s = self.now_s + JARS_EVERY_S
            self._show_battery()

    @property
    def inhibited(self) -> bool:
        """Whether the charger is told not to boost."""
        inhibit = self.spec.inhibit
        return inhibit is not None and self.devices[inhibit[0]].contact(inhibit[1])

    def gassing_m3h(self) -> float:
        """Hydrogen made now, in m³ an hour."""
        battery = self.spec.battery
        if battery is None:
            return 0.0
        cells = sum(battery.strings) * battery.cells_per_jar
        _, current_ma_ah = CELLS[battery.type][self.mode]
        return GAS_M3_PER_AH * cells * battery.capacity_ah * current_ma_ah / 1000

    def _turn(self, fan: _Fan, dt_s: float) -> float:
        spec = fan.spec
        turns = self.devices[spec.device].contact(spec.output) and not fan.is_failing
        fan.turning_s = max(0.0, fan.turning_s) + dt_s if turns else min(0.0, fan.turning_s) - dt_s
        if spec.airflow is not None and abs(fan.turning_s) >= AIRFLOW_LAG_S:
            self._show(spec.airflow, turns)
        return spec.capacity_m3h if turns else 0.0

    def _show(self, point: tuple[str, str], value: Value) -> None:
        if point in self.held:
            return
        device = self.devices[point[0]]
        try:
            device.put(point[1], value)
        except ValueError:
            device.put(point[1], "raw:0xFFFF")  # Over the top of the device's range.

    def _show_battery(self) -> None:
        for point in self.spec.ambient_points:
            self._show(point, round(self.spec.ambient_c + self.dice.gauss(0, 0.05), 1))
        battery = self.spec.battery
        if battery is None:
            return
        if battery.contact is not None:
            self._show(battery.contact, self.mode == "boost")
        if battery.monitor:
            self._show_monitor(battery)
        if battery.levels:
            for module in range(1, sum(battery.strings) + 1):
                self._show((battery.levels, f"module{module}_level"), "green")
                heat = self.spec.ambient_c + 1 + self.offsets[module - 1][1]
                self._show((battery.levels, f"module{module}_level_temperature"), round(heat, 1))

    def _show_monitor(self, battery: BatterySpec) -> None:
        monitor, modules = battery.monitor, sum(battery.strings)
        self._show((monitor, "general_flags"), FLAGS[self.mode])
        self._show((monitor, "string_count"), len(battery.strings))
        self._show((monitor, "module_count"), modules)
        module = 0
        for string, jars in enumerate(battery.strings, 1):
            total_v = 0.0
            for _ in range(jars):
                module += 1
                total_v += self._show_jar(battery, module)
            current_a = CURRENT_A[self.mode] * battery.capacity_ah
            self._show((monitor, f"s{string}_current"), round(current_a))
            self._show((monitor, f"s{string}_voltage"), round(total_v))
            self._show((monitor, f"s{string}_average"), round(total_v / jars))
            self._show((monitor, f"s{string}_ac"), 0)

    def _show_jar(self, battery: BatterySpec, module: int) -> float:
        volts_off, heat_off, ohms_off = self.offsets[module - 1]
        cell_v, _ = CELLS[battery.type][self.mode]
        noise = self.dice.gauss
        name = f"module{module}_voltage"
        values: dict[str, Value] = {
            name: round((cell_v + volts_off + noise(0, 0.0005)) * battery.cells_per_jar, 3),
            f"module{module}_resistance": round(battery.resistance_mohm * (1 + ohms_off), 2),
            f"module{module}_temperature": round(self.spec.ambient_c + 1 + heat_off + noise(0, 0.05), 1),
            f"module{module}_state": 0,
        }
        for point, value in values.items():
            self._show((battery.monitor, point), value)
        return self.devices[battery.monitor].get(name)


def gas_after(percent: float, made_m3h: float, airflow_m3h: float, volume_m3: float, hours: float) -> float:
    """Concentration in % after ``hours`` of constant gassing and airflow: the exact solution of the balance."""
    if airflow_m3h < 1e-6:
        return min(100.0, percent + 100 * made_m3h * hours / volume_m3)
    settled = 100 * made_m3h / airflow_m3h
    return percent - (settled - percent) * math.expm1(-airflow_m3h * hours / volume_m3)
