"""When a log's time begins that is opened after guard had begun to poll."""

import os
import threading
from pathlib import Path

import pytest

from services.site.first_join import KEPT_MS, log_begins
from shared.log.store import DATABASE
from shared.runtime import places
from shared.runtime.clocks import ManualClock
from shared.wire.guardlink import Hello, encode

GUARD_AT_MS = 1_800_000_000_000
NOW_MS = 90_000


@pytest.fixture
def clock() -> ManualClock:
    """Five seconds after guard's start."""
    return ManualClock(mono=NOW_MS, wall=GUARD_AT_MS + 5_000)


def begins(data: Path, clock: ManualClock, first_words: bytes) -> int:
    """What is answered while a guard with these first words listens."""
    with places.listen_guard(data) as listening:

        def greet() -> None:
            line, _ = listening.accept()
            with line:
                line.sendall(first_words)

        guard = threading.Thread(target=greet)
        guard.start()
        try:
            return log_begins(data, clock)
        finally:
            guard.join()


def hello(started_at_ms: int = GUARD_AT_MS) -> bytes:
    """guard's first words."""
    return encode(Hello("boot-1", 1, "plan", 0, started_at_ms=started_at_ms))


def test_a_new_log_begins_with_the_guard_that_was_there_before_it(tmp_path: Path, clock: ManualClock) -> None:
    """guard has polled for five seconds."""
    assert begins(tmp_path, clock, hello()) == NOW_MS - 5_000


def test_a_log_that_ended_before_guard_began_goes_on_with_it(tmp_path: Path, clock: ManualClock) -> None:
    """A start after a clean stop: nothing in the log is younger than guard."""
    log = tmp_path / DATABASE
    log.touch()
    os.utime(log, ns=((GUARD_AT_MS - 1) * 1_000_000,) * 2)
    assert begins(tmp_path, clock, hello()) == NOW_MS - 5_000


def test_a_log_with_records_of_this_guards_time_is_never_turned_back(tmp_path: Path, clock: ManualClock) -> None:
    """A site process that was started again: its log may have been written at any moment of guard's life."""
    log = tmp_path / DATABASE
    log.touch()
    os.utime(log, ns=((GUARD_AT_MS + 1) * 1_000_000,) * 2)
    assert begins(tmp_path, clock, hello()) == NOW_MS


def test_a_guard_older_than_what_it_keeps_gives_no_time(tmp_path: Path, clock: ManualClock) -> None:
    """Its first frames are gone; nor is one believed that begins in the future, or does not say when."""
    for started_at_ms in (clock.wall - KEPT_MS - 1, clock.wall + 1, 0):
        assert begins(tmp_path, clock, hello(started_at_ms)) == NOW_MS


def test_nobody_is_waited_for_who_does_not_say_hello(tmp_path: Path, clock: ManualClock) -> None:
    """No guard, one that hangs up, one that says something else: the log begins now."""
    assert log_begins(tmp_path, clock) == NOW_MS
    for words in (b"", b"\x00\x00\x00\x02{}", b"\xff" * 8):
        assert begins(tmp_path, clock, words) == NOW_MS
