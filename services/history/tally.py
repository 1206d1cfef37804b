"""Inputs and events of the log -> what the history keeps, in memory until it is flushed.

A fold: what comes out depends on the records and their order alone, never on how they were batched or when the process
was started anew. So a history grown while the site runs and one grown anew from the same log are the same.

Frames that nobody asked for (an unknown device), that do not decode or that say a time before 1970 are left out.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from services.history.book import Book
from services.history.discharges import Discharges
from services.history.kinds import Kind, kind_of
from services.history.layouts import batteries_of, late_ms_of
from services.history.minutes import Minute
from services.history.readings import Readings
from services.history.rolls import MINUTE_MS
from shared.devices.columns import ScanDecoder
from shared.devices.frame import Frame
from shared.domain.errors import WireError
from shared.domain.inputs import Resync, Start
from shared.log.port import InputRow
from shared.wire.events import decode_event
from shared.wire.inputs import RuleSet, decode_input
from shared.wire.plans import decode_decision

AT_MS_MAX = 253_402_300_799_999
"""The last millisecond of the year 9999."""
ENDS_MAX = 100
"""Starts that are remembered, so that the place is found in a log that an older copy has replaced."""
_NO_MORE = (1 << 62, 0, b"")
_WANTED = {"frame", "ruleset", "start", "resync"}
RuleSets = Callable[[str], bytes | None]
StoredMinute = Callable[[int, int], Minute | None]
Moment = Callable[[int], int]
"""When a frame was taken, from when its device says that it was."""


def as_said(sampled_at_ms: int) -> int:
    """Nobody here knows better than the device's own clock."""
    return sampled_at_ms


class Place(NamedTuple):
    """How far the log was read: everything up to and including ``site_seq`` of ``log_id``."""

    log_id: str
    site_seq: int


class _Device(NamedTuple):
    decoder: ScanDecoder
    layout: int
    late_ms: int


