"""The clocks, as a value that enters at the edge: nothing below shared.runtime reads the time by itself.

Promises: ``monotonic_ms`` never falls within a boot of the machine and counts on while the machine sleeps; ``boot``
names that boot, so that two processes can tell whether their monotonic times may be compared. ``wall_ms`` is UTC since
1970 and may do anything. ``synced`` says whether the kernel believes its wall clock. What each clock may be used for is
DESIGN.md section 6.
"""

import ctypes
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5
"""adjtimex(2) answers so while the clock is not synchronised."""
_ASK_MS = 1_000
"""The kernel is asked once a second: it takes 40 us, and each input asks."""
_TIMEX_BYTES = 512
"""struct timex is 208 bytes on 64-bit Linux; the rest is room to spare."""


class Clock(Protocol):
    def monotonic_ms(self) -> int:
        """Milliseconds since some moment of this boot; never falls."""
        ...

    def wall_ms(self) -> int:
        """Milliseconds since 1970, UTC: for stamps."""
        ...

    def synced(self) -> bool:
        """Whether the wall clock is synchronised."""
        ...

    def boot(self) -> str:
        """Names the boot of the machine within which ``monotonic_ms`` may be compared; "" when not known."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
        self._is_synced = False
        self._asked_at_ms = -_ASK_MS

    def monotonic_ms(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def synced(self) -> bool:
        now_ms = self.monotonic_ms()
        if now_ms - self._asked_at_ms >= _ASK_MS:
            self._asked_at_ms = now_ms
            self._is_synced = 0 <= int(self._libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))) < _TIME_ERROR
        return self._is_synced

    def boot(self) -> str:
        return self._boot


@dataclass(slots=True)
class ManualClock:
    """A clock that only moves when told to: for tests, the simulator and replay."""

    mono: int = 0
    wall: int = 1_767_225_600_000
    """2026-01-01T00:00:00Z"""
    is_synced: bool = True
    boot_id: str = "boot-1"

    def monotonic_ms(self) -> int:
        return self.mono

    def wall_ms(self) -> int:
        return self.wall

    def synced(self) -> bool:
        return self.is_synced

    def boot(self) -> str:
        return self.boot_id

    def advance(self, ms: int) -> None:
        """Time passes, for both clocks alike."""
        assert ms >= 0, "time does not run backwards; set wall to step the wall clock"
        self.mono += ms
        self.wall += ms

    def reboot(self, gap_ms: int, boot_id: str) -> None:
        """The machine was off for ``gap_ms``: the monotonic clock begins again at 0."""
        self.mono = 0
        self.wall += gap_ms
        self.boot_id = boot_id
