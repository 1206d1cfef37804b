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
        "tests/runtime/site_file/test_bad_files.py",
    ),
)
