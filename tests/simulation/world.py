"""A seeded room: gas that charging makes and fans remove, sensors that fail, jars that drift, people who act.

The world is asked for the next input and told what is demanded; it knows nothing of the core. Every choice comes from
its seed, so a failure is repeated by the seed alone.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared.domain.commands import CENTRE
from shared.domain.core import AlarmView
from shared.domain.inputs import Body, Command, Report, ReportKind, Rules, Scan, Start, Tick, What
from shared.domain.plan import RoomPlan, Severity
from shared.domain.units import NoData
from tests.domain.driver import Value, make_scan
from tests.simulation.plan import BUZZER, FAN, JARS, STANDBY, changed

EVERY_MS = {"gas1": 500, "h2c": 500, "io1": 300, "bacs": 1_000}
FAULTS = ("", "", "", "timeout", "status", "warm_up", "frozen", "out_of_range", "one_contact", "mute")
SUBJECTS = ("s/r", "s", "s/r/gas1", "s/r/bat1/1S1", FAN, BUZZER, "s/r/nothing")


@dataclass(slots=True)
class World:
    """The room outside the core. Concentrations are floats here: this is nature, not a decision."""

    seed: int
    plan: RoomPlan
    draw: random.Random = field(init=False)
    now: int = 0
    gas: float = 0.0
    boost: bool = False
    discharge: bool = False
    faults: dict[str, str] = field(default_factory=dict)
    fan_broken: bool = False
    beat: int = 0
    drift: list[int] = field(default_factory=lambda: [0] * JARS)
    boots: int = 1
    rules: int = 1
    _due: dict[str, int] = field(default_factory=dict)
    _seq: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self._due = dict.fromkeys(EVERY_MS, 0)

    def next(self, demands: dict[str, bool], alarms: Callable[[], Sequence[AlarmView]]) -> Body:
        """Let some time pass and give the next input; ``alarms`` shows people what is open."""
        draw = self.draw
        if draw.random() < 0.06:
            self._change()
        chance = draw.random()
        if chance < 0.04:
            return self._command(alarms())
        if chance < 0.046:
            return self._report()
        if chance < 0.0465:
            self.boots += draw.random() < 0.5
            self._pass(demands, draw.choice((100, 3_000, 40_000)))
            return Start(f"log{draw.randrange(10**6)}", "log", 1, clean=False, boot=f"boot{self.boots}")
        if chance < 0.0475:
            self.rules += 1
            return Rules(f"v{self.rules}", changed(self.plan, step=self.rules), "file")
        device = min(self._due, key=lambda d: (self._due[d], d))
        if self._due[device] > self.now + 1_000 or draw.random() < 0.002:
            self._pass(demands, draw.choice((1_000, 1_000, 1_000, 20_000)))
            return Tick("r")
        self._pass(demands, max(self._due[device] - self.now, 0))
        self._due[device] = max(self._due[device], self.now - 2_000) + EVERY_MS[device]
        if self.faults.get(device) == "mute":
            self._due[device] = self.now + 2_500
            return Tick("r")
        return self._scan(device, demands)

    def _pass(self, demands: dict[str, bool], ms: int) -> None:
        """The room's gas balance: boost charging makes gas, a fan that turns takes it away."""
        self.now += ms
        moved = demands.get(STANDBY, False) or (demands.get(FAN, False) and not self.fan_broken)
        made = 900.0 if self.boost else 20.0
        self.gas = max(0.0, self.gas + ms / 1_000 * (made - (0.08 * self.gas if moved else 0.002 * self.gas)))
        self.gas = min(self.gas, 38_000.0)

    def _change(self) -> None:
        """Something in the room changes."""
        draw = self.draw
        what = draw.choice(("boost", "discharge", "fault", "fault", "repair", "fan", "drift", "drift", "puff"))
        if what == "boost":
            self.boost, self.discharge = not self.boost, False
        elif what == "discharge":
            self.discharge, self.boost = not self.discharge, False
        elif what == "fault":
            self.faults[draw.choice(tuple(EVERY_MS))] = draw.choice(FAULTS)
        elif what == "repair":
            self.faults.clear()
            self.drift = [0] * JARS
        elif what == "fan":
            self.fan_broken = draw.random() < 0.4
        elif what == "drift":
            high = [n for n in range(JARS) if self.drift[n] == 250]
            if high and draw.random() < 0.4:
                self.drift[draw.choice(high)] = 1_400
            else:
                self.drift[draw.randrange(JARS)] = draw.choice((0, 0, 60, 250, 250, -300, -400, 1_400))
        else:
            self.gas = draw.choice((0.0, 9_900.0, 10_000.0, 15_000.0, 20_000.0, 30_000.0))

    def _scan(self, device: str, demands: dict[str, bool]) -> Scan:
        fault = self.faults.get(device, "")
        values = self._values(device, fault, demands)
        seq = self._seq.get(device, 0) + 1
        if self.draw.random() < 0.004:
            seq = max(1, seq - self.draw.randrange(3)) if self.draw.random() < 0.5 else seq + 2
        self._seq[device] = max(seq, self._seq.get(device, 0))
        outcome = NoData.TIMEOUT if fault == "timeout" or self.draw.random() < 0.01 else NoData.PRESENT
        age_ms = 60_000 if self.draw.random() < 0.002 else self.draw.randrange(30)
        return make_scan(device, seq, values, outcome=outcome, age_ms=age_ms)

    def _values(self, device: str, fault: str, demands: dict[str, bool]) -> list[Value]:
        draw, gas = self.draw, int(self.gas)
        if device == "gas1":
            self.beat += fault != "frozen" and draw.random() < 0.7
            status = {"status": 3, "warm_up": 0}.get(fault, 1)
            return [NoData.OUT_OF_RANGE if fault == "out_of_range" else gas, status, self.beat % 2]
        if device == "h2c":
            first = int(gas >= 10_000 and fault != "one_contact")
            return [first, int(gas >= 20_000)]
        if device == "io1":
            on, second = demands.get(FAN, False), demands.get(STANDBY, False)
            air: Value = NoData.OUT_OF_RANGE if fault == "out_of_range" else int(on and not self.fan_broken)
            return [air, int(on and fault != "frozen"), int(second), int(self.boost)]
        current = -20_000 if self.discharge else 8_000 if self.boost else 300 + draw.randrange(200)
        jars: list[Value] = [current, 22_000]
        for n in range(JARS):
            bad = fault == "out_of_range" and n % 3 == 0
            voltage = 13_380 + self.drift[n] + draw.randrange(-15, 16)
            temperature = 25_000 + (24_000 if self.drift[n] == 1_400 else 0) + draw.randrange(-300, 300)
            jars += [NoData.OUT_OF_RANGE if bad else voltage, temperature]
        return jars

    def _command(self, alarms: Sequence[AlarmView]) -> Command:
        """A person does something, sensible or not."""
        draw = self.draw
        seen = draw.choice(alarms) if alarms else None
        what = draw.choice((What.ACK, What.ACK, *What))
        if seen is not None and seen.state in "EF" and draw.random() < 0.6:
            what = What.ACK if seen.state == "E" else What.RESET
        subject = seen.id if seen is not None and draw.random() < 0.8 else draw.choice(SUBJECTS)
        if what is What.SILENCE:
            subject = draw.choice((BUZZER, "s/r", FAN))
        elif what is What.TEST:
            subject = draw.choice((FAN, STANDBY, "s/r"))
        if what is What.HOLD_ON:
            return self._lease()
        knows = seen is not None and draw.random() < 0.5
        return Command(
            id=f"c{self.now}",
            what=what,
            subject=subject,
            occurrence=seen.occurrence if knows and seen is not None else draw.choice(("", "", "0" * 32)),
            severity_seen=draw.choice((None, None, *Severity)),
            reason=draw.choice(("works on the battery", "known", "")),
            actor="anna",
            for_ms=draw.choice((0, 5_000, 60_000, 10**12)),
            second_person=draw.choice(("", "ben", "anna")),
            measure=draw.choice(("", "hand-held detector")),
        )

    def _lease(self) -> Command:
        """The centre holds an output on, sometimes with a number that was given already, or for too long."""
        draw = self.draw
        number = draw.choice((self.now, self.now, self.now // 2))
        return Command(
            id=f"c{self.now}",
            what=What.HOLD_ON,
            subject=draw.choice((FAN, STANDBY)),
            occurrence=f"{1:016x}{number:016x}",
            severity_seen=None,
            reason="smoke is seen",
            actor=draw.choice((f"{CENTRE}anna", "anna")),
            for_ms=draw.choice((5_000, 60_000, 10**12)),
        )

    def _report(self) -> Report:
        draw = self.draw
        kind = draw.choice(
            (ReportKind.LOCAL_TRIP, ReportKind.TRIP_UNEXPLAINED, ReportKind.GUARD_STARTED, ReportKind.WRITE)
        )
        on = draw.random() < 0.5
        detail = draw.choice(("gas_1", "fault", "warm_up")) if kind is ReportKind.LOCAL_TRIP else "ok"
        return Report(kind, FAN, on, on and kind is ReportKind.TRIP_UNEXPLAINED, detail)
