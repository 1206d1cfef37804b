"""Seeded bugs of alarms that are told ahead of the blocks, by a site's live lane."""

from tests.mutants.mutant import Mutant

EARLY = "services/notifier/centre/early.py"
PIPELINE = "services/notifier/pipeline.py"
T_EARLY = "tests/services/notifier/test_early.py"
T_AHEAD = "tests/services/notifier/test_ahead.py"
T_LIVE = "tests/services/uplink/test_live.py"

MUTANTS = (
    Mutant(
        "what the live lane had told is told again by the blocks",
        "services/notifier/picture.py",
        "return (event.site_seq, event.ordinal) <= (self.site_seq, self.ordinal)",
        "return False",
        f"{T_AHEAD}::test_an_old_ack_does_not_silence_what_has_risen_since",
    ),
    Mutant(
        "an alarm of now waits for the summary of what was",
        PIPELINE,
        "if not turn.picture.held[key][number].late]",
        "]",
        f"{T_AHEAD}::test_an_alarm_of_now_does_not_wait_for_the_summary_of_what_was",
    ),
    Mutant(
        "a lease of before a hole in the live lane holds on",
        EARLY,
        "                stand.changes.append((stand.to_seq + 1, None))\n",
        "",
        f"{T_EARLY}::test_behind_a_hole_nobody_knows_who_sends",
    ),
    Mutant(
        "a stand that notes no holes is taken for one without any",
        EARLY,
        "return 0 < self.stand.whole_from <= seen.last_seq + 1",
        "return self.stand.whole_from <= seen.last_seq + 1",
        f"{T_EARLY}::test_what_an_older_or_newer_replica_has_stored_is_gone_on_with",
    ),
    Mutant(
        "a live record that is sent again is told again",
        EARLY,
        "        if not _is_newer(live, *self._newest):\n            return\n",
        "",
        f"{T_EARLY}::test_a_record_that_is_sent_again_is_nothing",
    ),
    Mutant(
        "what the fleet did not take of the live lane is never sent again",
        "services/uplink/live.py",
        "        if not events:\n            self._read = last\n",
        "        self._read = last\n",
        f"{T_LIVE}::test_events_that_were_not_taken_are_sent_again",
    ),
)
