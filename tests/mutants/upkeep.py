"""Seeded bugs about upkeep: replacements, baselines, calibrations and proof tests."""

from tests.mutants.mutant import Mutant

UPKEEP, DUES = "tests/domain/test_upkeep.py", "tests/domain/test_dues.py"

MUTANTS = (
    Mutant(
        "any old serial is believed",
        "shared/domain/upkeep.py",
        "    if known and old != known:\n",
        "    if known and not old:\n",
        f"{UPKEEP}::test_a_replacement_is_refused_with_its_reason",
    ),
    Mutant(
        "a new jar keeps the old one's baseline",
        "shared/domain/upkeep.py",
        "    baselines.forget(turn, b)\n",
        "",
        f"{UPKEEP}::test_a_replaced_jar_gets_a_baseline_of_its_own",
    ),
    Mutant(
        "a baseline is measured under load",
        "shared/domain/baselines.py",
        " or state.batteries[plan.battery].mode is Mode.DISCHARGE:",
        ":",
        f"{UPKEEP}::test_bad_values_and_a_discharge_are_not_measured",
    ),
    Mutant(
        "a snapshot forgets the limits that follow a baseline",
        "shared/domain/baselines.py",
        "    for b in sorted(known):\n        apply(state, b)\n",
        "",
        f"{UPKEEP}::test_baselines_and_serials_survive_snapshots_and_rule_changes",
    ),
    Mutant(
        "a commissioning record counts at each start",
        "shared/domain/dues.py",
        "    if due.record != record:\n",
        "    if record:\n",
        f"{DUES}::test_a_commissioning_record_counts_once",
    ),
    Mutant(
        "a test without proof is a proof test",
        "shared/domain/outputs.py",
        "            output.failed = True\n            output.proof_due_ms = FAR_MS\n",
        "            output.failed = True\n            output.proof_due_ms = FAR_MS\n"
        "            dues.proven(turn, o)\n",
        f"{DUES}::test_a_test_without_airflow_proves_nothing",
    ),
)
