"""What a commissioning sheet rests on: the log of a data folder, its plan and its commissioning record. Writes nothing.

    input     a contact counts as proven when it was seen open and closed; a hydrogen detector when it was seen under
              its first limit and at or over it (test gas); a jar's value when a good one came
    output    proven as the commissioning record says, while the plan is still the one that was proven
    message   a person and a way to reach him: the log says that a message, of a test or not, was taken over; a person
              without any way is missing; the heartbeat's last outcome is that it arrives

Only what stands in the log counts, from ``since_ms`` on, in good values of frames that the present plan decodes. The
head of the chain that is named covers all of it. Limits: every frame of that time is read once; a day of a large room
takes some seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from services.guard.armed import read_record, unarmed
from services.guard.binding import bind
from services.notifier.routing import daily_lanes
from services.processor.restore import check_links
from services.processor.verify import placed
from services.site.notify import setting_of
from shared.devices.columns import ScanDecoder
from shared.devices.frame import Frame
from shared.devices.plan import SitePlan
from shared.domain.errors import LogDamaged
from shared.domain.events import EventType
from shared.domain.ids import SITE_ROOM
from shared.domain.inputs import ReportKind
from shared.domain.plan import NONE, RoomPlan
from shared.domain.units import Unit, format_value
from shared.log.port import EventRow
from shared.log.sqlite_read import SqliteReader
from shared.log.store import DATABASE
from shared.wire.events import decode_event
from shared.wire.inputs import decode_input

Tell = Callable[[int, int], None]


class Line(NamedTuple):
    """One thing that a sheet has to show: ``is_proven`` is all that counts, ``seen`` says what was seen and when."""

    subject: str
    what: str
    is_proven: bool
    seen: str


@dataclass(slots=True)
class Sheet:
    site: str
    name: str
    decision: str
    """Of the last rule set in the log."""
    log_id: str
    site_seq: int
    head: str
    """Hash of the log's head: it names everything above."""
    at_ms: int
    since_ms: int
    inputs: list[Line] = field(default_factory=list)
    outputs: list[Line] = field(default_factory=list)
    messages: list[Line] = field(default_factory=list)

    @property
    def missing(self) -> list[Line]:
        return [line for line in (*self.inputs, *self.outputs, *self.messages) if not line.is_proven]


@dataclass(slots=True)
class _Seen:
    """What came of one point."""

    low: int = 0
    high: int = 0
    low_at_ms: int = 0
    high_at_ms: int = 0
    count: int = 0

    def take(self, value: int, at_ms: int) -> None:
        if not self.count or value < self.low:
            self.low, self.low_at_ms = value, at_ms
        if not self.count or value > self.high:
            self.high, self.high_at_ms = value, at_ms
        self.count += 1


def gather(data: Path, plan: SitePlan, *, since_ms: int = 0, now_ms: int = 0, tell: Tell) -> Sheet:
    """The sheet of the site in ``data``. Raises LogDamaged, or ConfigError for a plan that does not fit together."""
    if not (data / DATABASE).exists():
        raise FileNotFoundError(2, "there is no log", str(data))
    reader = SqliteReader.open(data / DATABASE)
    try:
        head = reader.head()
        sheet = Sheet(plan.decision.site, plan.name, "", head.log_id, head.site_seq, head.hash.hex(), now_ms, since_ms)
        points, sent = _read(reader, plan, sheet, head.site_seq, tell)
    except LogDamaged as damage:
        raise placed(damage, data) from damage
    finally:
        reader.close()
    for room in plan.decision.rooms:
        sheet.inputs += _inputs(room, points)
    sheet.outputs += _outputs(data, plan)
    sheet.messages += _messages(plan, sent)
    return sheet


def _read(
    reader: SqliteReader, plan: SitePlan, sheet: Sheet, last: int, tell: Tell
) -> tuple[dict[str, _Seen], dict[str, tuple[int, bool, str]]]:
    """What came of each point, and of each person's messages (when, taken over, words)."""
    decoders = {device.id: ScanDecoder(device) for device in plan.decision.devices}
    names = _names(plan)
    points: dict[str, _Seen] = {}
    sent: dict[str, tuple[int, bool, str]] = {}
    digest = reader.genesis()
    for stretch in reader.stretches(0):
        if stretch.first_seq > last:
            break
        if stretch.bad:
            raise LogDamaged(stretch.bad, "the record's bytes are not its checksum's")
        if not stretch.folded:
            check_links(stretch, digest)
        digest = stretch.hash
        for row in stretch.inputs:
            if row.kind == "frame" and row.site_seq <= last:
                entry = decode_input(row.data)
                if entry.at_ms >= sheet.since_ms and isinstance(entry.body, Frame) and entry.body.device in decoders:
                    _take(entry.body, entry.at_ms, decoders[entry.body.device], names, points)
        for told in stretch.events:
            if told.site_seq <= last:
                _told(told, sheet, sent)
        tell(stretch.last_seq, last)
    return points, sent


def _names(plan: SitePlan) -> dict[str, list[tuple[str, ...]]]:
    """Of each device, for each room that sees it, its points in the order of its channels."""
    names: dict[str, list[tuple[str, ...]]] = {}
    for room in plan.decision.rooms:
        for scan in room.scans:
            ids = tuple(str(point.id) for point in room.points[scan.first : scan.first + scan.count])
            names.setdefault(scan.device, []).append(ids)
    return names


def _take(
    frame: Frame, at_ms: int, decoder: ScanDecoder, names: dict[str, list[tuple[str, ...]]], points: dict[str, _Seen]
) -> None:
    scan = decoder.decode(frame)
    values, reasons = scan.values.tolist(), scan.reasons.tolist()
    for ids in names.get(frame.device, ()):
        for point, value, reason in zip(ids, values, reasons, strict=False):
            if not reason:
                points.setdefault(point, _Seen()).take(value, at_ms)


