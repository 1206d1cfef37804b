"""The notify lease between two processes of a site: a file in memory with an end of its own."""

from pathlib import Path

from shared.runtime.clocks import ManualClock
from shared.runtime.notify_lease import held, take
from shared.runtime.places import NOTIFY_LEASE, leave_memory, memory_folder


def test_a_lease_is_held_until_its_time_is_over(tmp_path: Path) -> None:
    """Renewed it goes on; not renewed it ends by itself, and so it does with the machine's boot."""
    clock = ManualClock(mono=1_000)
    assert held(tmp_path, clock) is None
    assert take(tmp_path, clock, "notifier", 1, 1, 5_000)
    clock.advance(4_000)
    assert take(tmp_path, clock, "notifier", 1, 2, 5_000)
    clock.advance(4_999)
    now = held(tmp_path, clock)
    assert now is not None and (now.holder, now.epoch) == ("notifier", 1)
    clock.advance(1)
    assert held(tmp_path, clock) is None
    assert take(tmp_path, clock, "notifier", 2, 1, 5_000)
    clock.reboot(0, "boot-2")
    assert held(tmp_path, clock) is None
    leave_memory(tmp_path, [NOTIFY_LEASE])


def test_an_old_holder_gets_no_lease(tmp_path: Path) -> None:
    """Epoch and number must be above the last seen: a replica that slept cannot take the site back."""
    clock = ManualClock(mono=1_000)
    assert take(tmp_path, clock, "notifier", 2, 7, 5_000)
    for epoch, number in ((1, 99), (2, 7), (2, 6)):
        assert not take(tmp_path, clock, "notifier", epoch, number, 5_000)
    leave_memory(tmp_path, [NOTIFY_LEASE])


def test_a_file_that_is_none_is_no_lease(tmp_path: Path) -> None:
    """Then the site tells people itself."""
    clock = ManualClock(mono=1_000)
    assert take(tmp_path, clock, "notifier", 1, 1, 5_000)
    for damage in (b"", b"{}", b"[1]", b"\xff", b'{"holder": 1}'):
        (memory_folder(tmp_path) / NOTIFY_LEASE).write_bytes(damage)
        assert held(tmp_path, clock) is None
    assert take(tmp_path, clock, "notifier", 1, 1, 5_000)
    leave_memory(tmp_path, [NOTIFY_LEASE])
