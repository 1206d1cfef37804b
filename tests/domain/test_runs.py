"""A run of scans taken at once ends as step() ends with each of them: the same events, the same state."""

import random
from dataclasses import replace

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from shared.domain import runs
from shared.domain.core import initial, state_to_data, step
from shared.domain.events import Event
from shared.domain.ids import AlarmId, RuleId
from shared.domain.inputs import Command, Entry, Report, Scan, What
from shared.domain.plan import AlarmPlan, LostRow, ReportRow, RoomPlan, Severity
from shared.domain.state import RoomState
from shared.domain.units import NoData
from shared.wire.event_lines import EventLines
from shared.wire.events import encode_event
from shared.wire.linking import behind_lengths
from tests.bench.rooms import room, scans

MODULES = 6
BACS = "bench/r1/bacs"
AGE_OVER_MS = 40_000
IN_DEADBAND = 13_490, 3_700, 34_500
"""mV, uOhm, m°C that neither raise nor clear."""


def _entry(n: int, scan: Scan, tick_ms: int) -> Entry:
    return Entry("log", n, tick_ms, 10_000_000 + tick_ms, scan)


def _story(seed: int) -> tuple[RoomPlan, list[Entry]]:
    """Scans over some minutes, with pauses, holes, late ones, lost values and a person's command."""
    draw = random.Random(seed)
    on_delay = draw.choice((0, 0, 700, 3_000))
    plan = room(MODULES, on_delay_ms=on_delay)
    lost, told = len(plan.alarms), len(plan.alarms) + 1
    alarms = tuple(
        replace(
            alarm,
            off_delay_ms=draw.choice((0, 0, 900)),
            latch=draw.random() < 0.2,
            suppressed_by=draw.choice(((), (lost,), (told,))),
        )
        for alarm in plan.alarms
    )
    above = [AlarmPlan(AlarmId(f"{BACS}/{rule}"), RuleId(rule), BACS, Severity.ALARM) for rule in ("lost", "told")]
    losts = (LostRow(lost, (0,), 20_000, Severity.ALARM),)
    reports = (ReportRow(told, "told", BACS, Severity.ALARM),)
    plan = replace(plan, alarms=(*alarms, *above), losts=losts, reports=reports)
    entries: list[Entry] = []
    tick, skipped = 0, 0
    for scan in scans(MODULES, 150, changing=draw.choice((0.0, 0.01, 0.04, 0.2)), seed=seed):
        tick += draw.choice((0, 80, 80, 80, 500)) if draw.random() > 0.01 else 45_000
        chance = draw.random()
        made = scan._replace(device_seq=scan.device_seq + skipped)
        if draw.random() < 0.5:
            first, values = 4 * draw.randrange(MODULES), scan.values.copy()
            values[first : first + 3] = IN_DEADBAND
            made = made._replace(values=values)
        if chance < 0.01:
            skipped += 1
        elif chance < 0.02:
            made = made._replace(age_ms=AGE_OVER_MS)
        elif chance < 0.03:
            reasons = np.zeros(4 * MODULES, np.int8)
            reasons[draw.randrange(4 * MODULES)] = NoData.OFF
            made = made._replace(reasons=reasons, values=np.where(reasons == 0, made.values, 0))
        elif chance < 0.04:
            made = made._replace(boot=f"boot-{len(entries)}")
        entries.append(_entry(len(entries) + 1, made, tick))
        if draw.random() < 0.02:
            report = Report("told", BACS, draw.random() < 0.5, False, "")  # noqa: FBT003
            entries.append(Entry("log", len(entries) + 1, tick, 10_000_000 + tick, report))
        if draw.random() < 0.05:
            what = draw.choice((What.ACK, What.ACK, What.ACK, What.RESET, What.SHELVE, What.MAINTENANCE))
            subject = "bench/r1" if what is What.MAINTENANCE else str(draw.choice(plan.alarms).id)
            said = Command("c", what, subject, "", None, "why", "anna", 3_000, "", "", "", "", 0, 0)
            entries.append(Entry("log", len(entries) + 1, tick, 10_000_000 + tick, said))
    return plan, entries


def _one_by_one(plan: RoomPlan, entries: list[Entry]) -> tuple[RoomState, list[Event]]:
    state, events = initial(plan, "v", "log"), list[Event]()
    for entry in entries:
        state, made = step(state, entry)
        events += made
    return state, events


def _in_runs(plan: RoomPlan, entries: list[Entry], most: int) -> tuple[RoomState, bytes, int]:
    """By runs of up to ``most`` scans; also how many were taken by runs."""
    state, events, taken, at = initial(plan, "v", "log"), b"", 0, 0
    lines = EventLines()
    while at < len(entries):
        group = _group(entries[at : at + most])
        if len(group) < 2 or not runs.can_take(state, "bacs"):
            state, made = step(state, entries[at])
            events += lines.of_events(made)
            at += 1
            continue
        runner, done = runs.Runner(state, _run(group), lines), 0
        while done < len(group):
            told = runner.take(done)
            events += told.lines
            taken += told.scans
            if not told.scans:
                state, made = step(state, group[done])
                events += lines.of_events(made)
            done += told.scans or 1
        at += len(group)
    return state, events, taken


def _group(entries: list[Entry]) -> list[Entry]:
    """The scans from the front that may make a run."""
    found: list[Entry] = []
    for entry in entries:
        body = entry.body
        if not isinstance(body, Scan) or np.count_nonzero(body.reasons):
            break
        if found:
            first = found[0].body
            assert isinstance(first, Scan)
            if body.boot != first.boot or body.device_seq != first.device_seq + len(found):
                break
        found.append(entry)
    return found


def _run(group: list[Entry]) -> runs.Run:
    bodies = [entry.body for entry in group if isinstance(entry.body, Scan)]
    first = bodies[0]
    return runs.Run(
        first.device,
        first.boot,
        group[0].log_id,
        group[0].site_seq,
        first.device_seq,
        [entry.tick_ms for entry in group],
        [entry.at_ms for entry in group],
        [body.sampled_at_ms for body in bodies],
        [body.age_ms for body in bodies],
        np.array([body.values for body in bodies], np.int64),
    )


@settings(max_examples=60, phases=[Phase.generate], deadline=None)
@given(seed=st.integers(0, 1 << 30), most=st.integers(2, 70))
def test_runs_end_as_steps_do(seed: int, most: int) -> None:
    """Whatever comes between calm scans, and however they are cut into runs: equal events and an equal state."""
    plan, entries = _story(seed)
    state, events = _one_by_one(plan, entries)
    again, told, _ = _in_runs(plan, entries, most)
    assert told == behind_lengths(map(encode_event, events))
    assert state_to_data(again) == state_to_data(state)


def test_most_scans_go_by_runs() -> None:
    """The quick way is taken: of plain scans with 4 % changing all but the first and those with a timer due."""
    plan = room(50)
    entries = [_entry(n + 1, scan, 80 * n) for n, scan in enumerate(scans(50, 200, changing=0.04))]
    state, events = _one_by_one(plan, entries)
    again, told, taken = _in_runs(plan, entries, 60)
    assert told == behind_lengths(map(encode_event, events))
    assert state_to_data(again) == state_to_data(state)
    assert taken >= 195