def _told(row: EventRow, sheet: Sheet, sent: dict[str, tuple[int, bool, str]]) -> None:
    if row.type == EventType.RULES_CHANGED:
        sheet.decision = decode_event(row.data).version
    elif row.type == EventType.REPORT_RECORDED:
        event = decode_event(row.data)
        if event.rule == ReportKind.HEARTBEAT and event.at_ms >= sheet.since_ms:
            sent[event.subject] = (event.at_ms, event.state == "on", event.reason)
    elif row.type in (EventType.DELIVERY_SENT, EventType.DELIVERY_FAILED):
        event = decode_event(row.data)
        is_sent = row.type == EventType.DELIVERY_SENT
        known = sent.get(event.subject)
        if event.at_ms >= sheet.since_ms and (is_sent or known is None or not known[1]):
            sent[event.subject] = (event.at_ms, is_sent, event.reason)


# Inputs


def _inputs(room: RoomPlan, points: dict[str, _Seen]) -> list[Line]:
    lines = []
    contacts: dict[int, str] = {}
    for detector in room.detectors:
        if detector.h2 != NONE:
            lines.append(_gas(room, detector.h2, detector.limit_1, points))
        contacts |= {detector.contact_1: "1 % contact", detector.contact_2: "2 % contact"}
    for output in room.outputs:
        contacts |= {output.airflow: f"airflow of {output.id}", output.override: f"override of {output.id}"}
    contacts |= {battery.contact: f"mode of {battery.id}" for battery in room.batteries}
    lines += [_contact(room, point, what, points) for point, what in contacts.items() if point != NONE]
    gases = {detector.h2 for detector in room.detectors}
    others = {row.point for row in room.limits} - gases - contacts.keys()
    return [*lines, *(_value(room, point, points) for point in sorted(others))]


def _gas(room: RoomPlan, point: int, limit: int, points: dict[str, _Seen]) -> Line:
    plan = room.points[point]
    seen = points.get(plan.id, _Seen())
    is_proven = seen.count > 0 and seen.low < limit <= seen.high
    return Line(plan.id, f"hydrogen, to {format_value(limit, plan.unit)} %vol", is_proven, _span(seen, plan.unit))


def _contact(room: RoomPlan, point: int, what: str, points: dict[str, _Seen]) -> Line:
    plan = room.points[point]
    seen = points.get(plan.id, _Seen())
    is_proven = seen.count > 0 and seen.low < 1 <= seen.high
    words = [
        f"{word} {stamp(at_ms)}"
        for word, at_ms, is_so in (("open", seen.low_at_ms, seen.low < 1), ("closed", seen.high_at_ms, seen.high >= 1))
        if seen.count and is_so
    ]
    return Line(plan.id, what, is_proven, ", ".join(words) or "never seen")


def _value(room: RoomPlan, point: int, points: dict[str, _Seen]) -> Line:
    plan = room.points[point]
    seen = points.get(plan.id, _Seen())
    return Line(plan.id, "a good value", seen.count > 0, _span(seen, plan.unit))


def _span(seen: _Seen, unit: Unit) -> str:
    if not seen.count:
        return "never seen"
    name = "" if unit is Unit.STATE else f" {unit.value}"
    low, high = format_value(seen.low, unit), format_value(seen.high, unit)
    return f"{low}{name} {stamp(seen.low_at_ms)}, {high}{name} {stamp(seen.high_at_ms)}"


# Outputs and messages


def _outputs(data: Path, plan: SitePlan) -> list[Line]:
    record = read_record(data)
    reasons = unarmed(plan, bind(plan), record)
    lines = []
    for room in plan.decision.rooms:
        for output in room.outputs:
            proven, why = record.outputs.get(output.id), reasons.get(output.id, "")
            if proven is None or why:
                lines.append(Line(output.id, output.kind.value, is_proven=False, seen=why or "never commissioned"))
                continue
            proofs = proven.proofs
            said = (proofs.wiring, proofs.read_back, proofs.watchdog, proofs.airflow)
            words = "; ".join(sentence for sentence in said if sentence)
            lines.append(
                Line(output.id, output.kind.value, is_proven=True, seen=f"{proven.at} by {proven.by}: {words}")
            )
    return lines


def _messages(plan: SitePlan, sent: dict[str, tuple[int, bool, str]]) -> list[Line]:
    lines = []
    lanes = daily_lanes(setting_of(plan))
    reached = {lane.person for lane in lanes}
    for lane in lanes:
        at_ms, is_sent, words = sent.get(
            f"{plan.decision.site}/{SITE_ROOM}/{lane.channel}/{lane.person}", (0, False, "none was sent")
        )
        seen = f"taken over {stamp(at_ms)}" if is_sent else f"{words} {stamp(at_ms)}".strip()
        lines.append(Line(lane.person, lane.channel, is_sent, seen))
    for person in plan.notify.people:
        if person.id not in reached:
            seen = "no rule under notify: leads to this person by a channel that reaches them"
            lines.append(Line(person.id, "no route", is_proven=False, seen=seen))
    if plan.notify.heartbeat:
        path = f"{plan.decision.site}/{SITE_ROOM}/heartbeat"
        at_ms, is_well, words = sent.get(path, (0, False, "no answer yet"))
        lines.append(Line(path, "a sign of life to an outsider", is_well, f"{words} {stamp(at_ms)}".strip()))
    return lines


def stamp(ms: int) -> str:
    """RFC 3339, empty for never."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if ms else ""
