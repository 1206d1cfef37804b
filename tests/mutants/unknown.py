"""Seeded bugs about what is missing, unknown, renamed or only half there."""

from tests.mutants.mutant import Mutant

MISSING = "tests/domain/test_missing_signals.py"
RESTARTS = "tests/domain/test_restarts.py"
SUPPRESSION = "tests/domain/test_suppression.py"
LATENESS = "tests/domain/test_lateness.py"

MUTANTS = (
    Mutant(
        "a missing ambient is the room's last point",
        "shared/domain/rules.py",
        "if NONE in (plan.ambient, plan.current):",
        "if plan.current == NONE:",
        f"{MISSING}::test_runaway_without_an_ambient_point_looks_at_great_heat_only",
    ),
    Mutant(
        "an off-delay ends over a start without a value",
        "shared/domain/core.py",
        "    rows.cancel_unknown(turn)\n",
        "",
        f"{RESTARTS}::test_a_start_lets_no_off_delay_end_without_a_value",
    ),
    Mutant(
        "guard's own words for gas hold no run-on",
        "shared/domain/outputs.py",
        '    causes = detail.partition(";")[0].split(", ")\n'
        '    return any(cause.partition(" ")[0] in GAS_TRIPS for cause in causes)\n',
        "    return detail in GAS_TRIPS\n",
        f"{MISSING}::test_a_local_trip_of_gas_holds_run_on_in_guards_own_words",
    ),
    Mutant(
        "a detector of a new rule set is never watched",
        "shared/domain/migrate.py",
        "            new.detectors[n] = trip.restart(TripState(), turn.now)\n",
        "            pass\n",
        f"{RESTARTS}::test_a_detector_that_a_new_rule_set_brings_is_watched_from_then_on",
    ),
    Mutant(
        "an energise-to-stop coil reads off while it is on",
        "shared/runtime/profiles.py",
        "invert=spec.on == 0 if spec.closed is None else spec.closed == 0,",
        "invert=False if spec.closed is None else spec.closed == 0,",
        "tests/devices/test_profiles.py::test_an_output_reads_1_while_it_is_on_in_either_sense",
    ),
    Mutant(
        "what nobody can see goes on suppressing",
        "shared/domain/alarms.py",
        "by.state in ACTIVE and by.trusted_ms == NEVER_MS:",
        "by.state in ACTIVE:",
        f"{SUPPRESSION}::test_a_suppression_whose_own_input_is_unknown_is_off",
    ),
    Mutant(
        "a quality that flips announces with each poll",
        "shared/domain/alarms.py",
        "record.trusted_ms = turn.now + TRUST_MS",
        "record.trusted_ms = turn.now",
        f"{SUPPRESSION}::test_a_signal_that_flips_announces_once_and_hides_again_after_a_quiet_minute",
    ),
    Mutant(
        "each crash of the site process announces what was hidden",
        "shared/domain/core.py",
        "    grace.grant(state, turn.now)\n",
        "",
        f"{SUPPRESSION}::test_two_percent_that_stands_over_a_start_goes_on_hiding_the_pre_alarm",
    ),
    Mutant(
        "what a start left in force hides for ever",
        "shared/domain/grace.py",
        "return now_ms < state.records[a].grace_ms and bool(",
        "return bool(",
        f"{SUPPRESSION}::test_a_start_after_which_the_cause_stays_unknown_lets_go_when_its_value_would_be_stale",
    ),
    Mutant(
        "each start gives a suppression its time anew",
        "shared/domain/grace.py",
        "NEVER_MS == record.trusted_ms == record.grace_ms:",
        "record.trusted_ms == NEVER_MS:",
        f"{SUPPRESSION}::test_a_second_start_before_anything_was_seen_adds_no_time",
    ),
    Mutant(
        "late scans that were counted are never told",
        "shared/domain/lateness.py",
        "    if known.late_ms != NEVER_MS and (not reason or scan.boot != known.boot):\n        end(turn, s)\n",
        "    if not reason:\n        known.late_ms, known.late_count = NEVER_MS, 0\n",
        f"{LATENESS}::test_each_late_scan_is_named_once_whatever_comes_between",
    ),
    Mutant(
        "a temperature that was never seen moves a limit",
        "shared/domain/columns.py",
        "            changed &= good.take(points - c.first)\n",
        "            changed &= self.values.take(points) < HIGH\n",
        "tests/domain/test_compensation.py::test_a_limit_follows_its_temperature",
    ),
    Mutant(
        "2 % that a warming head shows is not told",
        "shared/domain/trip.py",
        "fault=(state.fault or late or doubtful) and not done,",
        "fault=(state.fault or late) and not done,",
        "tests/domain/test_detectors.py::test_two_percent_shown_in_a_warm_up_is_told_at_once_but_empties_no_building",
    ),
    Mutant(
        "a clean stop lets the charger go while there is gas",
        "services/guard/engine.py",
        "card.write_safe(held)",
        "card.write_safe()",
        "tests/services/guard/test_engine.py::test_a_clean_stop_leaves_on_what_gas_demands",
    ),
    Mutant(
        "a renamed relay module loses the run-on of its trip",
        "shared/domain/migrate.py",
        "    names = [before(x.id) if before(x.id) in known else renamed.get(x.id, x.id) for x in new.outputs]\n",
        "    names = [before(x.id) for x in new.outputs]\n",
        f"{RESTARTS}::test_a_renamed_relay_module_keeps_the_local_trip_and_its_run_on",
    ),
)
