"""The nightly proof: the site derives its last day again and compares, byte for byte, and checks its whole log.

It runs in a process of its own at the lowest priority, so that it takes only time that nobody needs. What it finds is a
Report, so an alarm: a difference until a night finds none, older damage anew each night. Disk and clock are watched by
the runner.
"""

import json
import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

from services.site.children import python
from services.site.service import Service
from shared.domain.inputs import ReportKind
from shared.runtime.lifecycle import PARENT
from shared.runtime.logging import logger

LOOK_S = 10.0
DETAIL_CHARACTERS_MAX = 900
REPLAY_HOUR = 3
"""By the site's clock: the quietest hour of a day."""


def next_night(now: datetime) -> datetime:
    """The next time at which the clock on the wall says REPLAY_HOUR; ``now`` carries its zone."""
    tonight = now.replace(hour=REPLAY_HOUR, minute=0, second=0, microsecond=0)
    return tonight if tonight > now else tonight + timedelta(days=1)


class NightlyReplay:
    """Derives the last day again and compares; never two at once."""

    def __init__(self, data: Path, now: datetime) -> None:
        self._data = data
        self._due = next_night(now)
        self._running: subprocess.Popen[bytes] | None = None

    def look(self, now: datetime, service: Service) -> None:
        """Start it when its hour has come, take its result when it has ended."""
        if self._running is not None:
            if self._running.poll() is not None:
                running, self._running = self._running, None
                self._take(running, service)
        elif now >= self._due:
            self._due = next_night(now)
            self._running = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = ("nice", "-n", "19", *python("services.site.nightly", str(self._data)))
        environment = {**os.environ, PARENT: str(os.getpid())}
        logger().info("nightly_replay_started")
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment)

    def _take(self, ended: "subprocess.Popen[bytes]", service: Service) -> None:
        assert ended.stdout is not None
        with ended.stdout as said:
            answer = said.read()
        difference, damage = _found(answer, ended.returncode)
        if damage:
            service.report(ReportKind.LOG_DAMAGED, "log", damage, pulse=True)
            logger().error("nightly_log_damaged", damage=damage)
        if difference:
            service.report(ReportKind.REPLAY_DIFFERS, "replay", difference)
            logger().error("nightly_replay_differs", returncode=ended.returncode)
        elif not damage:
            service.report(ReportKind.REPLAY_DIFFERS, "replay", "the last day is equal", on=False)
            logger().info("nightly_replay_equal")

    def end(self) -> None:
        """A replay is worth nothing half done."""
        if self._running is not None:
            self._running.terminate()
            self._running.wait()


def _found(answer: bytes, code: int) -> tuple[str, str]:
    """The first difference and the first damage, "" for none."""
    try:
        told = json.loads(answer)
        return str(told["first_difference"])[:DETAIL_CHARACTERS_MAX], str(told["damage"])[:DETAIL_CHARACTERS_MAX]
    except (ValueError, KeyError, TypeError):
        return f"the replay ended with {code}", ""
