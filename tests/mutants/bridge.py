"""Seeded bugs of the bridge: what devices of hosted sites hand in."""

from tests.mutants.mutant import Mutant

SESSION = "tests/fleet/test_bridge_session.py"
LEASE = "tests/fleet/test_bridge_lease.py"

MUTANTS = (
    Mutant(
        "a frame that comes again is acknowledged before the first of it is safe",
        "services/bridge/session.py",
        "        while self._waiting and self._waiting[0].n <= self._safe:\n",
        "        while self._waiting:\n",
        f"{SESSION}::test_a_repeat_is_not_acknowledged_before_the_frame_is_safe",
    ),
    Mutant(
        "a frame that comes again is taken again",
        "services/bridge/seen.py",
        "        if key in ids:\n            return False\n",
        "",
        "tests/services/bridge/test_seen.py::test_a_frame_is_new_once",
    ),
    Mutant(
        "a frame that waited at the broker counts as new",
        "services/bridge/session.py",
        "                self._take(link, message, pulses.waited_ms())\n",
        "                self._take(link, message, 0)\n",
        f"{SESSION}::test_what_waited_at_the_broker_for_nobody_knows_how_long_is_late",
    ),
    Mutant(
        "what comes behind a pulse is as old as its return",
        "services/bridge/pulse.py",
        "        self._since = self._away[payload]\n",
        "        self._since = self._monotonic_ms()\n",
        "tests/services/bridge/test_pulse.py::test_what_comes_is_not_older_than_the_pulse_before_it",
    ),
    Mutant(
        "a frame that waited is made young by a pause of the log",
        "services/site/hosted_link.py",
        "            made = -1 if body.age_ms >= UNKNOWN_MS else max(-1, now - body.age_ms)\n",
        "            made = now\n",
        "tests/services/site/test_hosted_link.py",
    ),
    Mutant(
        "a message is acknowledged before it is on disk",
        "services/bridge/session.py",
        "        if is_new:\n            self._owner.take(body, self._n)\n",
        "        if is_new:\n            self._acknowledge(self._n)\n            self._owner.take(body, self._n)\n",
        f"{SESSION}::test_what_was_not_safe_comes_again_and_is_handed_on_once",
    ),
    Mutant(
        "a bridge begins a second log of a site",
        "services/bridge/lease.py",
        "WHERE held.home = excluded.home AND (held.holder",
        "WHERE (held.holder",
        f"{LEASE}::test_a_site_is_given_to_nobody_without_its_log",
    ),
    Mutant(
        "a bridge that slept holds on what another has",
        "services/bridge/lease.py",
        "WHERE bridge.site.site = own.site AND bridge.site.fence = own.fence AND holder = $1 RETURNING",
        "WHERE bridge.site.site = own.site RETURNING",
        f"{LEASE}::test_who_slept_learns_that_the_site_is_anothers",
    ),
    Mutant(
        "a device hands in for another site",
        "shared/wire/handed_in.py",
        'if said.device != device or said.site not in ("", site):',
        "if said.device != device:",
        "tests/wire/test_handed_in.py::test_what_is_no_frame_is_refused_and_named",
    ),
    Mutant(
        "an output of a hosted site is taken, and nothing switches it",
        "shared/runtime/site_file/site_checks.py",
        "            if device.bus in buses and buses[device.bus].mqtt:\n",
        "            if False:\n",
        "tests/runtime/site_file/test_bad_files.py::"
        "test_a_bad_file_is_refused_with_its_fault_at_its_place[hosted-with-an-output]",
    ),
)
