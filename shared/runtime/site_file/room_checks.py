"""Checks of one room: gas and ventilation, outputs, batteries, the site's own rules and matrix lines.

Figures: airflow Q = 0.05 n I_gas C_rt 1e-3 m³/h and openings of 28 Q cm² [EN 50272-2 as quoted]; polls of gas, airflow
and relays at most 900 ms apart [G3]; the watchdog's time at most 10 s [G4]; fan run-on at least 60 min, because gassing
goes on for an hour after charging stops.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from shared.domain.catalogue import BATTERIES, RULES
from shared.domain.plan import Mode, OutputKind
from shared.domain.units import Unit, format_value
from shared.runtime.documents import Place
from shared.runtime.durations import format_duration
from shared.runtime.site_file.batteries import baseline_of, hold_ms, volts, windows
from shared.runtime.site_file.binding import Battery, Output, OwnRule, Room
from shared.runtime.site_file.figures import Figures, is_doubtful, is_own, ordered, to_unit
from shared.runtime.site_file.loading import Source
from shared.runtime.site_file.models import RuleModel
from shared.runtime.site_file.names import Names, listing, near
from shared.runtime.site_file.outputs import WORDS
from shared.runtime.site_file.site_checks import is_rule_name

POLL_MAX_MS = 900
WATCHDOG_MAX_MS = 10_000
PERSIST_MAX_MS = 4_000
RUN_UP_ADVISED_MAX_MS = 9_000
RUN_ON_ADVISED_MIN_MS = 3_600_000
WARM_UP_ADVISED_MAX_MS = 600_000
OPENING_CM2_PER_M3H = 28
VOLTAGE_RULES = (
    "jar_voltage_high_alarm",
    "jar_voltage_high_warning",
    "jar_voltage_low_warning",
    "jar_voltage_low_alarm",
)
"""From HH down to LL."""
CONDITIONS = ("high_high", "high", "low", "low_low", "closed", "rise")
NOT_OWN = ("limit", "by_mode", "over_ambient", "factor_percent", "floor", "at_least", "every", "enabled")


class RoomChecks:
    """All checks of one bound room."""

    def __init__(self, names: Names, room: Room) -> None:
        self.names = names
        self.source: Source = names.source
        self.room = room

    def check(self) -> None:
        self.gas()
        self.ventilation()
        self.polls()
        for output in self.room.outputs:
            self.output(output)
        for battery in self.room.batteries:
            self.battery(battery)
        seen: dict[tuple[str, str, str], Place] = {}
        for rule in self.room.own:
            self.own(rule, seen)

    def knows(self, *keys: str) -> bool:
        """True when nothing was left out of the room's lists ``keys``: only then may they be called short."""
        return not any(self.source.has_lost((*self.room.place, key)) for key in keys)

    def gas(self) -> None:
        mains: dict[tuple[str, str], int] = {}
        for detector in self.room.detectors:
            main = detector.main
            if mains.setdefault((main.device, main.channel.name), 0):
                what = f"{main.device}.{main.channel.name} is a detector already"
                self.source.fault(detector.place, what, "each detector once")
            mains[(main.device, main.channel.name)] += 1
            if detector.model.persist > PERSIST_MAX_MS:
                what = f"a silent detector would be told only after {format_duration(detector.model.persist)}"
                self.source.fault((*detector.place, "persist"), what, f"at most {format_duration(PERSIST_MAX_MS)}")
            if detector.model.warm_up > WARM_UP_ADVISED_MAX_MS:
                what = f"the fan runs for {format_duration(detector.model.warm_up)} after each start"
                self.source.warn((*detector.place, "warm_up"), what, "up to 10min is advised")
        fans = self.of(OutputKind.FAN)
        if self.room.model.gas and not fans and not self.room.model.fan and self.knows("fan"):
            self.source.warn(
                (*self.room.place, "gas"), "no fan answers to this detector", "a fan: in this room", needs=()
            )

    def of(self, kind: OutputKind) -> list[Output]:
        return [output for output in self.room.outputs if output.kind is kind]

    def ventilation(self) -> None:
        room, place = self.room.model, self.room.place
        vented = [name for name, battery in room.batteries.items() if battery.type.is_vented]
        for key, text in (("gas", "a hydrogen detector under gas:"), ("fan", "a fan with its output under fan:")):
            if vented and not getattr(room, key) and self.knows(key):
                what = f"{vented[0]} has vented cells, and the room has no {key}"
                self.source.fault(place, what, text, value=False, needs=())
        if vented and not room.charger_inhibit and self.knows("charger_inhibit"):
            what = f"nothing stops boost charge of {vented[0]} at 2 % hydrogen"
            self.source.warn(place, what, "charger_inhibit: {output: ...}", needs=())
        if room.fan and room.fan[0].standby and self.knows("fan"):
            self.source.fault(
                (*place, "fan", 0, "standby"), "the first fan cannot stand by", "standby: true on a later one"
            )
        if self.room.batteries:
            self.airflow()

    def airflow(self) -> None:
        """The fan carries boost, and openings or the fan carry float."""
        room = self.room.model
        needs = {mode: needed_m3h(self.room, mode) for mode in (Mode.FLOAT, Mode.BOOST)}
        capacities = [fan.capacity_m3h for fan in room.fan if not fan.standby]
        if not room.fan:
            self.openings(needs[Mode.FLOAT])
        sizes: list[Place] = [
            (*self.room.place, "fan", index, key)
            for index in range(len(room.fan))
            for key in ("capacity_m3h", "standby")
        ]
        if not capacities or not self.knows("fan") or any(self.source.is_broken(one) for one in sizes):
            return
        if None in capacities:
            index = next(index for index, fan in enumerate(room.fan) if not fan.standby and fan.capacity_m3h is None)
            what = f"its airflow is not known; boost needs {_figure(needs[Mode.BOOST])} m³/h"
            at: Place = (*self.room.place, "fan", index)
            self.source.warn(at, what, "capacity_m3h: what the fan really moves", needs=())
            return
        total = sum((one for one in capacities if one is not None), Decimal(0))
        short = [mode for mode, need in needs.items() if need > total]
        if short:
            what = " and ".join(f"{mode} needs {_figure(needs[mode])}" for mode in reversed(short))
            at = (*self.room.place, "fan", 0, "capacity_m3h")
            self.source.fault(
                at, f"{_figure(total)} m³/h is too little: {what} m³/h", f"at least {_figure(needs[short[-1]])}"
            )

    def openings(self, need: Decimal) -> None:
        area = need * OPENING_CM2_PER_M3H
        given = self.room.model.openings_cm2
        if given is None and self.knows("fan", "openings_cm2"):
            what = f"no fan and no openings: float charge needs {_figure(need)} m³/h"
            advised = f"openings_cm2: {_figure(area)} or more, in and out, or a fan"
            self.source.warn(self.room.place, what, advised, needs=())
        elif given is not None and given < area:
            at = (*self.room.place, "openings_cm2")
            self.source.fault(
                at, f"{given} cm² is too little for {_figure(need)} m³/h", f"at least {_figure(area)} cm²"
            )

    def polls(self) -> None:
        """Gas, airflow and relay points decide within seconds."""
        why: dict[str, str] = {}
        for detector in self.room.detectors:
            for found in detector.points.values():
                why.setdefault(found.device, "gas")
        for output in self.room.outputs:
            why.setdefault(output.coil.device, "a relay")
            for proof in (output.airflow, output.read_back, output.override):
                if proof is not None:
                    why.setdefault(proof.device, "airflow")
        for device, reason in why.items():
            every = self.source.model.devices[device].every
            if every > POLL_MAX_MS:
                place: Place = ("devices", device, "every")
                what = f"{format_duration(every)} is too slow for {reason}"
                self.source.fault(place, what, f"at most {POLL_MAX_MS}ms")

    def output(self, output: Output) -> None:
        profile = self.names.profiles[output.coil.device]
        at, safe = (*output.place, "output"), [(*output.place, "safe")]
        if output.kind is OutputKind.FAN:
            self.fan(output)
        if output.kind is OutputKind.CHARGER_INHIBIT and output.safe_on:
            what = "the charger would be stopped whenever this box is not there"
            self.source.warn(at, what, "safe: off in the profile", needs=safe)
        if output.kind is OutputKind.BUZZER and not output.safe_on:
            what = "the buzzer would be silent when this box is not there"
            self.source.warn(at, what, "safe: on in the profile", needs=safe)
        watchdog = profile.watchdog
        if watchdog is None:
            self.unsupervised(output, at)
            return
        time = watchdog.value * watchdog.unit_ms
        if time > WATCHDOG_MAX_MS:
            what = f"the watchdog of {output.coil.device} waits {format_duration(time)}"
            self.source.fault(at, what, f"at most {format_duration(WATCHDOG_MAX_MS)}")
        elif time < 3 * self.source.model.devices[output.coil.device].every:
            what = (
                f"the watchdog of {output.coil.device} waits {format_duration(time)} only: a missed poll or two trip it"
            )
            self.source.warn(at, what, "at least three polls")

    def unsupervised(self, output: Output, at: Place) -> None:
        """No watchdog: a fan must then be wired safely, other outputs are told."""
        if output.wiring_safe or self.source.is_broken((*output.place, "wiring")):
            return
        if self.names.is_doubtful(output.coil.device, "watchdog"):
            return
        device = output.coil.device
        if output.kind is OutputKind.FAN:
            what = f"{device} has no watchdog: when this box dies the fan may stay off"
            self.source.fault(at, what, "wiring: fan_on_when_deenergised, or a module with a watchdog")
        else:
            what = f"not supervised: {device} has no watchdog, and keeps this output as it is when this box dies"
            self.source.warn(at, what, "a module with a watchdog, or wiring: fan_on_when_deenergised")

    def fan(self, output: Output) -> None:
        if not output.safe_on:
            key = "safe" if self._says_safe(output) else "output"
            needs = [(*output.place, "safe")]
            self.source.fault((*output.place, key), "the safe value of a fan is on", "safe: on", needs=needs)
        if output.airflow is None and not output.airflow_named:
            what = "its airflow is not proven: a torn belt would not be noticed"
            needs = [(*output.place, "airflow")]
            self.source.warn(output.place, what, "airflow: a contact of an airflow switch", needs=needs)
        if output.run_on_ms < RUN_ON_ADVISED_MIN_MS:
            what = f"{format_duration(output.run_on_ms)} is short: cells gas for an hour after charging"
            self.source.warn((*output.place, "run_on"), what, "at least 60min is advised")
        if output.run_up_ms > RUN_UP_ADVISED_MAX_MS:
            what = f"a dead fan would be told only after {format_duration(output.run_up_ms)}"
            self.source.warn((*output.place, "run_up"), what, "up to 9s is advised")

    def _says_safe(self, output: Output) -> bool:
        index = output.place[-1]
        return isinstance(index, int) and self.room.model.fan[index].safe is not None

    def battery(self, battery: Battery) -> None:
        model, place = battery.model, battery.place
        floating, boosting = volts(model)
        if boosting <= floating:
            what = f"boost ({boosting / 1_000_000:.3f} V) must lie above float ({floating / 1_000_000:.3f} V per cell)"
            key = "boost_v_per_cell" if model.boost_v_per_cell is not None else "float_v_per_cell"
            self.source.fault((*place, key), what, "boost above float", needs=self.volts(battery))
        for key in ("float_v_per_cell", "boost_v_per_cell"):
            self.decimals(getattr(model, key), Unit.VOLT, (*place, key))
        self.decimals(model.baseline_mohm, Unit.MILLIOHM, (*place, "baseline_mohm"))
        self.decimals(model.temperature_c, Unit.CELSIUS, (*place, "temperature_c"))
        self.windows(battery)
        self.hold(battery)
        self.runaway(battery)
        jars = [jar for string in battery.strings for jar in string.jars]
        blind = [jar for jar in jars if "resistance" in jar.points and baseline_of(battery, jar) is None]
        if blind and battery.table["jar_resistance_alarm"].limit is None:
            what = f"{len(blind)} of {len(jars)} jars have no baseline: their resistance is shown, not judged"
            needs = [(*place, "baseline_mohm")]
            allowed = "baseline_mohm here or in the jars' CSV, or `ampward baseline` once the site runs"
            self.source.warn(place, what, allowed, needs=needs)
        if not model.type.is_vented:
            for string in battery.strings:
                if string.model.levels is not None:
                    what = "sealed cells have no electrolyte level: only the temperatures are judged"
                    self.source.warn((*string.place, "levels"), what, "leave it out, or type: vented_lead")

    def runaway(self, battery: Battery) -> None:
        """thermal_runaway needs the room's temperature and the string's current; else only great heat counts."""
        hot = format_value(battery.table["thermal_runaway"].limit or 0, Unit.CELSIUS)
        warm = [s for s in battery.strings if any("temperature" in p for jar in s.jars for p in jar.points)]
        if warm and battery.model.ambient is None:
            what = f"thermal_runaway sees only a jar at {hot} °C: nothing measures the temperature of the room"
            place = (*battery.place, "ambient")
            self.source.warn(battery.place, what, "ambient: device.point", needs=[place])
        for string in warm:
            if string.model.current is None:
                what = f"thermal_runaway sees only a jar at {hot} °C: nothing measures the current of the string"
                needs: list[Place] = [(*string.place, "current"), (*string.place, "device")]
                self.source.warn(string.place, what, "current: device.point", needs=needs)

    def volts(self, battery: Battery) -> list[Place]:
        """What float and boost hang on."""
        return [(*battery.place, key) for key in ("float_v_per_cell", "boost_v_per_cell", "temperature_c")]

    def hold(self, battery: Battery) -> None:
        """Voltage windows wait until the battery is known to be in another mode."""
        levels: list[Place] = [("rules",), (*self.room.place, "rules"), (*battery.place, "rules")]
        delays: list[Place] = [(*level, rule, "on_delay") for level in levels for rule in VOLTAGE_RULES]
        if self.source.is_broken((*battery.place, "mode")) or any(self.source.is_gone(one) for one in delays):
            return
        hold = hold_ms(battery, {name: device.every for name, device in self.source.model.devices.items()})
        for rule in VOLTAGE_RULES:
            figures = battery.table[rule]
            if figures.enabled and figures.on_delay_ms <= hold:
                what = f"{rule} waits {format_duration(figures.on_delay_ms)}, but a new mode is known only after "
                advised = f"an on_delay over {format_duration(hold)}, or faster polls of what tells the mode"
                self.source.warn(self.changed(battery, (rule,)), f"{what}{format_duration(hold)}", advised, needs=())
                return

    def decimals(self, given: Decimal | None, unit: Unit, place: Place) -> None:
        if given is not None:
            to_unit(self.source, given, unit, place)

    def windows(self, battery: Battery) -> None:
        """HH > H > L > LL of a cell's voltage in every mode, with the deadbands."""
        table, limits = battery.table, windows(battery).limits
        names = (
            "jar_voltage_high_alarm",
            "jar_voltage_high_warning",
            "jar_voltage_low_warning",
            "jar_voltage_low_alarm",
        )
        place = self.changed(battery, names)
        doubtful = any(self.source.is_broken(one) for one in self.volts(battery))
        if doubtful or is_doubtful(self.source, (*battery.place, "rules"), names):
            return
        for mode in (Mode.FLOAT, *Mode):
            if mode is Mode.UNKNOWN:
                continue
            at = [_at(table[name], limits[name], mode) for name in names]
            before = len(self.source.faults)
            ordered(self.source, (at[0], at[1]), Unit.VOLT, place)
            ordered(self.source, (at[3], at[2]), Unit.VOLT, place, high=False)
            self.between(at[1], at[2], place, mode)
            if len(self.source.faults) > before:
                return

    def between(self, high: Figures, low: Figures, place: Place, mode: Mode) -> None:
        if high.limit is None or low.limit is None or not (high.enabled and low.enabled):
            return
        if high.limit - high.deadband <= low.limit + low.deadband:
            what = f"in {mode} {high.rule} ({format_value(high.limit, Unit.VOLT)} V) and {low.rule} "
            what += f"({format_value(low.limit, Unit.VOLT)} V per cell) overlap with their deadbands"
            self.source.fault(place, what, "high above low with both deadbands between", needs=())

    def changed(self, battery: Battery, names: Iterable[str]) -> Place:
        """Where the site changed one of the rules, else the battery."""
        for rules, place in (
            (battery.model.rules, (*battery.place, "rules")),
            (self.room.model.rules, (*self.room.place, "rules")),
            (self.source.model.rules, ("rules",)),
        ):
            for name in names:
                if name in rules:
                    return (*place, name)
        return battery.place

    def own(self, rule: OwnRule, seen: dict[tuple[str, str, str], Place]) -> None:
        model, unit = rule.model, rule.point.channel.unit
        place = rule.place[:-2]
        key = (rule.id, rule.point.device, rule.point.channel.name)
        if key in seen:
            self.source.fault(place, f"{rule.id} is laid over this point twice", "once", value=False, needs=())
        seen[key] = place
        if rule.id in RULES:
            what = f"{rule.id} is built in: it has its points"
            self.source.fault(place, what, "another id for a rule of your own", needs=())
        if not is_rule_name(rule.id):
            self.source.fault(place, f"{rule.id[:60]!r} is no id", "1 to 40 of a-z 0-9 _ -", value=False, needs=())
        given = [name for name in CONDITIONS if getattr(model, name) is not None]
        if not given:
            needs: list[Place] = [(*place, name) for name in CONDITIONS]
            allowed = f"at least one of {', '.join(CONDITIONS)}"
            self.source.fault(place, "says nothing about its point", allowed, needs=needs)
        for name in NOT_OWN:
            if name in model.model_fields_set:
                self.source.fault((*place, name), "means nothing for a rule of your own", f"{', '.join(CONDITIONS)}")
        for name in (*CONDITIONS, "deadband"):
            value = getattr(model, name)
            if isinstance(value, Decimal):
                to_unit(self.source, value, unit, (*place, name))
        if model.closed is not None and unit is not Unit.STATE:
            self.source.fault((*place, "closed"), f"{rule.point.channel.name} is no contact", "high or low")
        if model.rise is not None and model.window is None:
            what, allowed = "says nothing about the time", "window: the time in which it rises so much"
            self.source.fault((*place, "rise"), what, allowed, needs=[(*place, "window")])
        if model.rises is not None and model.window is None:
            what, allowed = "rises and window go together", "window: the time to count in"
            self.source.fault((*place, "rises"), what, allowed, needs=[(*place, "window")])
        self.own_order(rule, place)

    def own_order(self, rule: OwnRule, place: Place) -> None:
        model = rule.model
        names = [name for name in ("high_high", "high", "low", "low_low") if getattr(model, name) is not None]
        band = model.deadband or Decimal(0)
        if band < 0:
            self.source.fault((*place, "deadband"), "is negative", "0 or more")
        for upper, lower in pairwise(names):
            apart = getattr(model, upper) - getattr(model, lower)
            crosses = upper.startswith("high") and lower.startswith("low")
            if apart <= 0:
                what = f"{upper} must lie above {lower}"
                self.source.fault((*place, upper), what, f"above {getattr(model, lower)}")
            elif (crosses and 2 * band >= apart) or band > apart:
                what = f"{upper} and {lower} overlap with the deadband {band}"
                most = f"under {apart / 2}" if crosses else f"at most {apart}"
                self.source.fault((*place, "deadband"), what, most)


