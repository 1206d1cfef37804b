"""The processes that follow the site's log, each on its own: nobody waits for them, and they write no log.

    history     always
    uplink      while the plan in force has a way to a fleet

A reload may bring or take the way to a fleet: DIR/start.json is looked at each second.
"""

import signal
from pathlib import Path
from time import monotonic

from services.site.children import Child, python
from services.site.start import START, Start, read_start
from services.site.supervisor import Supervisor
from shared.runtime import places

FOLLOWERS = ("history", "uplink")
LOOK_S = 1.0


class Followers:
    """``python -m services.NAME DIR`` for each. One owner, the parent."""

    def __init__(self, data: Path, supervisor: Supervisor) -> None:
        self._data = data
        self._supervisor = supervisor
        self._seen = (0, 0)
        self._looked_at = -LOOK_S

    def start(self, plan: Start) -> None:
        """Those that the plan wants run, others end."""
        for name, is_wanted in (("history", True), ("uplink", plan.uplink)):
            child = self._supervisor.get(name)
            if is_wanted and child is None:
                self._supervisor.start(Child(name, python(f"services.{name}", str(self._data))))
            elif not is_wanted and child is not None and child.wanted:
                child.wanted = False
                child.send(signal.SIGTERM)

    def look(self) -> None:
        """Whether a reload has put another plan in force."""
        if monotonic() - self._looked_at < LOOK_S:
            return
        self._looked_at = monotonic()
        try:
            at = places.find_file(self._data, START).stat()
        except OSError:
            return
        if (at.st_mtime_ns, at.st_ino) != self._seen:
            self._seen = (at.st_mtime_ns, at.st_ino)
            plan = read_start(self._data)
            if plan is not None:
                self.start(plan)
