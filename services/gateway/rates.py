"""How often somebody may ask: one bucket of credit for each name, filled at a steady rate.

Bounded: the names of the last KEYS_MAX are remembered, and a forgotten one begins with a full bucket, so that a flood
of new names costs memory no more than it costs them. Time is the loop's own clock, given by the caller.
"""

from collections import OrderedDict
from dataclasses import dataclass
from math import ceil

KEYS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` at once, then ``per_s`` a second."""

    per_s: float
    burst: int


@dataclass(frozen=True, slots=True)
class Rates:
    """For the interface of one site. A page or a view asks some ten times a second at most."""

    requests: Rate = Rate(200, 2_000)
    """Of one token. The burst lets a thousand readers of one token come back at once after a restart."""
    commands: Rate = Rate(20, 200)
    """Of one token, within the above: each is an input, an fsync and a row that is kept for years. The burst lets a
    person acknowledge a flood of alarms by a script."""
    strangers: Rate = Rate(5, 50)
    """Of one address without a good token."""
    probes: Rate = Rate(50, 500)
    """Of one address on /healthz, /readyz and /metrics."""


class Buckets:
    """One rate for many names."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._kept: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now_s: float) -> int:
        """0 when one more is allowed, else the whole seconds until it is."""
        credit, since = self._kept.pop(name, (float(self._rate.burst), now_s))
        credit = min(self._rate.burst, credit + max(0.0, now_s - since) * self._rate.per_s)
        wait_s = 0 if credit >= 1 else max(1, ceil((1 - credit) / self._rate.per_s))
        self._kept[name] = (credit if wait_s else credit - 1, now_s)
        while len(self._kept) > KEYS_MAX:
            self._kept.popitem(last=False)
        return wait_s
