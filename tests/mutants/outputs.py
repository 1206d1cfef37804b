"""Seeded bugs between a demand and a relay, and on the field bus."""

from tests.mutants.mutant import Mutant

LEASES = "services/actuator/leases.py"
DEMAND = "services/actuator/demand.py"
WATCH = "services/actuator/watch.py"
EXCHANGE = "shared/fieldbus/exchange.py"
T_LEASES = "tests/services/actuator/test_leases.py"
T_DEMAND = "tests/services/actuator/test_demand.py"
T_WATCH = "tests/services/actuator/test_watch.py"
T_EXCHANGE = "tests/fieldbus/test_exchange.py"
T_OUTBOX = "tests/services/guard/test_outbox.py"

MUTANTS = (
    Mutant(
        "a module's watchdog is believed to the millisecond",
        "services/actuator/watchdog.py",
        "return self.time_ms - self.time_ms // EARLY",
        "return self.time_ms",
        "tests/services/actuator/test_card.py::test_a_watchdog_that_acts_a_little_early_is_nobodys_foreign_write",
    ),
    Mutant(
        "a lease never expires",
        LEASES,
        "    return now_ms < state.end_ms\n",
        "    return state.end_ms > NEVER_MS\n",
        f"{T_LEASES}::test_a_lease_ends_five_seconds_after_it_was_sent",
    ),
    Mutant(
        "a zombie's lease is taken",
        LEASES,
        "if lease.number <= state.number:",
        "if lease.number < state.number:",
        f"{T_LEASES}::test_a_number_that_does_not_rise_is_refused",
    ),
    Mutant(
        "a lease counts from its receipt",
        LEASES,
        "begin_ms = min(lease.sent_ms, now_ms) if lease.sent_ms >= 0 else now_ms",
        "begin_ms = now_ms",
        f"{T_LEASES}::test_a_lease_that_waited_longer_than_it_lives_is_refused",
    ),
    Mutant(
        "a lease overrules the trip",
        DEMAND,
        "causes = ((by,) if base else ()) + local",
        'causes = (by,) if base else () if by == "lease" else local',
        f"{T_DEMAND}::test_a_trip_is_never_overruled_by_a_lease",
    ),
    Mutant(
        "the safe value is always off",
        DEMAND,
        'base, by = plan.safe_on, "safe"',
        'base, by = False, "safe"',
        f"{T_DEMAND}::test_without_a_lease_an_output_is_at_its_own_safe_value",
    ),
    Mutant(
        "charger inhibit falls with the lease",
        DEMAND,
        "            return HOLD_MS\n",
        "            return 0\n",
        f"{T_DEMAND}::test_charger_inhibit_and_buzzer_hold_five_minutes",
    ),
    Mutant(
        "startup coils are not read before a write",
        WATCH,
        "        due = watch.blind and (",
        "        due = (",
        f"{T_WATCH}::test_nothing_is_written_before_the_first_read",
    ),
    Mutant(
        "a foreign ON is switched off",
        WATCH,
        "    if not wanted and watch.foreign_on:\n        return None\n",
        "",
        f"{T_WATCH}::test_a_foreign_on_stays_until_it_was_demanded_and_released",
    ),
    Mutant(
        "a foreign hand is argued with for ever",
        WATCH,
        "contested = watch.contested or len(recent) >= REWRITES",
        "contested = watch.contested",
        f"{T_WATCH}::test_a_foreign_hand_that_insists_is_contested_then_once_a_minute",
    ),
    Mutant(
        "a wired override is written over",
        WATCH,
        "        if wanted and watch.foreign_off and override_closed:\n            return None\n",
        "",
        f"{T_WATCH}::test_a_closed_override_contact_stops_the_rewrites",
    ),
    Mutant(
        "a guard that hangs goes on talking",
        "services/actuator/gate.py",
        "return parts is not None and not self._pulse.is_alive(parts)",
        "return parts is not None and not self._pulse",
        "tests/services/actuator/test_gate.py::test_one_part_that_stands_still_closes_the_gate",
    ),
    Mutant(
        "a late TCP reply is accepted",
        EXCHANGE,
        'if int.from_bytes(data[:2], "big") != transaction or data[6] != exchange.unit:',
        "if data[6] != exchange.unit:",
        f"{T_EXCHANGE}::test_a_tcp_stream_is_taken_apart_strictly",
    ),
    Mutant(
        "a reply of another unit is accepted",
        EXCHANGE,
        "if data[0] != exchange.unit or function != exchange.function or not shape:",
        "if function != exchange.function or not shape:",
        f"{T_EXCHANGE}::test_a_serial_line_is_taken_apart_strictly",
    ),
    Mutant(
        "the echo of another write is accepted",
        EXCHANGE,
        'return b"" if pdu[1:] == exchange.body else malformed("an echo of another write")',
        'return b""',
        f"{T_EXCHANGE}::test_only_the_exact_answer_counts",
    ),
    Mutant(
        "a poller that is ended goes on when an answer comes with the end",
        "shared/fieldbus/tcp.py",
        "if task is not None and task.cancelling():",
        "if task is not None and task.cancelled():",
        "tests/fieldbus/test_adapters.py::TestModbusTcp::test_a_cancelled_read_ends_as_cancelled",
    ),
    Mutant(
        "a dead device holds up its bus",
        "services/collector/schedule.py",
        "QUARANTINE_AFTER = 2\n",
        "QUARANTINE_AFTER = 2_000\n",
        "tests/services/collector/test_collector.py::test_a_dead_device_never_delays_the_rest_of_its_bus",
    ),
    Mutant(
        "another device at the address is believed",
        "services/collector/collector.py",
        "        if found == identity.values:\n",
        "        if found != ():\n",
        "tests/services/collector/test_collector.py::test_another_device_at_the_address_gives_no_values",
    ),
    Mutant(
        "an ack of what was never sent acks what comes",
        "services/guard/outbox.py",
        "self.acked_n = max(self.acked_n, min(n, self.last_n))",
        "self.acked_n = max(self.acked_n, n)",
        f"{T_OUTBOX}::test_what_is_neither_acked_nor_too_old_is_there",
    ),
    Mutant(
        "the Start of a process that died explains what guard found on",
        "services/site/explaining.py",
        "before is not None and before.is_of(held)",
        "before is not None and not before.is_of(held)",
        "tests/services/site/test_explaining.py::test_a_process_that_dies_before_it_heard_guard_leaves_the_word_to_the_next",
    ),
    Mutant(
        "a guard whose link broke is told the states since",
        "services/site/explaining.py",
        "return self._known if self._boot in (None, boot) else",
        "return self._known if self._boot is None else",
        "tests/services/site/test_explaining.py::test_a_guard_whose_link_broke_is_told_the_same_again",
    ),
)
