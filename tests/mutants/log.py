"""Seeded bugs of the log, of the processor and of those who read it."""

from tests.mutants.mutant import Mutant

DAMAGE = "tests/services/processor/test_damage.py"
RUNNER = "tests/services/processor/test_runner.py"
UNDURABLE = "tests/services/processor/test_undurable.py"
SQLITE = "tests/contract/test_sqlite_log.py::TestSqliteLog"

MUTANTS = (
    Mutant(
        "a commit returns before its fsync",
        "shared/log/sqlite_schema.py",
        "PRAGMA synchronous=FULL",
        "PRAGMA synchronous=NORMAL",
        "tests/soak/test_fsync.py::test_each_commit_waits_for_its_own_fsync",
    ),
    Mutant(
        "the chain leaves the events out",
        "shared/log/chain.py",
        "event_root = root([row.data for row in made])",
        "event_root = root([])",
        f"{DAMAGE}::test_a_changed_event_breaks_the_chain_at_its_input",
    ),
    Mutant(
        "the chain is not compared on the way",
        "services/processor/restore.py",
        "    if digest != stretch.hash:\n"
        '        raise LogDamaged(_suspect(stretch), "the chain breaks at this record")\n',
        "",
        f"{DAMAGE}::test_one_changed_byte_is_found_at_its_record "
        f"{DAMAGE}::test_a_changed_event_breaks_the_chain_at_its_input",
    ),
    Mutant(
        "numbers may be left out",
        "shared/log/order.py",
        "dense = seqs[-1] - head.site_seq == len(seqs)",
        "dense = seqs[-1] > head.site_seq",
        f"{SQLITE}::test_the_numbers_are_dense",
    ),
    Mutant(
        "positions are kept beside the transaction",
        "shared/log/sqlite.py",
        '        many("INSERT OR REPLACE INTO positions VALUES(?, ?)", marked)\n',
        "",
        f"{SQLITE}::test_positions_are_part_of_the_group",
    ),
    Mutant(
        "packing loses its newest group",
        "shared/log/sqlite.py",
        "data = join([row[3] for row in rows])",
        "data = join([row[3] for row in rows[:-1]])",
        f"{SQLITE}::test_packing_changes_nothing_that_is_read",
    ),
    Mutant(
        "what waits in memory is thrown away",
        "shared/log/journal.py",
        "groups = [held.group for held in self._ring]",
        "groups = [held.group for held in self._ring][-1:]",
        f"{UNDURABLE}::test_what_was_kept_in_memory_is_written_in_order_before_anything_new",
    ),
    Mutant(
        "a hole in the numbers is not declared",
        "shared/log/journal.py",
        "        hole=True,\n",
        "        hole=False,\n",
        f"{UNDURABLE}::test_when_the_oldest_are_lost_the_log_says_which_and_goes_on_from_a_state",
    ),
    Mutant(
        "a command is done twice",
        "services/processor/runner.py",
        "        return before is not None\n",
        "        return False\n",
        f"{RUNNER}::test_the_same_command_again_gives_the_same_answer",
    ),
    Mutant(
        "a start goes on under the old log_id",
        "services/processor/runner.py",
        "        self.log_id = self._new_id()\n",
        "        self.log_id = found.restored.log_id or self._new_id()\n",
        f"{RUNNER}::test_the_first_record_of_each_start_names_the_one_before",
    ),
    Mutant(
        "silence is not recorded",
        "services/processor/runner.py",
        "Tick(room) for room, last in self._last_input.items() if tick_ms - last >= TICK_MS and room in self.states",
        "Tick(room) for room, last in self._last_input.items() if tick_ms - last < 0 and room in self.states",
        f"{RUNNER}::test_silence_is_recorded_as_ticks",
    ),
    Mutant(
        "the log's time follows the wall clock",
        "shared/log/sequencer.py",
        "        self.site_seq += 1\n"
        "        self.tick_ms = max(self.tick_ms, self._tick_base + now.mono_ms - self._mono_base)",
        "        self.site_seq += 1\n"
        "        self.tick_ms = max(self.tick_ms, self._tick_base + now.wall_ms - self._mono_base)",
        "tests/soak/test_goals.py::test_a_goal_holds[G17]",
    ),
    Mutant(
        "a poison record's bytes are not kept",
        "services/processor/taker.py",
        "    taken.dead_letters[digest] = data\n",
        "",
        "tests/soak/test_goals.py::test_a_goal_holds[G14]",
    ),
    Mutant(
        "inputs are committed before their events",
        "services/processor/taker.py",
        "            events=tuple(self.rows),\n",
        "            events=(),\n",
        f"{RUNNER}::test_what_is_told_is_what_is_in_the_log",
    ),
    Mutant(
        "a gas point may be polled as slowly as one likes",
        "shared/runtime/site_file/room_checks.py",
        "POLL_MAX_MS = 900",
        "POLL_MAX_MS = 9_000_000",
        "tests/runtime/site_file/test_bad_files.py::test_a_bad_file_is_refused_with_its_fault_at_its_place",
    ),
)
