"""Detectors and outputs of a room as tables: the built-in cause-and-effect matrix and the site's own lines.

    fan              <- each detector at 1 %, at 2 %, faulty, stale or warming up; h2_prealarm, h2_alarm (its latch
                        holds); boost or unknown mode of each battery; thermal_runaway; trip_unexplained of a fan
    charger_inhibit  <- each detector at 2 %; h2_alarm; thermal_runaway
    buzzer           <- each detector at 2 %; every alarm while its severity is alarm or critical
Detection is one of n and a failed detector votes on; on-delays delay alarms, never these causes.
"""

from collections.abc import Iterable

from shared.domain.ids import DeviceId, OutputId, PointId
from shared.domain.plan import (
    NONE,
    CauseKind,
    CausePlan,
    CountRow,
    DetectorPlan,
    OutputKind,
    OutputPlan,
    ReportRow,
    Severity,
)
from shared.runtime.site_file.binding import Detector, Output, Room
from shared.runtime.site_file.figures import Figures, Table
from shared.runtime.site_file.models import MatrixModel
from shared.runtime.site_file.names import Found
from shared.runtime.site_file.tables import Subject, Tables

DETECTOR_CAUSES = {"h2_prealarm": CauseKind.DETECTOR_1, "h2_alarm": CauseKind.DETECTOR_2}
WORDS = ("detector_fault", "boost")
"""Causes in a matrix line that are not rules."""
FAN_ALARMS = ("h2_prealarm", "h2_alarm", "thermal_runaway")
INHIBIT_ALARMS = ("h2_alarm", "thermal_runaway")
REPORTED = ("trip_unexplained", "output_contested", "relay_foreign_write", "output_mismatch")


def add_detector(tables: Tables, table: Table, detector: Detector, subject: Subject) -> None:
    """One detector with its four alarms. None of them is ever suppressed, but h2_prealarm under h2_alarm."""
    points = {key: tables.point(found) for key, found in detector.points.items()}
    first, second = tables.alarm(subject, table["h2_prealarm"]), tables.alarm(subject, table["h2_alarm"])
    tables.suppress(first, second)
    fault = tables.alarm(subject, table["h2_fault"])
    contacts = {"contact_1", "contact_2"} <= points.keys()
    tables.detectors.append(
        DetectorPlan(
            id=PointId(subject.path),
            h2=points.get("h2", NONE),
            contact_1=points.get("contact_1", NONE),
            contact_2=points.get("contact_2", NONE),
            status=points.get("status", NONE),
            heartbeat=points.get("heartbeat", NONE),
            limit_1=table["h2_prealarm"].limit or 0,
            limit_2=table["h2_alarm"].limit or 0,
            deadband=table["h2_prealarm"].deadband,
            status_good=detector.status_good,
            status_warm_up=detector.status_warm_up,
            heartbeat_ms=detector.heartbeat_ms,
            warm_up_ms=detector.model.warm_up,
            persist_ms=detector.model.persist,
            alarm_1=first,
            alarm_2=second,
            alarm_fault=fault,
            alarm_impossible=tables.alarm(subject, table["h2_contacts_impossible"]) if contacts else NONE,
        )
    )


