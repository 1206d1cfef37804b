"""Seeded bugs of the fleet's history."""

from tests.mutants.mutant import Mutant

HISTORY = "tests/fleet/test_history.py"

MUTANTS = (
    Mutant(
        "a commit whose answer was lost is made again",
        "services/history/centre/writing.py",
        "    AND mine.next = given.before\n",
        "",
        f"{HISTORY}::test_a_commit_whose_answer_was_lost_is_not_made_again",
    ),
    Mutant(
        "a replica that slept writes",
        "services/history/centre/writing.py",
        "AND mine.partition = given.partition AND mine.fence = given.fence\n    AND mine.next = given.before\n",
        "AND mine.partition = given.partition\n",
        f"{HISTORY}::test_a_replica_that_slept_writes_nothing",
    ),
    Mutant(
        "what was stored of an open minute is written over",
        "services/history/centre/shelf.py",
        "                self.tally.minutes[key].add_earlier(data)\n",
        "",
        f"{HISTORY}::test_a_replica_that_ends_at_any_step_leaves_nothing_lost_or_doubled",
    ),
    Mutant(
        "a block that comes again is taken again",
        "services/history/centre/chain.py",
        "block.last_seq <= self.last_seq and not is_other_life:",
        "not is_other_life and block.epoch < 0:",
        f"{HISTORY}::test_blocks_that_come_again_change_nothing",
    ),
    Mutant(
        "another site's points are shown to who may not see them",
        "services/history/centre/asking.py",
        "            None if sites is None else sorted(sites),\n",
        "            None,\n",
        f"{HISTORY}::test_the_centre_answers_what_the_site_answers",
    ),
    Mutant(
        "a day is turned round into days that forget what they had",
        "services/history/centre/turning.py",
        "            found = merged([unpack_rolls(before[number], base), found])\n",
        "            pass\n",
        f"{HISTORY}::test_readings_that_come_after_their_day_was_turned_are_joined_to_it",
    ),
)
