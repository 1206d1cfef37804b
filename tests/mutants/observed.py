"""Seeded bugs of what tells how the program is: probes, metrics, log lines, rules, traces."""

from tests.mutants.mutant import Mutant

PROBES = "tests/runtime/test_probes.py"
LOGGING = "tests/runtime/test_logging.py"
TRACING = "tests/runtime/test_tracing.py"
STANDING = "tests/services/uplink/test_standing.py"
PROCESSOR = "tests/services/processor/test_telling.py"
RULES = "tests/infra/test_observability.py"
TELLING = "tests/services/notifier/test_telling.py"

MUTANTS = (
    Mutant(
        "a service that stands still is called alive",
        "shared/runtime/probes.py",
        "return 503 if why else 200, JSON_TYPE",
        "return 200, JSON_TYPE",
        f"{PROBES}::test_a_service_that_gets_on_is_alive_and_one_that_stands_still_says_what",
    ),
    Mutant(
        "one check that is well makes a service ready",
        "shared/runtime/probes.py",
        "is_ready = not any(checks.values())",
        "is_ready = bool(checks)",
        f"{PROBES}::test_readiness_names_the_check_that_fails",
    ),
    Mutant(
        "a taken health port ends the service",
        "shared/runtime/probes.py",
        '        tell("probes_not_served", f"{address}: {fault}")\n        yield ""\n        return\n',
        "        raise\n",
        f"{PROBES}::test_a_taken_port_is_told_and_the_service_goes_on",
    ),
    Mutant(
        "an age at a bound counts above it",
        "shared/runtime/metrics.py",
        "self.counts[bisect_left(BOUNDS_S, age_s)]",
        "self.counts[bisect_left(BOUNDS_S, age_s + 1e-9)]",
        f"{PROBES}::test_metrics_have_the_service_its_readiness_and_its_own",
    ),
    Mutant(
        "a processor without partitions is ready",
        "services/processor/telling.py",
        "worker.generation >= 0",
        "worker.generation >= -1",
        f"{PROCESSOR}::test_it_is_ready_with_its_partitions_and_their_states",
    ),
    Mutant(
        "a place that nobody knows hides the lag",
        "shared/log/kafka/watching.py",
        "max(0, ends.get(place, offset) - max(0, offset))",
        "max(0, ends.get(place, offset) - max(0, offset)) if offset >= 0 else 0",
        f"{PROCESSOR}::test_the_lag_is_what_was_not_read_of_all_places",
    ),
    Mutant(
        "a password deep inside a value is logged",
        "shared/runtime/logging.py",
        "str(key): HIDDEN if _SECRET.search(str(key)) and one else _hidden(one, depth - 1)",
        "str(key): _hidden(one, depth - 1)",
        f"{LOGGING}::test_secrets_are_hidden_deep_inside_values_and_in_texts",
    ),
    Mutant(
        "a library's password in its words is logged",
        "shared/runtime/logging.py",
        'return _IN_TEXT.sub(rf"\\g<before>{HIDDEN}", text)[:VALUE_CHARACTERS_MAX]',
        "return text[:VALUE_CHARACTERS_MAX]",
        f"{LOGGING}::test_what_libraries_warnings_and_uncaught_faults_say_is_json_too",
    ),
    Mutant(
        "a killed uplink is shown as connected for ever",
        "shared/runtime/uplink_stand.py",
        "is_now = boot == clock.boot() and 0 <= clock.monotonic_ms() - told_ms <= OLD_MS",
        "is_now = boot == clock.boot()",
        f"{STANDING}::test_what_is_old_of_another_boot_or_broken_is_no_stand",
    ),
    Mutant(
        "the oldest input that waits does not count",
        "services/uplink/standing.py",
        "head.site_seq - oldest.site_seq + 1",
        "head.site_seq - oldest.site_seq",
        f"{STANDING}::test_what_the_fleet_does_not_have_is_counted_from_the_log",
    ),
    Mutant(
        "a relay hangs on the read-back instead of the demand",
        "services/site/traces.py",
        "input_of(demand),",
        "input_of(event),",
        f"{TRACING}::test_the_relay_hangs_on_the_frame_that_demanded_it",
    ),
    Mutant(
        "guard's own trip stands in the log before the frame that it comes of",
        "services/guard/engine.py",
        "        with self._world.teller.held():\n",
        "        if frame.device:\n",
        "tests/services/guard/test_engine.py::test_a_frame_is_kept_before_the_reports_of_what_it_led_to",
    ),
    Mutant(
        "what was lost on its way up is told as sent",
        "services/uplink/traced.py",
        "if not done.cancelled() and done.exception() is None:",
        "if not done.cancelled():",
        "tests/services/uplink/test_traced.py::test_each_traced_input_is_told_when_the_fleet_has_its_block",
    ),
    Mutant(
        "a batch's signature is bytes that other programs show as rubbish",
        "services/fleet/supervise_tell.py",
        "key.sign(SIGNED + value).hex().encode()",
        "key.sign(SIGNED + value)",
        "tests/fleet/test_supervisor.py::test_another_takes_over_and_the_processors_fold_derives_the_same",
    ),
    Mutant(
        "a notifier at the end of a quiet live lane is told as far behind",
        "services/notifier/centre/lane.py",
        "(is_looked and not standing.behind.get(self._live))",
        "(is_looked and not standing.partitions)",
        f"{TELLING}::test_the_lag_is_the_age_of_what_was_read_last_while_there_is_more",
    ),
    Mutant(
        "nobody is told how far a notifier is on the live lane",
        "services/notifier/centre/lane.py",
        "                    self._read_ms = record.at_ms\n",
        "                    self._read_ms = self._clock.wall_ms()\n",
        f"{TELLING}::test_the_lag_is_the_age_of_what_was_read_last_while_there_is_more",
    ),
    Mutant(
        "a site that no bridge hosts is in no figure",
        "services/site/hosting.py",
        "        yield Sample(metrics.SITES_NOT_HOSTED, len(self.troubles()))\n",
        "",
        "tests/services/site/test_hosting.py"
        "::test_a_fault_that_nobody_foresaw_is_told_once_and_makes_the_bridge_unready",
    ),
    Mutant(
        "a message's trace names the person",
        "services/notifier/post.py",
        '"channel": message.lane.channel,\n',
        '"channel": message.lane.key,\n',
        f"{TRACING}::test_a_message_hangs_on_the_frame_that_it_tells_of",
    ),
    Mutant(
        "two logs of a site share their traces",
        "shared/runtime/tracing.py",
        'f"trace {of.site}/{of.log_id}/{of.site_seq}"',
        'f"trace {of.site}/{of.site_seq}"',
        f"{TRACING}::test_ids_come_from_the_input_alone",
    ),
    Mutant(
        "one block that differs wakes nobody",
        "infra/prometheus/rules/alerting.yml",
        "ampward:blocks_different:increase1h > 0",
        "ampward:blocks_different:increase1h > 10",
        f"{RULES}::test_alerts_fire_when_they_should_and_not_before",
    ),
    Mutant(
        "every gateway counts the same lag once more",
        "infra/prometheus/rules/recording.yml",
        "or max by (service, topic)",
        "or sum by (service, topic)",
        f"{RULES}::test_alerts_fire_when_they_should_and_not_before",
    ),
    Mutant(
        "a process that folds writes its faults as it likes",
        "services/processor/hand.py",
        '    configure("processor")\n',
        "",
        "tests/services/processor/test_hands.py::test_a_process_that_folds_logs_as_the_worker_does",
    ),
    Mutant(
        "a flood of an hour ago is shown as one of now",
        "services/processor/figures.py",
        "            kpi if kpi.begin_ms >= begin else",
        "            kpi if kpi.begin_ms >= 0 else",
        "tests/services/processor/test_figures.py::test_the_present_window_is_what_dashboards_show",
    ),
    Mutant(
        "what is shown of _fleet hangs on nothing",
        "services/fleet/supervise_term.py",
        "        if self._setting.spans.is_on:\n",
        "        if not made.events:\n",
        "tests/fleet/test_supervisor.py::test_a_site_that_falls_silent_is_an_alarm_until_it_is_heard_again",
    ),
    Mutant(
        "a compared block is a trace of its own",
        "services/processor/compared.py",
        "spans.tell(Span(Stage.COMPARE, cause, record.at_ms,",
        "spans.tell(Span(Stage.COMPARE, cause._replace(site_seq=record.offset), record.at_ms,",
        "tests/services/processor/test_worker.py::test_what_was_compared_hangs_on_the_frame_that_caused_it",
    ),
)
