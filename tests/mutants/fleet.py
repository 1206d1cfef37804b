"""Seeded bugs of the fleet's supervision and of files that are pushed."""

from tests.mutants.mutant import Mutant

EARS = "tests/services/fleet/test_ears.py"
WATCH = "tests/services/fleet/test_watch.py"
DEMO = "tests/services/fleet/test_demo.py"
PUSHES = "tests/services/site/test_pushes.py"
SERVERS = "tests/fleet/test_supervisor.py"

MUTANTS = (
    Mutant(
        "a site is told as lost while the centre itself still starts",
        "services/fleet/supervise_watch.py",
        "now_ms - since_ms > limit_ms and now_ms >= self._grace_ends_ms",
        "now_ms - since_ms > limit_ms",
        f"{WATCH}::test_while_the_centre_starts_what_was_never_heard_is_not_told_as_lost",
    ),
    Mutant(
        "a site that never came is not lost",
        "services/fleet/supervise_watch.py",
        "return True if now_ms - since_ms > limit_ms and now_ms >= self._grace_ends_ms else None",
        "return None",
        f"{WATCH}::test_a_site_is_lost_after_its_time_and_not_before",
    ),
    Mutant(
        "a live record that is sent again keeps a site alive",
        "services/fleet/supervise_watch.py",
        "if at <= site.at if is_same_log else",
        "if at < site.at if is_same_log else",
        f"{WATCH}::test_a_record_that_is_sent_again_does_not_keep_a_site_alive",
    ),
    Mutant(
        "a backlog that is drained is a lost link",
        "services/fleet/supervise_watch.py",
        "return min(site.backlog_ms, now_ms - site.moved_ms) > self._limits.link_ms",
        "return site.backlog_ms > self._limits.link_ms",
        f"{WATCH}::test_a_link_is_lost_when_a_backlog_grows_old_and_nothing_of_it_moves",
    ),
    Mutant(
        "a service that was stopped in order is lost at once",
        "services/fleet/supervise_watch.py",
        "            service.since_ms = max(now_ms, self._began_ms)\n",
        "",
        f"{WATCH}::test_a_service_is_lost_with_its_last_replica",
    ),
    Mutant(
        "what belongs to a lost site is told beside it",
        "services/fleet/supervise_plan.py",
        "suppressed_by=(0,) if is_site and kind in _CHILDREN else ()",
        "suppressed_by=()",
        f"{WATCH}::test_what_belongs_to_a_lost_site_is_suppressed_by_it_alone",
    ),
    Mutant(
        "a supervisor that slept goes on writing",
        "services/fleet/supervise_log.py",
        "        if not held:\n",
        "        if held == -1:\n",
        f"{SERVERS}::test_another_takes_over_and_the_processors_fold_derives_the_same",
    ),
    Mutant(
        "the body of a pushed file is not signed",
        "shared/wire/pushes.py",
        "        file_hash(order.body),\n",
        "",
        "tests/wire/test_pushes.py::test_no_part_of_it_can_be_changed",
    ),
    Mutant(
        "a pushed file is put in place before it is checked",
        "services/site/pushes.py",
        "            answer = self.check(target, candidate)\n",
        "            target.write_bytes(body)\n            answer = self.check(target, candidate)\n",
        f"{PUSHES}::test_a_file_with_faults_is_refused_and_nothing_is_touched",
    ),
    Mutant(
        "an older push that is sent again is taken",
        "services/site/pushes.py",
        "        if waiting.number < last:\n",
        "        if waiting.number < 0:\n",
        f"{PUSHES}::test_an_older_push_that_comes_again_is_refused",
    ),
    Mutant(
        "a pushed file is known before its Report is in the log",
        "services/site/pushes.py",
        "        self.record([made], json.dumps(self._known).encode())\n",
        "        self.record([], json.dumps(self._known).encode())\n"
        "        self.record([made], self.stored or b'{}')\n",
        f"{PUSHES}::test_a_site_that_is_killed_before_its_report_takes_the_file_in_again",
    ),
    Mutant(
        "a check that was killed refuses the file",
        "services/site/pushes.py",
        "            if not answer:\n                return None\n",
        "",
        f"{PUSHES}::test_a_check_that_was_killed_says_nothing_of_the_file",
    ),
    Mutant(
        "a file is refused because guard is away",
        "services/site/pushes.py",
        "return None if is_taken is None else ",
        "return ",
        f"{PUSHES}::test_a_guard_that_is_away_refuses_nothing",
    ),
    Mutant(
        "a renewed key is gone by before the fleet knows it",
        "services/fleet/supervise_term.py",
        " and who.key.id in self._ears.own_keys:",
        ":",
        f"{EARS}::test_a_new_key_is_gone_by_once_the_fleet_knows_it",
    ),
    Mutant(
        "a file is signed by a key that no box knows yet",
        "services/fleet/supervise_tell.py",
        "sign_file(order, self._who.former or self._who.key)",
        "sign_file(order, self._who.key)",
        "tests/fleet/test_push.py::test_a_site_takes_a_good_file_and_refuses_a_bad_or_foreign_one",
    ),
    Mutant(
        "a renewal of the fleet's key is no box's business",
        "services/fleet/identities.py",
        "                write(self._signer(entry) / CENTRE, _lines(fleet.keys), PUBLIC)\n",
        "                pass\n",
        "tests/fleet/test_identities.py::test_the_key_of_the_fleet_itself_is_renewed",
    ),
    Mutant(
        "a message that waits for its next attempt is forgotten with the next failure",
        "services/fleet/supervise_watch.py",
        "            waiting[lane] = (since_ms, now_ms)\n",
        "            waiting[lane] = (now_ms, now_ms)\n",
        f"{WATCH}::test_a_channel_fails_when_a_message_does_not_get_out_by_it",
    ),
    Mutant(
        "a channel fails for ever by somebody who was taken out",
        "services/fleet/supervise_watch.py",
        "if now_ms - tried_ms > UNTRIED_MS]:",
        "if now_ms - tried_ms > now_ms]:",
        f"{WATCH}::test_a_channel_no_longer_fails_by_somebody_who_was_taken_out",
    ),
    Mutant(
        "a site answers what was sent to another",
        "services/fleet/supervise_read.py",
        "if known is not None and known.order.site == site:",
        "if known is not None:",
        f"{EARS}::test_a_site_answers_for_itself_alone",
    ),
    Mutant(
        "a site says what became of another's file",
        "services/fleet/supervise_read.py",
        "if told is not None and told.site == batch.site:",
        "if told is not None:",
        f"{EARS}::test_a_site_says_of_its_own_files_alone_what_became_of_them",
    ),
    Mutant(
        "a second renewal ends the supervision that has something unsent",
        "services/fleet/supervise_term.py",
        "self._ears.own_keys.get(key_id) or self._setting",
        "self._setting",
        f"{EARS}::test_what_an_earlier_term_signed_is_sent_after_any_number_of_renewals",
    ),
    Mutant(
        "a fault in hosting a site is forgotten when it is tried again",
        "services/site/hosting.py",
        "        well = asyncio",
        '        self._say(where.site, "")\n        well = asyncio',
        "tests/services/site/test_hosting.py"
        "::test_a_fault_that_nobody_foresaw_is_told_once_and_makes_the_bridge_unready",
    ),
    Mutant(
        "a folder that cannot be looked at ends the bridge",
        "services/site/hosting.py",
        "            except OSError as fault:\n                self._say(each.site",
        "            except ZeroDivisionError as fault:\n                self._say(each.site",
        "tests/services/site/test_hosting.py::test_a_folder_that_cannot_be_looked_at_costs_no_other_site",
    ),
    Mutant(
        "the bridge may publish what sites say",
        "services/fleet/permissions.py",
        '"write ampward/v1/+/status"),',
        '"write ampward/v1/#"),',
        "tests/fleet/test_security.py::test_site_a_cannot_speak_as_site_b_in_mqtt",
    ),
    Mutant(
        "who takes over tells old refusals again",
        "services/fleet/supervise_watch.py",
        "delivery.outcome is Outcome.FAILED and is_refused and is_new:",
        "delivery.outcome is Outcome.FAILED and is_refused:",
        f"{WATCH}::test_a_refused_message_is_told_once_and_never_as_an_alarm_about_an_alarm_of_ours",
    ),
    Mutant(
        "a refused message is nobody's business",
        "services/fleet/supervise_term.py",
        "        for one in self._watch.undelivered():\n",
        "        for one in ():\n",
        f"{EARS}::test_a_message_that_was_refused_for_good_goes_into_the_log",
    ),
    Mutant(
        "all demo sites go by the shipped file, and what is pushed to one is everybody's",
        "services/fleet/demo.py",
        "site_file = place_site(data / SITE, demo.site_file)",
        "site_file = demo.site_file",
        f"{DEMO}::test_each_site_goes_by_a_copy_of_its_own",
    ),
    Mutant(
        "a start puts the shipped files over what was pushed",
        "services/fleet/demo.py",
        "    if not placed.exists():\n",
        "    if placed.name:\n",
        f"{DEMO}::test_another_start_leaves_what_was_pushed",
    ),
    Mutant(
        "drift is no reason for another exit code",
        "services/site/command/pushing.py",
        "return Exit.NO if any(one.is_drift for one in found) else Exit.DONE",
        "return Exit.DONE",
        "tests/fleet/test_push_waves.py::test_a_wave_is_held_back_until_the_one_before_has_accepted",
    ),
)
