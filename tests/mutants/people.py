"""Seeded bugs of who is told what and when."""

from tests.mutants.mutant import Mutant

PIPELINE = "services/notifier/pipeline.py"
TEST = "tests/services/notifier/test_pipeline.py"
LEASE = "services/notifier/lease.py"
T_LEASE = "tests/services/notifier/test_lease.py"

MUTANTS = (
    Mutant(
        "a reload leaves untold what no route led from before",
        "services/notifier/service.py",
        "        self._wanted.clear()\n",
        "",
        "tests/services/notifier/test_service.py::test_a_reload_that_brings_a_route_for_an_open_alarm_has_it_told",
    ),
    Mutant(
        "a latched alarm ends its reminders",
        PIPELINE,
        '_UNACKED = "BDE"',
        '_UNACKED = "BD"',
        f"{TEST}::test_a_latched_alarm_is_told_again_after_it_has_returned",
    ),
    Mutant(
        "a gap between two shifts tells nobody",
        "services/notifier/routing.py",
        "return now or (matching if severity_of(event) is Severity.CRITICAL else ())",
        "return now",
        f"{TEST}::test_a_critical_alarm_between_two_shifts_goes_to_all_of_them",
    ),
    Mutant(
        "an undurable alarm is told again from the log",
        PIPELINE,
        " or event.id in picture.misc.undurable",
        "",
        f"{TEST}::test_an_undurable_event_is_told_once",
    ),
    Mutant(
        "a skipped hour begins an hour late",
        "services/notifier/moments.py",
        "if first.astimezone(zone).replace(tzinfo=None) != naive:",
        "if not naive:",
        "tests/services/notifier/test_moments.py::test_an_hour_that_is_skipped_begins_at_the_change",
    ),
    Mutant(
        "a flood of gas alarms is grouped away",
        "services/notifier/stages.py",
        'return item.event.rule.startswith("h2_")',
        'return item.event.rule.startswith("gas_")',
        f"{TEST}::test_a_flood_is_grouped_and_keeps_the_set",
    ),
    Mutant(
        "quiet hours silence a critical alarm",
        "services/notifier/stages.py",
        "if is_critical or person is None or not person.quiet:",
        "if person is None or not person.quiet:",
        f"{TEST}::test_quiet_hours_hold_back_and_end_with_one_message",
    ),
    Mutant(
        "a reminder is piled upon one that is on its way",
        PIPELINE,
        " and told.first and not told.pending:",
        " and told.first:",
        f"{TEST}::test_no_reminder_while_the_first_message_is_on_its_way",
    ),
    Mutant(
        "guard's plan knows the people",
        "shared/wire/plans.py",
        "_encoder.encode(replace(plan, notify=NotifyPlan(), uplink=UplinkPlan()))",
        "_encoder.encode(replace(plan, uplink=UplinkPlan()))",
        "tests/wire/test_plans.py::test_guards_plan_does_not_change_with_people",
    ),
    Mutant(
        "what waited is told by who holds the lease at the end of its minute",
        LEASE,
        "owner = leased if item.held is None else item.held.leased",
        "owner = leased",
        f"{T_LEASE}::test_what_waits_for_its_minute_is_told_by_whose_it_was_when_it_came",
    ),
    Mutant(
        "the site leaves to a dead centre what waited when the lease ended",
        "services/notifier/loans.py",
        "if message.id in turn.theirs\n        ]\n        self._lent",
        "if message.id in turn.theirs and turn.leased\n        ]\n        self._lent",
        f"{T_LEASE}::test_what_waited_while_the_lease_ended_is_told_by_both_of_them_marked",
    ),
    Mutant(
        "what is new shares the mark of what the other may have told",
        "services/notifier/pipeline.py",
        "is_told_by(turn.sender, turn.leased, item) is is_ours",
        "is_ours",
        f"{T_LEASE}::test_what_waited_while_the_lease_ended_is_told_by_both_of_them_marked",
    ),
    Mutant(
        "what the other may have told over a hand-over has no mark",
        LEASE,
        "one.leased != SITE and one.term != term",
        "one.leased != SITE and one.term > term",
        f"{T_LEASE}::test_what_waited_while_the_lease_ended_is_told_by_both_of_them_marked",
    ),
)