class Tally:
    """What was read since the last flush, and what is needed to go on."""

    def __init__(
        self,
        book: Book,
        rulesets: RuleSets,
        stored: StoredMinute,
        state: str,
        moment: Moment = as_said,
        *,
        readings: Readings | None = None,
    ) -> None:
        """``readings`` takes each frame's own readings."""
        known = json.loads(state) if state else {}
        self._readings = readings
        self._book = book
        self._rulesets = rulesets
        self._stored = stored
        self._moment = moment
        self._devices: dict[str, _Device] = {}
        self._version = ""
        self.place = Place(known.get("log_id", ""), known.get("site_seq", 0))
        self.ends: dict[str, int] = known.get("ends", {})
        """The last number that was read under each earlier log_id."""
        self.last_minute: int = known.get("last_minute", 0)
        """Of the newest frame in the log's order."""
        self.discharges = Discharges(known.get("discharges", []))
        self.minutes: dict[tuple[int, int], Minute] = {}
        """By (minute, layout): those that may still get frames."""
        self.dirty: set[tuple[int, int]] = set()
        self.places: dict[int, tuple[int, int]] = {}
        self.events: list[tuple[Any, ...]] = []
        self.holes: list[tuple[object, ...]] = []
        self.rules: list[tuple[object, ...]] = []
        self.frames = 0
        self.skip_before = 0
        """Frames of earlier minutes are rolled up already, by a history that this one was grown beside."""
        self.folded_to = 0
        """Up to here the log has deleted frames on purpose: no hole."""
        self._hole_due = ""
        if known.get("version"):
            self.use(known["version"])

    @property
    def version(self) -> str:
        """The decision version in force, "" as long as none is known."""
        return self._version

    def state(self) -> str:
        """For the transaction that stores all this."""
        return json.dumps(
            {
                "log_id": self.place.log_id,
                "site_seq": self.place.site_seq,
                "ends": self.ends,
                "version": self._version,
                "last_minute": self.last_minute,
                "discharges": self.discharges.data(),
            }
        )

    def resume(self, place: Place, reason: str) -> None:
        """Go on behind another place: what comes next does not follow what was read, and the next record says so."""
        self.place = place
        self._hole_due = reason

    def take(self, inputs: Iterable[InputRow], events: Iterable[tuple[int, int, bytes]]) -> None:
        """Records in order, with the events (site_seq, ordinal, bytes) of each; those up to ``place`` are passed by."""
        waiting = iter(events)
        due = next(waiting, _NO_MORE)
        for row in inputs:
            if row.site_seq <= self.place.site_seq:
                continue
            self._input(row)
            self.place = Place(self.place.log_id, row.site_seq)
            while due[0] <= row.site_seq:
                if due[0] == row.site_seq:
                    self._event(due[2])
                due = next(waiting, _NO_MORE)

    def _input(self, row: InputRow) -> None:
        gap = row.site_seq - self.place.site_seq - 1
        if gap > 0 or self._hole_due:
            is_folded = row.site_seq <= self.folded_to
            reason = self._hole_due or ("lost" if self.place.log_id and not is_folded else "")
            if reason:
                self._hole(self.place.site_seq + 1, row.site_seq - 1, reason)
            self._hole_due = ""
        if row.kind not in _WANTED:
            return
        try:
            entry = decode_input(row.data)
        except WireError as fault:
            self._hole(row.site_seq, row.site_seq, f"does not decode: {fault}")
            return
        body = entry.body
        if isinstance(body, Frame):
            self._frame(body, row.site_seq, entry.tick_ms)
        elif isinstance(body, RuleSet):
            self.rules.append((self._book.log(self.place.log_id), row.site_seq, body.version))
            self.use(body.version)
        elif isinstance(body, Start):
            self._end_of_log_id()
            self.place = Place(body.log_id, row.site_seq)
        elif isinstance(body, Resync):
            self._hole(body.first_lost, body.last_lost, f"resync: {body.cause}")

    def _end_of_log_id(self) -> None:
        if self.place.log_id:
            self.ends.pop(self.place.log_id, 0)
            self.ends[self.place.log_id] = self.place.site_seq
            for log_id in [*self.ends][:-ENDS_MAX]:
                del self.ends[log_id]

    def _hole(self, first: int, last: int, reason: str) -> None:
        log = self._book.log(self.place.log_id)
        self.holes.append((log, first, last, self.last_minute * MINUTE_MS, reason[:200]))

    def use(self, version: str) -> None:
        """The decision version from here on; without its body frames cannot be read until the next."""
        self._version, self._devices = version, {}
        body = self._rulesets(version)
        if body is None:
            self._hole(self.place.site_seq, self.place.site_seq, f"rule set {version} is not there")
            return
        decision = decode_decision(body)
        layouts, late = self._book.layouts(decision), late_ms_of(decision)
        self._devices = {
            device.id: _Device(ScanDecoder(device), layouts[device.id], late[device.id])
            for device in decision.devices
            if device.id in layouts and device.id in late
        }
        self.discharges.use(batteries_of(decision))

    def _frame(self, frame: Frame, site_seq: int, tick_ms: int) -> None:
        known = self._devices.get(frame.device)
        if known is None or not 0 <= frame.sampled_at_ms <= AT_MS_MAX:
            return
        self.frames += 1
        at_ms = self._moment(frame.sampled_at_ms)
        minute = at_ms // MINUTE_MS
        if minute < self.skip_before:
            return
        key = (minute, known.layout)
        scan = known.decoder.decode(frame)
        sums = self.minutes.get(key)
        if sums is None:
            sums = self.minutes[key] = self._stored(minute, known.layout) or Minute(len(scan.values))
        is_late = not 0 <= frame.age_ms <= known.late_ms
        sums.take(scan.values, scan.reasons, is_late=is_late)
        if self._readings is not None:
            self._readings.take(known.layout, site_seq, at_ms, scan.values, scan.reasons, is_late=is_late)
        self.dirty.add(key)
        self.last_minute = minute
        first, _ = self.places.get(minute, (site_seq, 0))
        self.places[minute] = (first, site_seq)
        self.discharges.take(frame.device, tick_ms, scan.values, scan.reasons)

    def _event(self, data: bytes) -> None:
        try:
            event = decode_event(data)
        except WireError as fault:
            self._hole(self.place.site_seq, self.place.site_seq, f"an event does not decode: {fault}")
            return
        kind = kind_of(event.type)
        if kind is None:
            return
        log = self._book.log(event.log_id)
        if kind is Kind.MODE:
            self.discharges.changed(event, log)
        # The columns of the table ``events``: Event's own but for id, site, room_no, log_id and version.
        self.events.append((int(kind), log, event.room, event.type, *event[6:10], *event[11:]))

    def flushed(self) -> None:
        """Everything was stored: keep only the minutes that frames may still come for."""
        self.dirty.clear()
        self.places.clear()
        self.events.clear()
        self.holes.clear()
        self.rules.clear()
        self.discharges.ended.clear()
        near = range(self.last_minute - 1, self.last_minute + 2)
        self.minutes = {key: sums for key, sums in self.minutes.items() if key[0] in near}
