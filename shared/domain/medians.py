"""The seven-day median of a string's current, from a bounded histogram.

One sample a minute, in float mode only, falls into a bucket that is about six percent wide: exact below 16, then
sixteen buckets for each power of two. Seven histograms of one day each are kept, so the window is six to seven days.
Until an hour of samples is there no median is known, and what is three times of it cannot be said: the rules of a
string's current are UNKNOWN (a limit in amperes still holds). Thermal runaway alone then goes by its floor, the least
that the median is ever taken as: with a jar that is 10 K over the room the stricter figure is the safe one, and in a
first hour of float nobody would otherwise stop a charge below 50 °C. Limits: 7 x 1440 counts in at most 7 x 800
buckets.
"""

from shared.domain.state import Histogram
from shared.domain.trip import NEVER_MS

SAMPLE_MS = 60_000
DAY_MS = 86_400_000
DAYS = 7
SAMPLES_MIN = 60
_EXACT = 16


def record(histogram: Histogram, value: int, now_ms: int) -> None:
    """Count |value| if a minute has passed since the last count."""
    if now_ms < histogram.next_ms:
        return
    histogram.next_ms = now_ms + SAMPLE_MS
    if histogram.day_ms == NEVER_MS or now_ms >= histogram.day_ms + DAY_MS:
        passed = 1 if histogram.day_ms == NEVER_MS else min((now_ms - histogram.day_ms) // DAY_MS, DAYS)
        histogram.days = [*histogram.days, *({} for _ in range(passed))][-DAYS:]
        histogram.day_ms = now_ms if histogram.day_ms == NEVER_MS else now_ms - (now_ms - histogram.day_ms) % DAY_MS
    day = histogram.days[-1]
    bucket = bucket_of(abs(value))
    day[bucket] = day.get(bucket, 0) + 1
    settle(histogram)


def settle(histogram: Histogram) -> None:
    """Set the median that follows from the counts, and whether there are enough of them."""
    totals: dict[int, int] = {}
    for day in histogram.days:
        for bucket, count in day.items():
            totals[bucket] = totals.get(bucket, 0) + count
    samples = sum(totals.values())
    histogram.known = samples >= SAMPLES_MIN
    histogram.median = _middle(totals, samples) if histogram.known else 0


def bucket_of(value: int) -> int:
    """The bucket of a value that is not negative."""
    if value < _EXACT:
        return value
    shift = value.bit_length() - 5
    return _EXACT + shift * _EXACT + ((value >> shift) & 15)


def lowest_of(bucket: int) -> int:
    """The smallest value of a bucket."""
    if bucket < _EXACT:
        return bucket
    shift, part = divmod(bucket - _EXACT, _EXACT)
    return (_EXACT + part) << shift


def _middle(totals: dict[int, int], samples: int) -> int:
    seen = 0
    for bucket in sorted(totals):
        seen += totals[bucket]
        if 2 * seen >= samples:
            return lowest_of(bucket)
    raise AssertionError("there are samples")