def check_matrix(names: Names, rooms: list[Room]) -> None:
    """Causes of the site's own matrix lines."""
    source = names.source
    own = {rule.id for room in rooms for rule in room.own} | {name for name, rule in _all_rules(source) if is_own(rule)}
    known = [*WORDS, *(rule for rule in RULES), *sorted(own)]
    for name, line in source.model.matrix.items():
        for index, word in enumerate(line.on):
            place: Place = ("matrix", name, "on", index)
            if word not in known and source.is_doubtful_rule(word):
                continue
            if word not in known:
                source.fault(place, f"there is no cause {word}{near(word, known)}", listing(known))
            elif word in WORDS and (line.at_least or line.on_delay or line.latch):
                source.fault(place, f"{word} is no alarm", "alarms only, with at_least, on_delay or latch")


def _all_rules(source: Source) -> list[tuple[str, RuleModel]]:
    rooms = source.model.rooms.values()
    return [*source.model.rules.items(), *(item for room in rooms for item in room.rules.items())]


def needed_m3h(room: Room, mode: Mode) -> Decimal:
    """Airflow that the room's batteries need while they are all in ``mode``."""
    total = Decimal(0)
    for battery in room.batteries:
        figures = BATTERIES[battery.model.type]
        gassing = figures.gassing_boost_ma_per_ah if mode is Mode.BOOST else figures.gassing_float_ma_per_ah
        cells = sum(cells_of(battery))
        total += Decimal("0.05") * cells * gassing * battery.model.capacity_ah / 1000
    return total


def cells_of(battery: Battery) -> list[int]:
    """Cells of each string."""
    return [len(string.jars) * battery.model.cells_per_jar for string in battery.strings]


def _at(figures: Figures, limit: tuple[int, tuple[tuple[Mode, int], ...]], mode: Mode) -> Figures:
    base, modes = limit
    return replace(figures, limit=dict(modes).get(mode, base) // 1000)


def _figure(value: Decimal) -> str:
    """A figure as people write it: two decimals, rounded up for needs."""
    rounded = value.quantize(Decimal("0.01"))
    return f"{rounded.normalize():f}"
