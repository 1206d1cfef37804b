"""Seeded bugs of the pure core and of what words mean."""

from tests.mutants.mutant import Mutant

TRIP = "shared/domain/trip.py"
CONTROL = "tests/services/guard/test_control.py"
SIMULATED = "tests/simulation/test_simulator.py::test_every_invariant_holds_after_every_step"
COLUMNS = "tests/domain/test_columns.py::test_columns_equal_the_plain_version_over_random_scans_and_pauses"

MUTANTS = (
    Mutant(
        "> for >= at a gas limit",
        TRIP,
        "return not isinstance(value, NoData) and value >= limit",
        "return not isinstance(value, NoData) and value > limit",
        f"{CONTROL}::test_gas_at_its_limit_demands_the_fan_in_the_same_call",
    ),
    Mutant(
        "no_data passes for a complete sample",
        TRIP,
        "        if point != NONE and isinstance(value, NoData):\n            return False\n",
        "        if point != NONE and isinstance(value, NoData):\n            continue\n",
        f"{CONTROL}::test_failed_polls_are_silence",
    ),
    Mutant(
        "a gas trip ends without run-on",
        TRIP,
        "gas_1 = state.gas_1 or now_ms < state.gas_1_ms + run_on_ms",
        "gas_1 = state.gas_1",
        f"{CONTROL}::test_a_gas_trip_holds_run_on",
    ),
    Mutant(
        "a silent detector is no fault",
        TRIP,
        "state = state._replace(fault=True, good_count=0)",
        "state = state._replace(good_count=0)",
        f"{CONTROL}::test_silence_of_the_detector_demands_the_fan_by_time_alone",
    ),
    Mutant(
        "a start demands nothing",
        TRIP,
        "    fault = state.fault or state.starting\n",
        "    fault = state.fault\n",
        f"{CONTROL}::test_the_fan_runs_from_power_up_until_three_good_samples",
    ),
    Mutant(
        "two good samples are enough",
        TRIP,
        "done = count >= detector.good_samples",
        "done = count + 1 >= detector.good_samples",
        f"{CONTROL}::test_the_fan_runs_from_power_up_until_three_good_samples",
    ),
    Mutant(
        "warm-up is not waited for",
        TRIP,
        "counted = healthy and now_ms - state.started_ms >= detector.warm_up_ms",
        "counted = healthy",
        f"{CONTROL}::test_a_warm_up_keeps_the_fan_on_for_its_time",
    ),
    Mutant(
        "NaN compares as a value",
        "shared/devices/decoder.py",
        'if number != number or number in (float("inf"), float("-inf")):\n        return NoData.OUT_OF_RANGE',
        'if number != number:\n        return 0\n    if number == float("inf"):\n        return NoData.OUT_OF_RANGE',
        "tests/devices/test_decoder.py::test_registers_become_values_or_reasons",
    ),
    Mutant(
        "a failed poll decodes its empty words",
        "shared/devices/decoder.py",
        "    if frame.outcome is not NoData.PRESENT:\n        return frame.outcome\n",
        "",
        "tests/devices/test_decoder.py::test_a_bad_frame_gives_a_reason_and_never_a_value",
    ),
    Mutant(
        "4 mA under its band is a value",
        "shared/devices/decoder.py",
        "    if current_ua < LOOP_LOW_UA:\n        return NoData.OUT_OF_RANGE\n",
        "",
        "tests/devices/test_decoder.py::test_a_current_loop_keeps_the_bands_of_ne_43",
    ),
    Mutant(
        "bad quality is compared with limits",
        "shared/domain/columns.py",
        "            act &= good.take(c.places)\n",
        "            act &= good.take(c.places) | True\n",
        COLUMNS,
    ),
    Mutant(
        "the deadband is ignored",
        "shared/domain/columns.py",
        "self.off_at[row] = on_at - max(deadband, 1)",
        "self.off_at[row] = on_at - 1",
        COLUMNS,
    ),
    Mutant(
        "the off-delay is ignored",
        "shared/domain/rows.py",
        "    if delay_ms == 0:\n        _set(turn, row, FALSE)",
        "    if delay_ms >= 0:\n        _set(turn, row, FALSE)",
        COLUMNS,
    ),
    Mutant(
        "the on-delay is ignored",
        "shared/domain/rows.py",
        "if alarm.on_delay_ms == 0 or _rose_often(turn, row, alarm):",
        "if alarm.on_delay_ms >= 0 or _rose_often(turn, row, alarm):",
        COLUMNS,
    ),
    Mutant(
        "run-on is dropped from the core's demand",
        "shared/domain/outputs.py",
        "elif held_ms != NEVER_MS and now_ms < held_ms + plan.run_on_ms:",
        "elif held_ms != NEVER_MS and now_ms < held_ms:",
        SIMULATED,
    ),
    Mutant(
        "silence stops a fan",
        "shared/domain/commands.py",
        "        if plans[meant[0]].kind is not OutputKind.BUZZER:\n",
        "        if plans[meant[0]].kind is OutputKind.OTHER:\n",
        "tests/domain/test_detectors.py::test_no_command_lowers_the_fan",
    ),
    Mutant(
        "a latch does not hold",
        "shared/domain/alarms.py",
        "_LATCHED if state.plan.alarms[a].latch else _FALSE",
        "_FALSE",
        "tests/domain/test_alarm_machine.py::test_each_arrow_of_the_process_region",
    ),
    Mutant(
        "out of service hides a new 2 % alarm",
        "shared/domain/alarms.py",
        '    if record.override == "none" or record.severity is _CRITICAL:\n',
        '    if record.override == "none":\n',
        "tests/domain/test_detectors.py::test_a_new_alarm_of_two_percent_is_never_hidden",
    ),
    Mutant(
        "a new occurrence has the old one's id",
        "shared/domain/ids.py",
        "{alarm}\\x1f{log_id}\\x1f{site_seq}",
        "{alarm}\\x1f{log_id}",
        "tests/domain/test_alarm_machine.py::test_two_alarms_never_share_an_occurrence",
    ),
    Mutant(
        "an ack of A acks B",
        "shared/domain/commands.py",
        "        if command.occurrence and command.occurrence != record.occurrence:\n",
        "        if command.occurrence and not record.occurrence:\n",
        "tests/domain/test_commands.py::test_an_ack_of_an_old_occurrence_never_acks_the_new_one",
    ),
    Mutant(
        "an unknown mode is not ventilated as boost",
        "shared/domain/outputs.py",
        "on = battery.mode in GASSING",
        "on = battery.mode in GASSING[:1]",
        "tests/domain/test_outputs.py::test_boost_ventilates_and_runs_on",
    ),
    Mutant(
        "an occurrence is superseded without its close",
        "shared/domain/alarms.py",
        "    if record.occurrence:\n        tell(turn, a, _SUPERSEDED)\n",
        "",
        SIMULATED,
    ),
    Mutant(
        "an override ends by the wall clock",
        "shared/domain/alarms.py",
        "record.until_ms = turn.now + for_ms if for_ms else 0",
        "record.until_ms = turn.entry.at_ms + for_ms if for_ms else 0",
        "tests/soak/test_goals.py::test_a_goal_holds[G17]",
    ),
    Mutant(
        "a snapshot forgets the delays that run",
        "shared/domain/snapshot.py",
        'state.pending = {row: reader.read(Pending, x) for row, *x in data["pending"]}',
        "state.pending = {}",
        "tests/soak/test_goals.py::test_a_goal_holds[G10]",
    ),
)
