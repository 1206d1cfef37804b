"""What the parent tells people: lines on standard output, by the view when there is one, and the text log.

Structured lines go to DIR/ampward.log and never to a person; what a person must know of them is told as a sentence.
Nothing here can block the parent: a reader that does not read loses lines. Sentences that come before the view is there
are kept (200 at most) and given to it at its start.
"""

import json
import os
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from services.site.children import Child, python
from services.site.folder import TextLog
from services.site.supervisor import Supervisor
from shared.runtime.logging import Outlet

TOLD = {
    "config_fault": "{fault}",
    "config_rejected": "the site file is not taken, the old configuration stays: {why}",
    "config_changed": "the new site file is in force",
    "mqtt_address_wrong": "MQTT: {fault}",
    "nightly_log_damaged": "the nightly check found the log damaged: {damage}",
    "nightly_replay_differs": "the nightly replay differs from the log: see the alarm replay_differs",
}
"""Structured events of a child that whoever started the site should hear of, as sentences."""


def sentences(line: bytes) -> Iterator[str]:
    """What a person must know of a line of structured log."""
    try:
        told = json.loads(line)
        yield TOLD[told["event"]].format_map(told)
    except (ValueError, KeyError, TypeError):
        return


class Teller:
    """``say`` is for people, ``story`` what the simulated world does, ``text`` a line of structured log."""

    def __init__(self, data: Path, *, view: bool) -> None:
        self._data = data
        self._wanted = view
        self._on_terminal = view and sys.stdout.isatty()
        self._view: Child | None = None
        self._early: deque[bytes] = deque(maxlen=200)
        self._stdout = Outlet(sys.stdout.fileno())
        self._log = TextLog(data)

    def start(self, supervisor: Supervisor, site: str, record: dict[str, object]) -> None:
        """The site is trip-ready: begin the view, or say where to look."""
        if not self._on_terminal:
            mqtt = f", MQTT {record['mqtt']}" if record["mqtt"] else ""
            self._stdout.write(f"{site}: trip-ready; http://{record['http']}{mqtt}; data in {self._data}\n")
        if self._wanted:
            self._view = Child("view", python("services.site.view", str(self._data), "--told"), is_view=True)
            supervisor.start(self._view)
            while self._early:
                self._give(self._early.popleft())

    def say(self, sentence: str) -> None:
        self._tell("say", sentence)

    def story(self, sentence: str) -> None:
        if self._wanted:
            self._tell("story", sentence)

    def _tell(self, kind: str, sentence: str) -> None:
        line = json.dumps({kind: sentence}).encode() + b"\n"
        if self._view is not None and self._view.is_running:
            self._give(line)
        elif self._on_terminal and self._view is None:
            self._early.append(line)
        else:
            self._stdout.write(f"{sentence}\n")

    def _give(self, line: bytes) -> None:
        process = self._view.process if self._view is not None else None
        if process is None or process.stdin is None:
            return
        try:
            os.write(process.stdin.fileno(), line)
        except OSError:
            # The view hangs or is gone: what it shows is also in the event log.
            return

    def text(self, line: bytes) -> None:
        """A line of a child's standard error."""
        self._log.write(line + b"\n")
        for sentence in sentences(line):
            self.say(sentence)

    def write(self, text: str) -> None:
        """A structured line of the parent itself."""
        self._log.write(text.encode(errors="replace"))

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self._log.close()
