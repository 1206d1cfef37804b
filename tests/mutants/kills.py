"""Seeded bugs of what a processor writes down while servers and services are killed."""

from tests.mutants.mutant import Mutant

WORKER = "tests/services/processor/test_worker.py"

MUTANTS = (
    Mutant(
        "a broker's absence puts off the next states",
        "services/processor/worker.py",
        "SAVE_SHARE * worked_s * len(",
        "SAVE_SHARE * (partition.saved_at - began) * len(",
        f"{WORKER}::test_a_broker_that_was_away_does_not_put_off_the_next_states",
    ),
    Mutant(
        "input is acknowledged before its state is confirmed",
        "services/processor/worker.py",
        "        await partition.confirmed()\n        for site in due:\n",
        "        for site in due:\n",
        f"{WORKER}::test_nothing_is_acknowledged_before_events_and_state_are_confirmed",
    ),
    Mutant(
        "a site whose first blocks the engine forgot is asked for them",
        "services/processor/worker.py",
        "                site.unseen = 0\n",
        "                site.unseen = -1\n",
        f"{WORKER}::test_a_site_whose_first_blocks_an_engine_forgot_is_read_beside_it",
    ),
)
