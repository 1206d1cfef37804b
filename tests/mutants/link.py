"""Seeded bugs of the way between a site and the fleet: what goes up, what comes down."""

from tests.mutants.mutant import Mutant

LEASES = "tests/domain/test_leases.py"
ORDERS = "tests/services/uplink/test_orders.py"
LIVE = "tests/services/uplink/test_live.py"
BELL = "tests/runtime/test_bell.py"
SERVING = "tests/services/uplink/test_serving.py"
CENTRE = "tests/fleet/test_kafka_centre.py"
PUBLISHED = "tests/bus/test_publishing_within_a_budget.py"

MUTANTS = (
    Mutant(
        "a site leaves its messages to a dead centre for half a minute",
        "services/notifier/centre/app.py",
        "LEASE_MS: Final = 5000\n",
        "LEASE_MS: Final = 30_000\n",
        "tests/services/notifier/test_asking_for_leases.py::"
        "test_a_site_waits_five_seconds_for_a_centre_that_died_and_no_longer",
    ),
    Mutant(
        "what the site file allows to go up a second bounds nothing",
        "services/uplink/process.py",
        "budget = Budget(plan.kafka_bytes_per_s)",
        "budget = Budget(0)",
        "tests/services/uplink/test_bounded.py::test_blocks_and_live_records_share_what_the_site_file_allows",
    ),
    Mutant(
        "what the site file allows to go up a second bounds nothing that goes by MQTT",
        "services/site/faces.py",
        "Budget(broker.bytes_per_s)",
        "Budget(0)",
        "tests/services/site/test_faces.py::test_the_fleets_broker_gets_half_of_what_may_go_up",
    ),
    Mutant(
        "a backlog of frames goes to a broker as fast as it takes them",
        "services/site/mqtt_publisher.py",
        "self._keep_frames, budget.take)",
        "self._keep_frames, Budget(0).take)",
        f"{PUBLISHED}::test_a_backlog_of_frames_waits_and_an_alarm_passes_it",
    ),
    Mutant(
        "an alarm by MQTT waits behind a backlog of frames",
        "services/site/mqtt_publisher.py",
        "self._keep_events, budget.take_live)",
        "self._keep_events, budget.take)",
        f"{PUBLISHED}::test_a_backlog_of_frames_waits_and_an_alarm_passes_it",
    ),
    Mutant(
        "points by MQTT are bounded by nothing",
        "services/site/mqtt_publisher.py",
        "        await self._budget.take_live(message.size)\n",
        "",
        f"{PUBLISHED}::test_points_are_within_the_budget_too",
    ),
    Mutant(
        "whoever may write to the live lane speaks for every site",
        "shared/wire/live.py",
        "    key.check(SIGNED + line, signature)\n",
        "",
        "tests/wire/test_fleet_records.py::test_what_is_no_record_is_refused_with_its_reason",
    ),
    Mutant(
        "a signed record of long ago is a sign of life",
        "services/gateway/centre/picture.py",
        "    if is_old:\n        return False\n",
        "",
        "tests/services/gateway/test_centre_picture.py::test_what_was_sent_before_changes_nothing",
    ),
    Mutant(
        "the live lane tells no more than what has changed since a connection before",
        "services/uplink/newest.py",
        "        if known is None or now_s - self._anew_at >= ANEW_S:\n",
        "        if known is None:\n",
        f"{LIVE}::test_what_was_not_taken_is_told_anew",
    ),
    Mutant(
        "undurable events are told as if they were in the log",
        "services/uplink/live.py",
        "events=raw_events(part), undurable=True",
        "events=raw_events(part)",
        f"{LIVE}::test_what_the_disk_does_not_take_is_seen_all_the_same",
    ),
    Mutant(
        "the live lane looks by the clock only",
        "services/uplink/live.py",
        "            await self._bell.wait(rings, LOOK_S)\n",
        "            await asyncio.sleep(LOOK_S)\n",
        f"{LIVE}::test_a_ring_is_enough",
    ),
    Mutant(
        "alarms wait while the disk takes the place",
        "services/uplink/lane.py",
        "            await finished(self._keeper.keep, self.place, self._now())\n",
        "            self._keeper.keep(self.place, self._now())\n",
        "tests/services/uplink/test_lane.py::test_a_disk_that_is_long_in_taking_the_place_holds_up_no_alarm",
    ),
    Mutant(
        "alarms wait while the gateway reads a backlog",
        "services/gateway/centre/follower.py",
        "                await _let_others_work(worked_s * OTHERS_SHARE if topic == EVENTS.name else 0.0)\n",
        "                pass\n",
        "tests/services/gateway/test_centre_follower.py::test_a_backlog_holds_up_nobody",
    ),
    Mutant(
        "who reads blocks takes every second turn from streams",
        "services/gateway/centre/follower.py",
        "at - before < IDLE_S or at - began >= at_most_s",
        "at >= before",
        "tests/services/gateway/test_centre_follower.py::test_who_reads_blocks_leaves_streams_their_time",
    ),
    Mutant(
        "a ring while somebody looks is lost",
        "shared/runtime/bell.py",
        "        if self.rings != rings:\n            return\n",
        "",
        f"{BELL}::test_a_ring_before_the_waiting_counts",
    ),
    Mutant(
        "who was killed keeps the bell",
        "shared/runtime/bell.py",
        "            path.unlink(missing_ok=True)\n",
        "",
        f"{BELL}::test_a_bell_that_was_left_hanging_is_taken_down",
    ),
    Mutant(
        "an alarm waits for calm frames",
        "services/uplink/reading.py",
        "inside.bad or inside.events or any(",
        "inside.bad or any(",
        "tests/services/uplink/test_calm.py::test_calm_frames_wait_and_whatever_follows_from_one_does_not",
    ),
    Mutant(
        "a lease with a number that was given comes again",
        "shared/domain/commands.py",
        "    if command.occurrence <= output.lease:\n",
        "    if command.occurrence < output.lease:\n",
        f"{LEASES}::test_only_a_lease_above_the_last_one_is_taken",
    ),
    Mutant(
        "a lease goes on over a boot of the machine",
        "shared/domain/core.py",
        "    if not same_boot:\n        end_leases(turn)\n",
        "",
        f"{LEASES}::test_a_start_of_the_log_keeps_a_lease_and_a_boot_of_the_machine_ends_it",
    ),
    Mutant(
        "a lease never ends by itself",
        "shared/domain/outputs.py",
        "        ends.append(output.lease_until_ms)\n",
        "",
        f"{LEASES}::test_a_lease_demands_for_its_time_and_ends_by_itself",
    ),
    Mutant(
        "a lease that is older than it lasts is given",
        "shared/wire/orders.py",
        "ttl_ms=min(lease.ttl_ms, lease.on_ms),",
        "ttl_ms=lease.ttl_ms,",
        f"{ORDERS}::test_a_lease_that_is_older_than_it_lasts_is_never_given",
    ),
    Mutant(
        "a connection to nobody is shown as one to the fleet",
        "services/uplink/serving.py",
        "return self._centre is not None and self._centre.offset_ms() is not None",
        "return self._centre is not None",
        f"{SERVING}::test_the_fleet_is_reached_when_it_has_answered",
    ),
    Mutant(
        "what is lost for the same reason is told without end",
        "services/uplink/serving.py",
        "            if is_good:\n",
        "            if why:\n",
        f"{SERVING}::test_a_connection_that_is_lost_again_and_again_is_told_once",
    ),
    Mutant(
        "a box in clear goes on by a key that the fleet has ended",
        "services/uplink/kafka_centre.py",
        "        if self._key_text not in found.keys:\n",
        "        if not found.keys:\n",
        f"{CENTRE}::TestKafka::test_in_clear_the_book_ends_a_connection_that_the_broker_would_hold",
    ),
    Mutant(
        "a revoked box in clear shows that it is connected",
        "services/uplink/kafka_centre.py",
        "return self._offset_ms if self._is_read else None",
        "return self._offset_ms",
        f"{CENTRE}::TestKafka::test_in_clear_the_book_ends_a_connection_that_the_broker_would_hold",
    ),
    Mutant(
        "orders are judged by the site's own clock",
        "services/uplink/orders.py",
        "(centre.offset_ms() or 0)",
        "0",
        f"{ORDERS}::test_time_to_live_goes_by_the_fleets_clock",
    ),
)
