"""Drives one room: makes inputs, numbers them and keeps every event. Scenarios and properties are written with it."""

from collections.abc import Sequence

import numpy as np

from shared.domain import core
from shared.domain.events import Event
from shared.domain.inputs import Body, Command, Entry, Report, Scan, Start, Tick, What
from shared.domain.plan import RoomPlan, Severity
from shared.domain.units import NoData

LOG = "log1"
Value = int | NoData


class Room:
    """A room's state and everything that it said."""

    def __init__(self, plan: RoomPlan, *, started: bool = True) -> None:
        self.plan = plan
        self.state = core.initial(plan, "v1", LOG)
        self.events: list[Event] = []
        self.entries: list[Entry] = []
        self.now = 0
        self.wall_ms = 0
        """Offset of the wall clock to the log's time."""
        self.log_id = LOG
        self._seq: dict[str, int] = {}
        if started:
            self.start()

    def put(self, body: Body, *, after_ms: int = 0) -> list[Event]:
        """Take one input, some time after the last one."""
        self.now += after_ms
        entry = Entry(self.log_id, len(self.entries) + 1, self.now, self.now + self.wall_ms, body)
        self.entries.append(entry)
        self.state, made = core.step(self.state, entry)
        self.events += made
        return made

    def start(self, *, boot: str = "boot1", after_ms: int = 0) -> list[Event]:
        """The log is opened."""
        return self.put(Start(self.log_id, "", 0, clean=True, boot=boot), after_ms=after_ms)

    def tick(self, after_ms: int = 1_000) -> list[Event]:
        """Only time passes."""
        return self.put(Tick(self.plan.id), after_ms=after_ms)

    def scan(
        self, device: str, *values: Value, after_ms: int = 0, outcome: NoData = NoData.PRESENT, age_ms: int = 0
    ) -> list[Event]:
        """One scan; a NoData in place of a value is its reason."""
        self._seq[device] = self._seq.get(device, 0) + 1
        return self.put(make_scan(device, self._seq[device], values, outcome=outcome, age_ms=age_ms), after_ms=after_ms)

    def skip(self, device: str, polls: int) -> None:
        """So many scans of a device never reach the log."""
        self._seq[device] = self._seq.get(device, 0) + polls

    def command(
        self,
        what: What,
        subject: str,
        *,
        occurrence: str = "",
        seen: Severity | None = None,
        reason: str = "",
        actor: str = "anna",
        for_ms: int = 0,
        second_person: str = "",
        measure: str = "",
        after_ms: int = 0,
        serials: tuple[str, str] = ("", ""),
        value: int = 0,
        age_ms: int = 0,
    ) -> list[Event]:
        """A person's act; ``serials`` are the old and the new one."""
        said = (occurrence, seen, reason, actor, for_ms, second_person, measure)
        return self.put(Command("c", what, subject, *said, *serials, value, age_ms), after_ms=after_ms)

    def report(
        self, kind: str, subject: str, *, on: bool = True, pulse: bool = False, detail: str = "", after_ms: int = 0
    ) -> list[Event]:
        """Something happened outside."""
        return self.put(Report(kind, subject, on, pulse, detail), after_ms=after_ms)

    # What is seen

    def on(self, o: int = 0) -> bool:
        """Whether the output is demanded."""
        return core.outputs(self.state)[o].on

    def letter(self, alarm: str) -> str:
        """The alarm's process state."""
        return next((view.state for view in core.alarms(self.state) if view.id == alarm), "A")

    def alarm(self, alarm: str) -> core.AlarmView:
        """The alarm as people see it; it must not be plainly normal."""
        return next(view for view in core.alarms(self.state) if view.id == alarm)


def make_scan(
    device: str, seq: int, values: Sequence[Value], *, outcome: NoData = NoData.PRESENT, age_ms: int = 0
) -> Scan:
    """A decoded scan; a NoData in place of a value is its reason."""
    reasons = [value if isinstance(value, NoData) else outcome for value in values]
    plain = [0 if isinstance(value, NoData) else value for value in values]
    return Scan(device, "guard1", seq, 0, age_ms, outcome, np.array(plain, np.int64), np.array(reasons, np.int8))


def told(events: Sequence[Event]) -> list[str]:
    """Events as short lines: what happened to what, and how it stands."""
    return [" ".join(part for part in (_name(e), e.subject.split("/", 2)[-1], e.state) if part) for e in events]


def _name(event: Event) -> str:
    return event.type.removeprefix("ampward.").removesuffix(".v1")
