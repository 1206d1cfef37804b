"""Mints site_seq and tick_ms at append.

site_seq is dense over the site's life. tick_ms never falls: within a boot of the machine it follows the monotonic
clock; over a boot it grows by the gap of the wall clock when that is synchronised and sane (0 to 30 days, so that ten
years of a dead clock battery are not believed), else by nothing, and the log says so with a clock_step Report.

Also watches the wall clock against the monotonic one: a step of over 2 s is told once, and decides nothing.
"""

from typing import NamedTuple

GAP_SANE_MS = 30 * 86_400_000
"""No battery room's box is off for longer without somebody who starts it again by hand."""
STEP_MS = 2_000
"""NTP slews what is smaller; twice the pace of a Tick."""


class Moment(NamedTuple):
    """What the clocks say, as values."""

    mono_ms: int
    wall_ms: int
    synced: bool
    boot: str
    """Of the machine; "" when not known: then no two processes share a monotonic clock."""


class Anchor(NamedTuple):
    """Where the log's time stood: kept with each group, so that the next start can go on from it."""

    tick_ms: int
    at_ms: int
    mono_ms: int
    boot: str


class Minted(NamedTuple):
    site_seq: int
    tick_ms: int
    at_ms: int


class Sequencer:
    """Gives each input its place. One owner, the writer."""

    def __init__(self, site_seq: int, tick_ms: int, now: Moment, clock_fault: str = "") -> None:
        self.site_seq = site_seq
        """The last one given."""
        self.tick_ms = tick_ms
        """The last one given."""
        self.clock_fault = clock_fault
        """Why the gap at the start counted as nothing; "" when it was known."""
        self._tick_base = tick_ms
        self._mono_base = now.mono_ms
        self._wall_offset = now.wall_ms - now.mono_ms

    @staticmethod
    def resume(site_seq: int, anchor: Anchor, now: Moment) -> "Sequencer":
        """Goes on after the last input of the log, whose time stood at ``anchor``."""
        gap, fault = _gap(anchor, now)
        return Sequencer(site_seq, anchor.tick_ms + gap, now, fault)

    def mint(self, now: Moment) -> Minted:
        self.site_seq += 1
        self.tick_ms = max(self.tick_ms, self._tick_base + now.mono_ms - self._mono_base)
        return Minted(self.site_seq, self.tick_ms, now.wall_ms)

    def time(self, now: Moment) -> int:
        """The tick_ms that an input would get now."""
        return max(self.tick_ms, self._tick_base + now.mono_ms - self._mono_base)

    def wall_step(self, now: Moment) -> int:
        """Milliseconds by which the wall clock has stepped since this was last asked; 0 when it has not."""
        offset = now.wall_ms - now.mono_ms
        step = offset - self._wall_offset
        if abs(step) <= STEP_MS:
            return 0
        self._wall_offset = offset
        return step


def _gap(anchor: Anchor, now: Moment) -> tuple[int, str]:
    if anchor.boot and anchor.boot == now.boot and now.mono_ms >= anchor.mono_ms:
        return now.mono_ms - anchor.mono_ms, ""
    if anchor.at_ms == 0:
        return 0, ""
    gap = now.wall_ms - anchor.at_ms
    if not now.synced:
        return 0, "the wall clock is not synchronised: the time since the last record counts as nothing"
    if not 0 <= gap <= GAP_SANE_MS:
        return 0, f"the wall clock is {gap} ms from the last record: that counts as nothing"
    return gap, ""
