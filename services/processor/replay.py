"""Derives every event of a log again and compares byte for byte; or with other rules, and shows the difference.

Nothing is sent and nothing is moved: there is nobody here who could. Reads on a connection of its own while the site
runs. Begins with the first input, or after the oldest snapshot when older frames are gone. A room whose state is not
known after a hole is not compared until its Resync. Inputs under a decision version of another core are counted as not
comparable, never as a difference.
Raises LogDamaged with the record when the log is not sound where it is read, LogBroken when it cannot be read.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from services.processor.differences import Alarms, Change, differences
from services.processor.fold import Fold
from services.processor.restore import check_links, read_input
from services.processor.verify import placed
from shared.devices.plan import DecisionPlan
from shared.domain.errors import LogDamaged
from shared.domain.events import Event, EventType
from shared.domain.version import CORE_VERSION
from shared.log.port import EventRow, Reading, Stretch
from shared.log.store import open_reader
from shared.wire.events import decode_event, encode_event
from shared.wire.inputs import Input, RuleSet, decode_input
from shared.wire.plans import decision_version, encode_decision

ANNUNCIATED = {EventType.ALARM_RAISED, EventType.ALARM_ESCALATED, EventType.ALARM_REANNOUNCED}
Progress = Callable[[int, int], None]


class Difference(NamedTuple):
    """The first event that came out otherwise; "" where there was none."""

    site_seq: int
    ordinal: int
    stored: str
    derived: str


@dataclass(slots=True)
class Replayed:
    """What INTERFACES.md prints of a replay."""

    inputs: int = 0
    events: int = 0
    begins_after: int = 0
    """Frames up to this record are gone (``verify`` says why), or were not asked for: nothing of them is derived."""
    not_comparable: int = 0
    first_difference: Difference | None = None
    alarms: list[Change] = field(default_factory=list)
    messages: tuple[int, int] = (0, 0)
    """Announced alarm events before and after."""
    relay_cycles: tuple[int, int] = (0, 0)

    @property
    def equal(self) -> bool:
        """Whether anybody, or any relay, would notice a difference."""
        before_and_after = (self.messages, self.relay_cycles)
        return self.first_difference is None and not self.alarms and all(a == b for a, b in before_and_after)

    def data(self) -> dict[str, Any]:
        """The JSON form."""
        difference = None if self.first_difference is None else self.first_difference._asdict()
        return {
            "inputs": self.inputs,
            "events": self.events,
            "equal": self.equal,
            "begins_after": self.begins_after,
            "not_comparable": self.not_comparable,
            "first_difference": difference,
            "alarms": [change.data() for change in self.alarms],
            "messages": {"before": self.messages[0], "after": self.messages[1]},
            "relay_cycles": {"before": self.relay_cycles[0], "after": self.relay_cycles[1]},
        }


def replay(
    directory: Path,
    decision: DecisionPlan | None = None,
    *,
    since_tick_ms: int | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Replayed:
    """Replays DIR/log.db; with ``since_tick_ms`` from the newest snapshot that is not younger."""
    reader = open_reader(directory)
    try:
        return replay_log(reader, decision, since_tick_ms=since_tick_ms, progress=progress)
    except LogDamaged as damage:
        raise placed(damage, directory) from damage
    finally:
        reader.close()


def replay_log(
    reading: Reading,
    decision: DecisionPlan | None = None,
    *,
    since_tick_ms: int | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Replayed:
    """The same for any log."""
    body = None if decision is None else encode_decision(decision)
    while True:
        folded = reading.folded_to()
        try:
            return _replay_once(reading, body, _begin(reading, folded, since_tick_ms), progress)
        except LogDamaged:
            if reading.folded_to() == folded:
                raise
            # Frames went while they were read: retention has overtaken us, so begin behind it.


def _replay_once(reading: Reading, body: bytes | None, begin: int, progress: Progress) -> Replayed:
    run = _Run(reading, body)
    run.begin(begin)
    last = reading.head().site_seq
    for stretch in reading.stretches(max(begin - 1, 0)):
        run.take(stretch)
        progress(stretch.last_seq, max(stretch.last_seq, last))
    return run.end()


def _begin(reading: Reading, folded: int, since_tick_ms: int | None) -> int:
    """The site_seq of the snapshot to begin after; 0 for the very beginning."""
    if since_tick_ms is not None:
        for seq, _hash in reversed(reading.snapshots()):
            row = next(reading.inputs(seq, 1), None)
            if seq >= folded and row is not None and decode_input(row.data).tick_ms <= since_tick_ms:
                return seq
    return folded if folded >= reading.first_seq() else 0


class _Run:
    """One replay. ``body`` is the other rule set, or None for the log's own."""

    def __init__(self, reading: Reading, body: bytes | None) -> None:
        self._reading = reading
        self._body = body
        self._digest = reading.genesis()
        self._begin = 0
        self._must_change = False
        self.fold = Fold(self._ruleset)
        self.result = Replayed()
        self._before, self._after = Alarms(), Alarms()
        self._messages, self._cycles = [0, 0], [0, 0]

    def _ruleset(self, version: str) -> bytes | None:
        if self._body is None or self._must_change:
            return self._reading.ruleset(version)
        return self._body

    def begin(self, site_seq: int) -> None:
        """Stand at the snapshot; other rules are changed to with the first input after it."""
        if not site_seq:
            return
        snapshot = self._reading.snapshot(site_seq)
        if snapshot is None or snapshot.site_seq != site_seq:
            raise LogDamaged(site_seq, "the snapshot to begin with is missing")
        self._must_change = self._body is not None
        self.fold.restore(snapshot)
        self._begin = self.result.begins_after = site_seq

    def take(self, stretch: Stretch) -> None:
        """Derive the stretch's events again, and compare."""
        if stretch.last_seq <= self._begin:
            self._digest = stretch.hash
            return
        if stretch.bad:
            raise LogDamaged(stretch.bad, "the record's bytes are not its checksum's")
        self._digest = check_links(stretch, self._digest)
        stored: dict[int, list[EventRow]] = {}
        for row in stretch.events:
            stored.setdefault(row.site_seq, []).append(row)
        for taken in stretch.inputs:
            entry = read_input(taken)
            derived = self._change(entry) if self._must_change else []
            lost = set(self.fold.lost)
            derived += self.fold.apply(entry)
            self.result.inputs += 1
            self._compare(entry.site_seq, stored.get(entry.site_seq, []), derived, lost | self.fold.lost)

    def _change(self, entry: Input) -> list[Event]:
        """The states that a snapshot gave go over to the other rules."""
        assert self._body is not None
        self._must_change = False
        return self.fold.change_rules(entry, RuleSet(str(decision_version(self._body)), "replay"))

    def _compare(self, site_seq: int, stored: list[EventRow], derived: list[Event], lost: set[str]) -> None:
        rows = [row for row in stored if row.room not in lost]
        derived = [event for event in derived if event.room not in lost]
        self.result.events += len(derived)
        for side, events in enumerate(([decode_event(row.data) for row in rows], derived)):
            for event in events:
                (self._before, self._after)[side].note(event)
                self._messages[side] += event.type in ANNUNCIATED
                self._cycles[side] += event.type == EventType.OUTPUT_DEMANDED
        if self._body is not None:
            return
        if self.fold.decision is not None and self.fold.decision.core_version != CORE_VERSION:
            self.result.not_comparable += 1
            return
        if self.result.first_difference is None:
            self.result.first_difference = _difference(site_seq, [row.data for row in rows], derived)

    def end(self) -> Replayed:
        self.result.alarms = differences(self._before, self._after)
        self.result.messages = (self._messages[0], self._messages[1])
        self.result.relay_cycles = (self._cycles[0], self._cycles[1])
        return self.result


def _difference(site_seq: int, stored: list[bytes], derived: list[Event]) -> Difference | None:
    made = [encode_event(event) for event in derived]
    if made == stored:
        return None
    for ordinal, (a, b) in enumerate(zip_longest(stored, made, fillvalue=b"")):
        if a != b:
            return Difference(site_seq, ordinal, a.decode(), b.decode())
    raise AssertionError("two unequal lists without a difference")
