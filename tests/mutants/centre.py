"""Seeded bugs of the fleet's gateway: what replicas tell, to whom, and what they send down."""

from tests.mutants.mutant import Mutant

ORDERS = "tests/services/gateway/test_centre_orders.py"
PICTURE = "tests/services/gateway/test_centre_picture.py"
TAIL = "tests/services/gateway/test_centre_tail.py"
PAST = "tests/services/gateway/test_past_sites.py"
STOCK = "tests/services/gateway/test_centre_stock.py"
BATCH = "tests/services/gateway/test_centre_batch.py"

MUTANTS = (
    Mutant(
        "a token of one site is told the past of all",
        "services/gateway/past_api.py",
        "return self._pasts.of(frozenset(caller.sites) or None)",
        "return self._pasts.of(None)",
        f"{PAST}::test_a_list_is_of_the_tokens_sites",
    ),
    Mutant(
        "a token of one site is told the trends of all",
        "services/gateway/past_api.py",
        "        must_see(caller_of(request.scope), site_of(point))\n",
        "",
        f"{PAST}::test_a_trend_of_another_site_is_not_told",
    ),
    Mutant(
        "a lease's number goes by the replica's clock alone",
        "services/gateway/centre/orders.py",
        "max(now_ms, self._leases.get(command.subject, 0) + 1)",
        "now_ms",
        f"{ORDERS}::test_a_lease_is_above_those_that_other_replicas_gave",
    ),
    Mutant(
        "an output is held on for any time",
        "services/gateway/centre/orders.py",
        "not 0 < command.for_ms <= LEASE_MS_MAX:",
        "command.for_ms < 0:",
        f"{ORDERS}::test_an_output_is_held_on_for_a_stated_time_that_is_not_too_long",
    ),
    Mutant(
        "a command that nobody took waits for ever",
        "services/gateway/centre/orders.py",
        "            elif known.answer.state is CommandState.PENDING and known.is_sure"
        " and now_ms <= known.until_ms + SHOWN_MS:\n"
        '                found[act] = "undelivered"\n',
        '            elif known.answer.state is CommandState.PENDING:\n                found[act] = "pending"\n',
        f"{ORDERS}::test_what_nobody_took_is_undelivered_for_a_while",
    ),
    Mutant(
        "what the live lane told is told again by the blocks",
        "services/gateway/centre/tail.py",
        "is_told = 0 <= at_block < here.blocks[p] or here.low[p] <= at_live < here.live[p]",
        "is_told = 0 <= at_block < here.blocks[p]",
        f"{TAIL}::test_every_place_of_one_replica_is_one_of_all_others",
    ),
    Mutant(
        "an alarm of now waits for the backlog of another site",
        "services/gateway/centre/tail.py",
        "if self.number - stand.number > limit else ()",
        "if stand.number < 0 else ()",
        f"{TAIL}::test_what_is_shown_now_does_not_wait_for_a_backlog",
    ),
    Mutant(
        "what the blocks had first and the live lane again is lost to who is ahead in that lane",
        "services/gateway/centre/tail.py",
        "                self._show(entry, known)\n",
        "",
        f"{TAIL}::test_what_the_blocks_had_first_is_told_once",
    ),
    Mutant(
        "a silent site's values are shown as good",
        "services/gateway/centre/picture.py",
        "        return self._wall_ms() - site.heard_at_ms > SILENT_MS\n",
        "        return False\n",
        f"{PICTURE}::test_a_site_that_is_silent_has_no_good_value",
    ),
    Mutant(
        "a site's clock is shown as right",
        "services/gateway/centre/picture.py",
        "        site.offset_ms = at_ms - live.sent_at_ms\n",
        "",
        f"{PICTURE}::test_how_a_site_stands_is_what_it_and_the_centre_said_last",
    ),
    Mutant(
        "a calm block takes the decision version off the list of sites",
        "services/gateway/centre/picture.py",
        "site.decision = decision or site.decision",
        "site.decision = decision",
        f"{PICTURE}::test_how_a_site_stands_is_what_it_and_the_centre_said_last",
    ),
    Mutant(
        "what is due is counted from when a backlog came",
        "services/gateway/centre/stock.py",
        "at_ms = state.at_ms or written_at_ms",
        "at_ms = written_at_ms",
        f"{STOCK}::test_what_a_backlog_says_is_as_of_its_newest_record",
    ),
    Mutant(
        "a site tells of another's rooms",
        "shared/wire/events.py",
        "if event.site != site), None)",
        "if not event.site), None)",
        f"{BATCH}::test_an_event_of_another_site_is_refused_and_told",
    ),
    Mutant(
        "what one site showed is shown as another's",
        "services/gateway/centre/batch.py",
        "        if live.site.encode() != record.key:\n",
        "        if not record.key:\n",
        f"{BATCH}::test_a_record_under_another_sites_key_is_refused",
    ),
)
