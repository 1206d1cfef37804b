"""Seeded bugs of blocks, of their versions, and of Kafka's clients."""

from tests.mutants.mutant import Mutant

BLOCKS = "tests/wire/test_blocks.py"
CLIENTS = "tests/fleet/test_kafka_clients.py"
TROUBLE = "tests/fleet/test_kafka_trouble.py"

MUTANTS = (
    Mutant(
        "the chain inside a block is not compared",
        "shared/wire/blocks.py",
        "        if digest.hex() != expected:\n",
        "        if not digest:\n",
        f"{BLOCKS}::test_every_byte_is_covered",
    ),
    Mutant(
        "anybody may sign for a site",
        "shared/wire/blocks.py",
        "    public_key.check(data[:end], data[end:records])\n",
        "",
        f"{BLOCKS}::test_another_sites_key_is_refused",
    ),
    Mutant(
        "packed records are unpacked without a bound",
        "shared/wire/sections.py",
        "        if announced != size:\n",
        "        if not announced:\n",
        f"{BLOCKS}::test_what_is_no_block_is_refused_with_its_reason",
    ),
    Mutant(
        "a header may promise any number of records",
        "shared/wire/blocks.py",
        "    check_count(events, size)\n",
        "",
        f"{BLOCKS}::test_what_is_no_block_is_refused_with_its_reason",
    ),
    Mutant(
        "the next program's records are refused",
        "shared/wire/versions.py",
        "if not 1 <= version <= self.version + 1:",
        "if not 1 <= version <= self.version:",
        "tests/golden/test_records.py::test_a_kept_record_means_what_it_meant",
    ),
    Mutant(
        "events are equal when they are as many",
        "shared/wire/sections.py",
        "count == len(self) and lines == self.body",
        "count == len(self)",
        f"{BLOCKS}::test_events_are_compared_and_handed_on_as_one_piece",
    ),
    Mutant(
        "a site's events go into a batch unseen",
        "shared/wire/batches.py",
        "if batch.verdict is not Verdict.EQUAL:",
        "if batch.verdict is Verdict.EQUAL:",
        "tests/wire/test_fleet_records.py::test_a_site_cannot_spoil_a_batch",
    ),
    Mutant(
        "a batch that is not confirmed counts as sent",
        "shared/log/kafka/producer.py",
        "            await self._throw_away(client, why)\n\n    async def _attempt",
        "            return -1\n\n    async def _attempt",
        f"{TROUBLE}::test_a_batch_that_is_not_confirmed_in_time_is_said_and_sent_again",
    ),
    Mutant(
        "what stands behind a refused record is sent all the same",
        "shared/log/kafka/producer.py",
        'kafka_record_refused", str(fault))\n                    self._give_up(place, fault)\n',
        'kafka_record_refused", str(fault))\n                    self._confirm(place, batch, -1)\n',
        f"{CLIENTS}::test_what_can_never_be_taken_is_refused_and_nothing_behind_it_is_written",
    ),
    Mutant(
        "what is asked of places comes in the broker's order",
        "shared/log/kafka/reader.py",
        "{Place(*each): found[each] for each in wanted}",
        "{Place(*each): offset for each, offset in found.items()}",
        f"{CLIENTS}::test_what_is_asked_of_places_comes_in_their_order",
    ),
    Mutant(
        "a new group begins with the newest record",
        "shared/log/kafka/kept.py",
        'auto_offset_reset="earliest"',
        'auto_offset_reset="latest"',
        f"{CLIENTS}::test_what_was_not_confirmed_comes_again",
    ),
    Mutant(
        "who is cancelled ends the client that others wait for",
        "shared/log/kafka/kept.py",
        "            await asyncio.shield(self._making)\n",
        "            await self._making\n",
        "tests/fleet/test_watching.py::test_who_is_cancelled_while_he_waits_for_a_client_does_not_begin_it_anew",
    ),
    Mutant(
        "who gives a record up cuts the connection short",
        "shared/log/kafka/producer.py",
        "            await asyncio.shield(self._making)\n",
        "            await self._making\n",
        "tests/fleet/test_connecting.py::test_a_sender_that_gives_up_does_not_begin_its_connection_anew",
    ),
    Mutant(
        "offsets are committed by the clock",
        "shared/log/kafka/kept.py",
        "enable_auto_commit=False",
        "enable_auto_commit=True, auto_commit_interval_ms=10",
        f"{CLIENTS}::test_what_was_not_confirmed_comes_again",
    ),
    Mutant(
        "a batch of an earlier generation is confirmed",
        "shared/log/kafka/group.py",
        "if client is None or taken.generation != self.generation:",
        "if client is None:",
        f"{TROUBLE}::test_a_member_of_a_group_that_hangs_is_noticed_and_made_anew",
    ),
    Mutant(
        "a reader that stands still is left alone",
        "shared/log/kafka/watching.py",
        "elif more and now_s - stand.since_s >= self._stuck_s:",
        "elif more and stand.since_s > now_s:",
        "tests/fleet/test_watching.py::test_a_reader_is_stuck_when_there_is_more_and_it_stands",
    ),
    Mutant(
        "an epoch that was taken back goes on",
        "shared/log/kafka/index.py",
        "                del self.entries[self._after(head.prev_hash) :]\n",
        "                pass\n",
        "tests/contract/test_kafka_log.py::TestKafkaLog::test_what_was_sent_twice_or_anew_is_there_once",
    ),
    Mutant(
        "a killed worker leaves Faust's folders behind",
        "services/processor/app.py",
        "    async def on_first_start(self)",
        "    async def on_first_begin(self)",
        "tests/services/processor/test_fetching.py::test_a_worker_makes_no_folder_that_a_kill_would_leave",
    ),
)
