"""One coil: what was read, what was written, and what to write next. Pure; the card does the I/O.

    unknown --read--> agreed                      the first read after start or a loss of contact blames nobody
    agreed --wanted changes--> writing --read as written--> agreed
    writing --not as written for MISMATCH_MS--> mismatch      written again every MISMATCH_RETRY_MS
    agreed --ON without our write--> foreign ON   left alone until it is demanded (then it is ours) or falls
    agreed --OFF against a demand--> foreign OFF  written again, REWRITES times within REWRITE_WINDOW_MS
    foreign OFF --once more--> contested          written once every CONTEST_RETRY_MS while demanded
    off --demand ends--> agreed                   the next demand is written at once: no pause outlives its demand

Promises: no write before the first read (unless the module can only be written); nothing but a demand that ended turns
a coil off; a wired override contact that is closed stops the re-writes and nothing else. A read that began before the
last write ended is not looked at. Limits: at most four re-writes in ten seconds, then one a minute, so a relay is never
worn out by an argument.
"""

from dataclasses import dataclass, replace

REWRITES = 3
REWRITE_WINDOW_MS = 10_000
REWRITE_GAP_MS = 2_000
CONTEST_RETRY_MS = 60_000
CONTEST_CLEAR_MS = 70_000
"""A contest is over when the coil stayed as demanded for longer than the pause between two re-writes."""
MISMATCH_MS = 1_000
MISMATCH_RETRY_MS = 5_000
FAILURE_RETRY_MS = 500
NEVER_MS = -(1 << 60)


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of one coil. Begin with ``Watch()``."""

    coil: bool | None = None
    """Last read; None before the first and after a loss of contact."""
    commanded: bool | None = None
    """What it should be by our last write (or by the first read); None when no write may be assumed to hold."""
    confirmed: bool = False
    """``commanded`` was seen in a read since it was written."""
    blind: bool = False
    """The module answers, but cannot be read: writes are all there is."""
    written_ms: int = NEVER_MS
    """End of the last attempt to write."""
    retry_ms: int = NEVER_MS
    """The same value is not written again before this."""
    contact_ms: int = NEVER_MS
    differs_ms: int = NEVER_MS
    """Since when what was written and what is read disagree."""
    rewritten_ms: tuple[int, ...] = ()
    """Re-writes against a foreign OFF within the window."""
    agreed_ms: int = NEVER_MS
    """Since when the coil is as demanded, without a break."""
    foreign_on: bool = False
    foreign_off: bool = False
    mismatch: bool = False
    contested: bool = False
    failure: str = ""
    """Why the last write failed, or empty."""

    @property
    def is_foreign(self) -> bool:
        return self.foreign_on or self.foreign_off


def lost(watch: Watch) -> Watch:
    """Contact was lost: what the module did meanwhile (its watchdog, a power cut) is nobody's foreign write."""
    return replace(watch, coil=None, commanded=None, confirmed=False, foreign_off=False, differs_ms=NEVER_MS)


def unreadable(watch: Watch) -> Watch:
    """The module answered a read with an exception: from now on it is written without being read."""
    return replace(watch, blind=True)


def seen(watch: Watch, on: bool, *, wanted: bool, sampled_ms: int, silence_ms: int) -> Watch:
    """Take one read of the coil that began at ``sampled_ms``.

    ``silence_ms``: after so long without contact the module may have fallen back by itself (its watchdog).
    """
    if sampled_ms < watch.written_ms:
        return watch
    if watch.contact_ms != NEVER_MS and sampled_ms - watch.contact_ms >= silence_ms:
        watch = lost(watch)
    watch = replace(watch, contact_ms=sampled_ms, blind=False)
    if watch.commanded is None:
        return _agree(replace(watch, commanded=on, foreign_on=watch.foreign_on and on), on, wanted, sampled_ms)
    if on == watch.commanded:
        return _agree(watch, on, wanted, sampled_ms)
    return _disagree(watch, on, wanted, sampled_ms)


def next_write(watch: Watch, wanted: bool, *, override_closed: bool, now_ms: int) -> bool | None:
    """The value to write now, or None."""
    if watch.coil is None:
        due = watch.blind and (watch.commanded != wanted or bool(watch.failure)) and now_ms >= watch.retry_ms
        return wanted if due else None
    if watch.coil == wanted:
        return None
    if not wanted and watch.foreign_on:
        return None
    if watch.commanded == wanted:
        if wanted and watch.foreign_off and override_closed:
            return None
        return wanted if now_ms >= watch.retry_ms else None
    return wanted


