"""Seeded bugs by which one who may write a topic ends the processes that read it, and of a hosted site's two."""

from tests.mutants.mutant import Mutant

SEATS = "tests/services/processor/test_seats.py"
WORKER = "tests/services/processor/test_worker.py"
SIFTING = "tests/services/processor/test_sifting.py"
HOSTED = "tests/services/site/test_hosted_site.py"

MUTANTS = (
    Mutant(
        "a name that nobody registered is a site in memory and a state for ever",
        "services/processor/sifting.py",
        "        if not broker.is_registered(record.name):\n",
        "        if not record.name:\n",
        f"{WORKER}::test_names_that_nobody_registered_cost_a_number_and_a_line",
    ),
    Mutant(
        "blocks that came before their site was registered are asked for again",
        "services/processor/worker.py",
        "max(partition.first, partition.passed)",
        "partition.first",
        f"{WORKER}::test_blocks_that_came_before_their_site_was_registered_are_read_again",
    ),
    Mutant(
        "each name that nobody registered is looked up",
        "services/history/centre/desk.py",
        "            self._is_sure = True\n",
        "",
        "tests/fleet/test_history_refused.py::test_names_that_nobody_registered_are_looked_up_once_and_leave_nothing",
    ),
    Mutant(
        "a key that was ended signs on",
        "shared/log/kafka/known.py",
        "return None if held is None or at_ms >= held.until_ms else held.key",
        "return None if held is None else held.key",
        "tests/fleet/test_known.py::test_a_key_signs_nothing_more_after_its_end",
    ),
    Mutant(
        "people are told of a site that has ended",
        "services/notifier/centre/sites.py",
        "            self._ended.add(site)\n",
        "",
        "tests/fleet/test_notifier.py::test_nobody_is_told_of_a_site_that_has_ended_until_it_is_one_again",
    ),
    Mutant(
        "a file that was withdrawn by halves is withdrawn",
        "services/fleet/supervise_push.py",
        "if wrong := sorted(set(sites) - {str(site) for site, _ in wanted}):",
        "if wrong := sorted(set(sites) - {str(site) for site, _ in wanted} if not wanted else ()):",
        "tests/fleet/test_push_waves.py::test_a_push_that_no_site_can_take_is_withdrawn",
    ),
    Mutant(
        "a server that gets on is given up on a busy machine",
        "services/fleet/servers.py",
        "            self._size, self._moved = server.log.stat().st_size, now\n",
        "            self._size = server.log.stat().st_size\n",
        "tests/fleet/test_kafka_server.py::test_a_server_that_gets_on_is_waited_for_longer",
    ),
    Mutant(
        "two change the book of sites at a time",
        "services/site/command/enroll.py",
        "    with book.alone():\n        (book.revoke_former if",
        "    if book:\n        (book.revoke_former if",
        "tests/fleet/test_identities.py::test_who_changes_the_book_waits_for_who_does",
    ),
    Mutant(
        "a start lets a site in again that was ended",
        "services/fleet/demo.py",
        "        if site not in known:\n",
        "        if site not in known or known[site].is_ended:\n",
        "tests/fleet/test_identities.py::test_a_start_makes_nobody_anew_whom_someone_has_ended",
    ),
    Mutant(
        "who folds goes on by a key that was ended",
        "services/processor/sifting.py",
        "    return broker.may_sign(record.name, key_id, record.at_ms)\n",
        "    return broker.may_sign(record.name, key_id, 0)\n",
        f"{SIFTING}::test_a_key_signs_nothing_that_the_broker_takes_after_its_end",
    ),
    Mutant(
        "a key that nobody registered parks its site",
        "services/processor/worker.py",
        "                elif is_keyless and not site.needs and site.name not in learnt:\n",
        "                elif is_keyless and site.needs:\n",
        f"{SIFTING}::test_a_key_that_nobody_registered_stops_no_site",
    ),
    Mutant(
        "a block that names ever more rule sets is gone on with for ever",
        "services/processor/worker.py",
        "elif turn < TURNS_MAX and (",
        "elif turn < 1 << 62 and (",
        f"{WORKER}::test_a_block_that_names_ever_more_rule_sets_holds_nobody_up",
    ),
    Mutant(
        "bodies of rule sets fill the memory of who folds",
        "services/processor/seats.py",
        "sum(map(len, self._bodies.values())) > BODIES_BYTES_MAX",
        "sum(map(len, self._bodies.values())) > 1 << 62",
        f"{SEATS}::test_bodies_of_rule_sets_have_a_bound_and_are_asked_for_again",
    ),
    Mutant(
        "bodies of rule sets fill the memory of who reads them",
        "shared/log/kafka/bodies.py",
        "while self.size > self._kept_bytes_max and",
        "while self.size > 1 << 62 and",
        "tests/fleet/test_known.py::test_bodies_take_no_more_than_they_may",
    ),
    Mutant(
        "a flood of one event fills the log",
        "shared/runtime/fleet_service.py",
        "        if lines < LINES_MAX:\n",
        "        if lines < 1 << 62:\n",
        "tests/runtime/test_fleet_service.py::test_a_flood_of_one_event_costs_so_many_lines_a_minute_and_hides_no_other",
    ),
    Mutant(
        "a full disk ends every server that runs",
        "services/fleet/launcher.py",
        "        except OSError as error:  # A full disk",
        "        except ZeroDivisionError as error:  # A full disk",
        "tests/fleet/test_launcher.py::test_a_full_disk_ends_no_server_that_runs",
    ),
    Mutant(
        "a block that no fold understands ends the process",
        "services/processor/seats.py",
        "except Exception as fault:  # Whatever its site signed",
        "except ZeroDivisionError as fault:  # Whatever its site signed",
        f"{SEATS}::test_what_nobody_can_read_is_a_dead_letter",
    ),
    Mutant(
        "an input of a later program keeps the state from being written",
        "services/processor/block_fold.py",
        "        except WireError:\n            return self._at_ms\n",
        "        except ZeroDivisionError:\n            return self._at_ms\n",
        f"{SEATS}::test_an_input_of_a_later_program_passes_on",
    ),
    Mutant(
        "a dead letter has the whole key of its record",
        "shared/log/kafka/records.py",
        "self.key[:KEY_BYTES_MAX]",
        "self.key",
        f"{WORKER}::test_junk_of_any_size_becomes_a_letter_that_its_topic_takes",
    ),
    Mutant(
        "dead letters may be no larger than what they hold",
        "shared/bus/registry.py",
        "90 * DAY_MS, LARGEST_BYTES_MAX",
        "90 * DAY_MS, RECORD_BYTES_MAX",
        f"{WORKER}::test_junk_of_any_size_becomes_a_letter_that_its_topic_takes",
    ),
    Mutant(
        "an instant that no calendar has ends who shows it",
        "shared/wire/instants.py",
        "milliseconds=max(FIRST_MS, min(at_ms, LAST_MS))",
        "milliseconds=at_ms",
        "tests/wire/test_events.py::test_every_event_that_decodes_can_be_shown",
    ),
    Mutant(
        "a hosted site's process is told of a new file before it can hear",
        "services/site/hosted_site.py",
        "is_heard = is_site and self._alive_at > 0",
        "is_heard = is_site",
        f"{HOSTED}::test_a_process_that_is_starting_is_not_told_of_a_new_file",
    ),
    Mutant(
        "a hosted site's door outlives who answers there",
        "services/site/hosted_site.py",
        "        with listening:\n            await self._keep",
        "        if listening:\n            await self._keep",
        f"{HOSTED}::test_the_door_closes_with_the_process_that_answered",
    ),
    Mutant(
        "some packed bytes become millions of records",
        "shared/wire/sections.py",
        "if count * (LENGTH_BYTES + RECORD_BYTES_MIN) > size:",
        "if count * LENGTH_BYTES > size:",
        "tests/wire/test_blocks.py::test_what_is_no_block_is_refused_with_its_reason",
    ),
)
