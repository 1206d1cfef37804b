"""G2: commanded, but no air flows -> the fan-fail alarm within 10 s.

A run is one demand on a real site whose duct is blocked; the alarm must be there as a new occurrence, and air that
comes back must end its condition.
"""

from tests.soak.limits import limit
from tests.soak.living import Living, living, seconds_until
from tests.soak.outcome import Outcome

FAIL_S = 10.0
AIRFLOW = 2
"""Discrete input of the airflow switch."""
_Seen = tuple[str, str]


def run(count: int, seed: int) -> Outcome:
    """``count`` blocked starts of one fan."""
    outcome = Outcome()
    with living() as site:
        follow = site.depot.io._on_coil
        for each in range(count):
            site.rest()
            before, _ = _fan_fail(site)
            site.depot.io._on_coil = None
            site.depot.io.set("d", AIRFLOW, 0)
            site.depot.h2(12)
            seconds_until(lambda: site.fan_is(on=True), limit(FAIL_S))

            def has_failed(before: str = before) -> bool:
                occurrence, condition = _fan_fail(site)
                return occurrence not in ("", before) and condition == "true"

            if seconds_until(has_failed, limit(FAIL_S), every_s=0.1) >= limit(FAIL_S):
                outcome.faults.append(f"seed {seed}, start {each}: no fan_fail in {FAIL_S} s")
            outcome.runs += 1
            site.depot.io._on_coil = follow
            site.depot.io.set("d", AIRFLOW, 1)
            if seconds_until(lambda: _fan_fail(site)[1] == "false", limit(FAIL_S), every_s=0.1) >= limit(FAIL_S):
                outcome.faults.append(f"seed {seed}, start {each}: fan_fail goes on although air flows")
    return outcome


def _fan_fail(site: Living) -> _Seen:
    alarm = site.site.alarms().get("fan_fail", {})
    return str(alarm.get("occurrence", "")), str(alarm.get("condition", ""))