def wrote(watch: Watch, value: bool, failure: str, now_ms: int) -> Watch:
    """A write ended: ``failure`` is empty when the module echoed it."""
    again = watch.commanded == value and not watch.failure
    is_same_trouble = watch.commanded == value and (bool(failure) or not watch.failure)
    rewritten = watch.rewritten_ms
    if again and watch.foreign_off:
        rewritten = (*(at for at in rewritten if now_ms - at < REWRITE_WINDOW_MS), now_ms)
    return replace(
        watch,
        commanded=value,
        confirmed=False,
        written_ms=now_ms,
        retry_ms=now_ms + _pause_ms(watch, value, failure),
        rewritten_ms=rewritten,
        differs_ms=watch.differs_ms if is_same_trouble and watch.differs_ms != NEVER_MS else now_ms,
        foreign_on=watch.foreign_on and not value,
        mismatch=watch.mismatch and is_same_trouble,
        failure=failure,
    )


def settled(watch: Watch, wanted: bool, now_ms: int) -> Watch:
    """Let time pass: conditions that begin or end by it alone."""
    mismatch = (
        watch.coil is not None
        and watch.coil != wanted
        and watch.commanded == wanted
        and not watch.is_foreign
        and now_ms - watch.differs_ms >= MISMATCH_MS
    )
    if not wanted and watch.commanded and watch.coil is False and watch.contact_ms >= watch.written_ms:
        # Off already: the next demand is a new one and is written at once, whatever was argued before. A write that was
        # never seen may still take effect late, and is then ours, not a foreign ON.
        is_over = watch.confirmed or watch.foreign_off
        watch = replace(
            watch, commanded=not is_over, confirmed=is_over, retry_ms=NEVER_MS, differs_ms=NEVER_MS, failure=""
        )
    steady = watch.coil == wanted and now_ms - watch.agreed_ms >= CONTEST_CLEAR_MS
    contested = watch.contested and wanted and not steady
    foreign_on = watch.foreign_on and not wanted
    foreign_off = watch.foreign_off and wanted
    return replace(watch, mismatch=mismatch, contested=contested, foreign_on=foreign_on, foreign_off=foreign_off)


def _pause_ms(watch: Watch, value: bool, failure: str) -> int:
    if failure:
        return FAILURE_RETRY_MS
    if watch.contested and value:
        return CONTEST_RETRY_MS
    return REWRITE_GAP_MS if watch.foreign_off else MISMATCH_RETRY_MS


def _agree(watch: Watch, on: bool, wanted: bool, now_ms: int) -> Watch:
    begun = watch.agreed_ms if watch.coil == on and watch.agreed_ms != NEVER_MS else now_ms
    return replace(
        watch,
        coil=on,
        confirmed=True,
        differs_ms=NEVER_MS,
        agreed_ms=begun if on == wanted else NEVER_MS,
        foreign_on=watch.foreign_on and on,
        foreign_off=False,
        mismatch=False,
        failure="",
    )


def _disagree(watch: Watch, on: bool, wanted: bool, now_ms: int) -> Watch:
    watch = replace(watch, coil=on, agreed_ms=NEVER_MS)
    if watch.confirmed and on:
        return replace(watch, commanded=True, foreign_on=not wanted)
    if watch.confirmed and not wanted:
        return replace(watch, commanded=False, foreign_on=False)
    if not watch.confirmed and not watch.foreign_off:
        return replace(watch, differs_ms=now_ms if watch.differs_ms == NEVER_MS else watch.differs_ms)
    recent = tuple(at for at in watch.rewritten_ms if now_ms - at < REWRITE_WINDOW_MS)
    contested = watch.contested or len(recent) >= REWRITES
    pause_ms = CONTEST_RETRY_MS if contested else REWRITE_GAP_MS
    retry_ms = recent[-1] + pause_ms if recent else watch.retry_ms if contested else now_ms
    return replace(
        watch, foreign_off=True, contested=contested, rewritten_ms=recent, retry_ms=retry_ms, confirmed=False
    )