class OutputTables:
    """Fills the tables with the outputs of one room, after all else that may be a cause."""

    def __init__(self, tables: Tables, room: Room, matrix: dict[str, MatrixModel]) -> None:
        self.tables = tables
        self.room = room
        self.lines = matrix
        self.fans: set[str] = set()

    def alarms(self, output: Output, subject: Subject) -> dict[str, int]:
        """Alarms of one output, before the causes are gathered."""
        tables, table = self.tables, self.room.table
        found = {}
        for rule in REPORTED:
            found[rule] = tables.alarm(subject, table[rule])
            tables.reports.append(ReportRow(found[rule], rule, subject.path, table[rule].severity))
        if output.kind is OutputKind.FAN:
            self.fans.add(subject.path)
            found["fan_fail"] = tables.alarm(subject, table["fan_fail"])
            if output.airflow is not None:
                found["airflow_low"] = tables.alarm(subject, table["airflow_low"])
                if self.room.detectors:
                    found["h2_not_falling"] = tables.alarm(subject, table["h2_not_falling"])
        return found

    def watchdog(self, device: str, subject: Subject) -> None:
        """watchdog_off of a relay module."""
        figures = self.room.table["watchdog_off"]
        alarm = self.tables.alarm(subject, figures)
        self.tables.suppress(alarm, self.tables.device_alarms.get(device, NONE))
        self.tables.reports.append(ReportRow(alarm, "watchdog_off", subject.path, figures.severity))

    def matrix_alarm(self, name: str, line: MatrixModel, subject: Subject, figures: Figures) -> int:
        """The alarm behind a line with k of n, a delay or a latch."""
        of = tuple(index for rule in line.on for index in self.tables.of_rule(rule))
        alarm = self.tables.alarm(subject / name, figures)
        self.tables.counts.append(CountRow(alarm, of, line.at_least or 1, figures.severity))
        return alarm

    def add(self, output: Output, path: str, alarms: dict[str, int], causes: tuple[CausePlan, ...]) -> None:
        tables = self.tables
        tables.outputs.append(
            OutputPlan(
                id=OutputId(path),
                kind=output.kind,
                device=DeviceId(output.coil.device),
                channel=output.coil.channel.name,
                safe_on=output.safe_on,
                causes=causes,
                run_on_ms=output.run_on_ms,
                run_up_ms=output.run_up_ms,
                airflow=tables.point(output.airflow),
                standby=output.standby,
                read_back=tables.point(output.read_back),
                override=tables.point(output.override),
                alarm_fail=alarms.get("fan_fail", NONE),
                alarm_airflow=alarms.get("airflow_low", NONE),
                alarm_not_falling=alarms.get("h2_not_falling", NONE),
                not_falling_ms=output.not_falling_ms,
                wiring_safe=output.wiring_safe,
            )
        )

    def causes(self, output: Output, matrix_alarm: int = NONE) -> tuple[CausePlan, ...]:
        """Everything that demands an output, in a fixed order."""
        match output.kind:
            case OutputKind.FAN:
                kinds = (CauseKind.DETECTOR_1, CauseKind.DETECTOR_2, CauseKind.DETECTOR_FAULT)
                return (*self.detectors(*kinds), *self.of(FAN_ALARMS), *self.unexplained(), *self.boost())
            case OutputKind.CHARGER_INHIBIT:
                return (*self.detectors(CauseKind.DETECTOR_2), *self.of(INHIBIT_ALARMS))
            case OutputKind.BUZZER:
                grave = {index for index, one in enumerate(self.tables.alarms) if one.severity >= Severity.ALARM}
                grave |= {row.alarm for row in self.tables.limits if row.severity >= Severity.ALARM}
                alarms = (CausePlan(CauseKind.ALARM, index) for index in sorted(grave))
                return (*self.detectors(CauseKind.DETECTOR_2), *alarms)
            case OutputKind.OTHER:
                if matrix_alarm != NONE:
                    return (CausePlan(CauseKind.ALARM, matrix_alarm),)
                return self.line(self.lines[output.matrix])

    def line(self, line: MatrixModel) -> tuple[CausePlan, ...]:
        causes: list[CausePlan] = []
        for word in line.on:
            if word == "boost":
                causes += self.boost()
            elif word == "detector_fault":
                causes += self.detectors(CauseKind.DETECTOR_FAULT)
            else:
                if word in DETECTOR_CAUSES:
                    causes += self.detectors(DETECTOR_CAUSES[word])
                causes += self.of((word,))
        return tuple(dict.fromkeys(causes))

    def detectors(self, *kinds: CauseKind) -> list[CausePlan]:
        return [CausePlan(kind, index) for index in range(len(self.tables.detectors)) for kind in kinds]

    def of(self, rules: Iterable[str]) -> list[CausePlan]:
        return [CausePlan(CauseKind.ALARM, index) for rule in rules for index in self.tables.of_rule(rule)]

    def unexplained(self) -> list[CausePlan]:
        """trip_unexplained of each fan of the room."""
        alarms = ((index, self.tables.alarms[index]) for index in self.tables.of_rule("trip_unexplained"))
        return [CausePlan(CauseKind.ALARM, index) for index, alarm in alarms if alarm.subject in self.fans]

    def boost(self) -> list[CausePlan]:
        return [CausePlan(CauseKind.BOOST, index) for index in range(len(self.tables.batteries))]


def judged(room: Room) -> list[Found]:
    """Points whose silence is told by signal_fault: those that decide something and have no alarm of their own."""
    found: list[Found | None] = []
    for output in room.outputs:
        found += [output.airflow, output.override]
    for battery in room.batteries:
        found += [battery.ambient, battery.flags, battery.contact, battery.current, battery.voltage]
        for string in battery.strings:
            found += [string.current, string.voltage]
    found += [rule.point for rule in room.own]
    return list(dict.fromkeys(one for one in found if one is not None))
