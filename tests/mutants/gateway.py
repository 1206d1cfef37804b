"""Seeded bugs of who is let in, what he may do, and what he is told."""

from tests.mutants.mutant import Mutant

ROLES = "tests/services/gateway/test_roles.py"
LIMITS = "tests/services/gateway/test_limits.py"
OLDER = "tests/services/gateway/test_centre_older.py"
TAIL = "services/site/tail.py"
T_TAIL = "tests/services/site/test_tail.py"

MUTANTS = (
    Mutant(
        "who wants little passes over what is on no disk yet",
        TAIL,
        "if part.extra or part.has(wanted):",
        "if part.has(wanted):",
        f"{T_TAIL}::test_commits_in_which_nothing_is_wanted_are_passed_over_whole",
    ),
    Mutant(
        "a reading that came to the end of the log is gone on with",
        TAIL,
        "if len(found) == limit:",
        "if found:",
        f"{T_TAIL}::test_a_reader_that_came_to_the_end_of_the_log_sees_what_the_log_has_got_since",
    ),
    Mutant(
        "the newest commit goes from memory before anybody has read it",
        TAIL,
        "dropped < len(self._parts) - 1 and",
        "dropped < len(self._parts) and",
        f"{T_TAIL}::test_who_had_read_everything_finds_the_next_commit_in_memory_however_large_it_is",
    ),
    Mutant(
        "a token that ends is told although its name has one that never does",
        "services/gateway/keys.py",
        "for name, each in sorted(ends.items()) if all(each))",
        "for name, each in sorted(ends.items()) if any(each))",
        f"{ROLES}::test_the_supervision_hears_when_a_name_has_no_token_any_more",
    ),
    Mutant(
        "any token opens the door",
        "services/gateway/keys.py",
        "if compare_digest(given, self._machine):",
        "if compare_digest(given, given):",
        "tests/services/gateway/test_door.py::test_a_wrong_token_is_refused",
    ),
    Mutant(
        "a viewer acknowledges",
        "services/gateway/api.py",
        "    if what.value in may:\n        return\n",
        "    if what.value in may or what is What.ACK:\n        return\n",
        f"{ROLES}::test_each_role_does_what_the_table_says",
    ),
    Mutant(
        "a token may say for whom it acts",
        "services/gateway/api.py",
        "read_actor(ampward_actor) if caller.is_machine else caller.name",
        "read_actor(ampward_actor)",
        f"{ROLES}::test_each_role_does_what_the_table_says",
    ),
    Mutant(
        "an expired token still opens the door",
        "services/gateway/keys.py",
        "if token is None or not token.is_good(self._now_ms()):",
        "if token is None:",
        f"{ROLES}::test_an_expired_token_opens_nothing",
    ),
    Mutant(
        "a revoked token's stream goes on",
        "services/gateway/stream.py",
        " or not self._may_go_on():",
        ":",
        f"{ROLES}::test_a_revoked_token_ends_its_streams",
    ),
    Mutant(
        "a head may take for ever",
        "services/gateway/connection.py",
        "        self._owed = self.loop.call_later(HEAD_WAIT_S, self._overdue)\n",
        "        self._owed = None\n",
        f"{LIMITS}::test_a_head_that_does_not_end_is_408",
    ),
    Mutant(
        "the last event of a page is told twice",
        "services/gateway/stream.py",
        "cursor = found.items[-1].cursor",
        "cursor = found.items[-1 if len(found.items) < 2 else -2].cursor",
        "tests/services/gateway/test_events.py::test_everything_kept_comes_in_order",
    ),
    Mutant(
        "a change of tokens is told again at every start",
        "services/site/token_watch.py",
        "self._told: Told = json.loads(stored) if stored else {}",
        "self._told: Told = {}",
        "tests/services/site/test_token_watch.py::test_a_restart_tells_only_what_changed_meanwhile",
    ),
    Mutant(
        "who goes while a broker is asked leaves a connection open",
        "services/gateway/centre/older.py",
        "        except BaseException:  # Who asked has gone: connecting, which goes on without him, is nobody's.\n"
        "            await reader.close()\n",
        "        except BaseException:\n",
        f"{OLDER}::test_who_goes_while_a_broker_is_asked_leaves_no_connection",
    ),
    Mutant(
        "of two readings at one place the former is left open",
        "services/gateway/centre/older.py",
        "[self._kept.pop(stand)] if stand in self._kept else []",
        "list[_Reading]()",
        f"{OLDER}::test_of_two_that_come_to_the_same_place_one_connection_is_kept",
    ),
)
