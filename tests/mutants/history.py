"""Seeded bugs of the fleet's history."""

from tests.mutants.mutant import Mutant

HISTORY = "tests/fleet/test_history.py"
REFUSED = "tests/fleet/test_history_refused.py"

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
    Mutant(
        "rows that are refused for good are tried for ever",
        "shared/runtime/postgres.py",
        '[:2] in ("22", "54")',
        '[:2] in ("99",)',
        f"{REFUSED}::test_deliveries_that_no_row_holds_stop_nobody",
    ),
    Mutant(
        "a hole in Kafka is known to one program alone",
        "services/history/centre/writing.py",
        "        if any(gaps):\n",
        "        if not gaps:\n",
        f"{REFUSED}::test_a_site_goes_on_behind_a_record_that_is_gone_also_at_the_next_replica",
    ),
    Mutant(
        "one clock that steps drops years of evidence",
        "shared/runtime/postgres.py",
        "    return min(database_ms, *clocks_ms)\n",
        "    return max(database_ms, *clocks_ms)\n",
        "tests/fleet/test_history_kept.py::test_a_clock_that_steps_by_years_drops_nothing",
    ),
    Mutant(
        "a rebuild forgets what Kafka has no longer",
        "services/history/centre/earlier.py",
        "            if not first.is_whole:\n",
        "            if first.is_whole and first.seq:\n",
        "tests/fleet/test_history_rebuild.py::test_what_kafka_has_no_longer_is_kept",
    ),
    Mutant(
        "readings of other points begin with the first one's value",
        "services/history/readings.py",
        "np.concatenate((first[place : place + 1], ",
        "np.concatenate((first[:1], ",
        "tests/services/history/test_readings.py",
    ),
    Mutant(
        "readings that are stored are stored again",
        "services/history/readings.py",
        "        self._pieces = []\n        self.count = 0\n",
        "        self.count = 0\n",
        f"{HISTORY}::test_the_centre_answers_what_the_site_answers",
    ),
    Mutant(
        "a rebuild forgets readings that Kafka has no longer",
        "services/history/centre/earlier.py",
        '    await _copy(connection, "reading", "at_ms < $2", no, end * MINUTE_MS)\n',
        "",
        "tests/fleet/test_history_rebuild.py::test_what_kafka_has_no_longer_is_kept",
    ),
    Mutant(
        "the history keeps of a site what another one has signed",
        "services/history/centre/desk.py",
        "        own_events(name, (event.data for event in block.events))\n",
        "",
        "tests/fleet/test_history_refused.py::test_a_block_with_events_of_another_site_is_left_out",
    ),
    Mutant(
        "the centre keeps the telling of people while its database hangs",
        "services/notifier/centre/app.py",
        "if claims.lives and not under_way",
        "if not under_way",
        "tests/services/notifier/test_asking_for_leases.py",
    ),
    Mutant(
        "a people's file with faults leaves nobody",
        "services/notifier/centre/people.py",
        "            self._fault = str(fault)\n            return\n",
        "            self._made.clear()\n            return\n",
        "tests/services/notifier/test_people_of_all.py",
    ),
)
