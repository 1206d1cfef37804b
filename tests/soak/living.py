"""A whole site under the goals' hands: `ampward run` on two libmodbus devices, with times taken from outside."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.depot import FAN, Depot, open_depot, site_pid
from tests.e2e.foreign import Site, running
from tests.testkit.process import wait_for

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Living:
    """The site, its devices and its files."""

    depot: Depot
    site: Site

    def stop_site(self) -> Callable[[], None]:
        """SIGSTOP parent and site process, so that guard is alone; what is given lets them go on."""
        pids = (self.site.process.pid, site_pid(self.site))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

        def go_on() -> None:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

        return go_on

    def fan_is(self, on: bool) -> bool:
        """The fan's coil, as the device last told."""
        return self.depot.io.coils.get(FAN) == int(on)

    def rest(self) -> None:
        """No gas, and nothing demands the fan any more."""
        self.depot.h2(0)
        wait_for(lambda: self.fan_is(on=False), within_s=PATIENCE_S, name="the fan to stop")


@contextmanager
def living(more: str = "") -> Iterator[Living]:
    """A site past its power-up, at rest."""
    with tempfile.TemporaryDirectory(prefix="ampward-living-") as name, open_depot(Path(name)) as depot:
        depot.write(more=more)
        with running(depot.site_file, depot.data) as site:
            depot.settle()
            yield Living(depot, site)


def seconds_until(what: Callable[[], bool], limit_s: float, every_s: float = 0.002) -> float:
    """Seconds until ``what()`` is true; ``limit_s`` when it is not by then."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < limit_s:
        if what():
            return passed
        time.sleep(every_s)
    return limit_s
