"""``ampward run``: the small parent of guard, the site process, and for demo sites the simulated devices and a broker.

Promises: guard is started before anything that can wait; a guard that outlived an earlier parent is joined, not
doubled; children that end are started again within a second; the last good plan is used when the site file has become
bad; INT, TERM and ``--for`` end everything and leave no child. Refuses (exit 3): a locked folder, a taken port, a
first start with a bad site file, outputs that another guard holds. A full or read-only folder does not prevent a
start.

Import-light: it checks nothing itself, so that it costs little memory for the years it runs.
"""

import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from functools import cached_property
from pathlib import Path
from time import monotonic, time
from typing import Any

from services.gateway.address import bind_loopback, shown_address
from services.gateway.times import rfc3339
from services.site import folder, readiness
from services.site.children import Child, python
from services.site.followers import FOLLOWERS, Followers
from services.site.formats import PROGRAM, refuse_newer
from services.site.guard_watch import GuardWatch
from services.site.orphans import end_brokers
from services.site.readiness import Readiness
from services.site.start import Start, demo_environment, read_start, refuse_hosted
from services.site.supervisor import Supervisor
from services.site.teller import Teller
from shared.bus.broker import find_broker
from shared.domain.errors import AmpwardError, Busy
from shared.runtime import places
from shared.runtime.lifecycle import Signals, notify_systemd
from shared.runtime.logging import configure, logger

CHECK_WAIT_S = 60.0
DEVICES_WAIT_S = 60.0
TRIP_WAIT_S = 1.0
PORT_WAIT_S = 3.0
"""After an unclean end a dying site process may hold the port so long."""
STOP_WAIT_S = 10.0
GUARD_LOOK_S = 0.02
TURN_S = 0.5
WORDS_MAX = 20
CANNOT_START = 3
OF_A_RUN = (places.RUN, places.CANDIDATE, places.GUARD_LOCK, places.GUARD_SOCKET, *places.IN_MEMORY, PROGRAM)
"""What is in memory for the time of a run only, where the folder cannot be written."""

Condition = Callable[[], bool]


class CannotStart(AmpwardError):
    """Why ``ampward run`` ends with exit code 3."""


def run(site_file: Path, data: Path, http: str = "", for_s: float | None = None, view: bool = True) -> int:
    """Run the site until INT, TERM, or ``for_s`` seconds after it became trip-ready. Gives the exit code."""
    with ExitStack() as clean_up:
        try:
            folder.make(data)
            data = data.resolve()
            held = folder.lock(data)
            clean_up.callback(os.close, held)
            refuse_newer(data)
            folder.refuse_unfinished(data)
            parent = Parent(site_file, data, http, view=view)
            clean_up.callback(parent.close)
            parent.start()
            parent.serve(for_s)
        except (AmpwardError, OSError) as fault:
            sys.stderr.write(f"ampward: cannot start: {_words(fault)}\n")
            return CANNOT_START
    return 0


class Parent:
    """Everything that one ``ampward run`` holds. One thread."""

    def __init__(self, source: Path, data: Path, http: str, *, view: bool) -> None:
        self._source, self._data = source, data
        self._http = http
        self._listening: socket.socket | None = None
        self._signals = Signals()
        self._signals.install()
        self._guard = GuardWatch(data)
        self._teller = Teller(data, view=view)
        for sentence in folder.open_to_others(data):
            self._teller.say(sentence)
        self._last = read_start(data)
        self._environment = demo_environment(data, self._last, os.environ)
        self._supervisor = Supervisor({**os.environ, **self._environment}, self._on_line, self._on_end)
        self._supervisor.watch(self._signals.descriptor, self._signals.drain)
        self._followers = Followers(data, self._supervisor)
        self._alive_read, self._alive_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._supervisor.watch(self._alive_read, self._on_alive)
        self._alive_at = 0.0
        self._reload_owed = False
        self._devices_ready = False
        self._checked: dict[str, object] = {}
        self._guard_fault = ""
        self._site_fault = ""
        self._words: dict[str, deque[str]] = {}
        """Plain lines of each child until the trip is ready, of the site process always."""
        self._guard_is_ours = True
        """False while a guard of an earlier run protects: a start that fails leaves it alone."""
        self._guard_look_at = 0.0
        self._readiness = Readiness()
        self._plan: Start | None = None
        self._mqtt = ""
        self._record: dict[str, object] = {"pid": os.getpid(), "started_at": rfc3339(int(time() * 1000))}
        self._written: dict[str, object] = {}

    @cached_property
    def _log(self) -> Any:
        """Structured lines of our own; its library is loaded at the first, when guard is already started."""
        configure("parent", self._teller)
        return logger()

    @property
    def plan(self) -> Start:
        assert self._plan is not None, "the plan is known before anything is started"
        return self._plan

    # Start

    def start(self) -> None:
        """Guard first, then what tells and shows. Returns when all are started; raises CannotStart, Busy.

        Nothing that takes the processors begins before the trip is ready, or a second after guard's start: a device
        that does not answer holds up readiness for its timeouts.
        """
        self._look_for_guard()
        if self._last is not None and self._last.unchanged(self._source, self._environment):
            self._plan = self._last
            self._reload_owed = True
        else:
            self._check(self._last)
        for step in (self._protect, self._broker, self._await_trip, self._site, self._tell_when_ready):
            if not self._signals.ended.is_set():
                step()

    def _check(self, last: Start | None) -> None:
        """Check the site file; when it is bad the last good plan from it goes on, if there is one."""
        self._supervisor.start(
            Child("check", python("services.site.compile", str(self._source), str(self._data)), piped=True)
        )
        self._supervisor.until(
            self._is_over_or(lambda: bool(self._checked) or self._supervisor.get("check") is None), CHECK_WAIT_S
        )
        faults = self._checked.get("faults", [])
        lines = [str(fault) for fault in faults] if isinstance(faults, list) else []
        if self._checked.get("ok"):
            if lines:
                self._teller.say(f"{len(lines)} warnings in the site file: ampward check {self._source}")
            self._plan = read_start(self._data)
        elif last is not None and last.source == str(self._source.resolve()):
            self._teller.say("The site file is bad; the last good one stays in force:")
            for line in lines:
                self._teller.say(line)
            self._plan = last
            self._reload_owed = True
        if self._plan is None and not self._signals.ended.is_set():
            bad = "\n".join(["the site file is bad", *lines])
            raise CannotStart(bad if lines else self._with_words("the check of the site file failed", "check"))

    def _protect(self) -> None:
        """The port first, because its being taken must show before anything acts; the simulated devices; guard.

        A guard of another installation, which an upgrade without a clean stop leaves behind, makes room for ours: it
        ends with its outputs at their safe values, and ours reads them before it writes.
        """
        refuse_hosted(self.plan)
        self._listen(must=not (self._data / places.RUN).exists())
        if self.plan.demo and self.plan.simulate:
            self._devices()
        if self._guard.is_connected and self._guard.is_of_another_program():
            self._log.info("guard_of_another_program_ends", guard_pid=self._guard.pid)
            self._stop_guard()
            if self._guard.is_connected:
                self._guard_gone()
            self._guard_is_ours = True
        if not self._guard.is_connected:
            self._supervisor.start(self._guard_child())
            self._guard.prepare()
        if self._listening is None:
            self._supervisor.until(self._is_over_or(lambda: self._listen(must=False)), PORT_WAIT_S)
            self._listen(must=True)

    def _guard_child(self) -> Child:
        return Child("guard", python("services.guard", str(self._data)), own_session=True)

    def _listen(self, *, must: bool) -> bool:
        """Take the port; Busy is raised only when it ``must`` be free now."""
        if self._listening is not None:
            return True
        try:
            self._listening = bind_loopback(self._http or self.plan.http)
        except Busy:
            if must:
                raise
            return False
        self._record["http"] = shown_address(self._listening)
        return True

    def _devices(self) -> None:
        """The simulated devices of a demo site: guard does not poll before they answer."""
        self._supervisor.start(Child("plantsim", python("services.plantsim", self.plan.simulate), piped=True))
        self._supervisor.until(
            self._is_over_or(lambda: self._devices_ready or not self._supervisor["plantsim"].is_running), DEVICES_WAIT_S
        )
        if not self._devices_ready:
            raise CannotStart(self._with_words("the simulated devices did not start", "plantsim"))

    def _broker(self) -> None:
        """For demo sites: a broker of our own where none listens, so that an MQTT client can look in."""
        self._mqtt = self.plan.mqtt
        if not (self.plan.demo and self.plan.mqtt):
            return
        end_brokers(self._data)
        found = find_broker(self.plan.mqtt, self._data, may_install="AMPWARD_NO_INSTALL" not in os.environ)
        self._mqtt = found.url
        if found.command:
            self._supervisor.start(Child("broker", found.command))
        self._teller.say(found.told)

    def _await_trip(self) -> None:
        is_ready = self._is_over_or(lambda: bool(self._guard.ready_at_ms))
        self._supervisor.until(is_ready, TRIP_WAIT_S, look_s=GUARD_LOOK_S)

    def _site(self) -> None:
        assert self._listening is not None
        folder.ensure_token(self._data)
        descriptors = (self._listening.fileno(), self._alive_write)
        command = python(
            "services.site", str(self._data), str(self._source.resolve()),
            "--http-fd", str(descriptors[0]), "--alive-fd", str(descriptors[1]), "--mqtt", self._mqtt,
        )  # fmt: skip
        self._supervisor.start(Child("site", command, pass_fds=descriptors))
        self._followers.start(self.plan)

    # Run

    def serve(self, for_s: float | None) -> None:
        """Until INT, TERM or the time is over; then everything ends."""
        end = None
        while not self._signals.ended.is_set() and (end is None or monotonic() < end):
            turn_s = TURN_S if self._guard.is_connected else GUARD_LOOK_S
            self._supervisor.turn(turn_s if end is None else max(0.0, min(turn_s, end - monotonic())))
            self._look_after_guard()
            self._look_after_site()
            self._followers.look()
            self._tell_when_ready()
            if end is None and for_s is not None and self._written:
                end = monotonic() + for_s
        self._stop()

    def _is_over_or(self, condition: Condition) -> Condition:
        """Waiting at start looks at guard too, and ends with INT and TERM."""

        def over() -> bool:
            self._look_after_guard()
            return condition() or self._signals.ended.is_set()

        return over

    def _look_for_guard(self) -> None:
        """Join a guard that lives; adopt it when it is not a child of this parent."""
        if self._guard.is_connected or monotonic() < self._guard_look_at:
            return
        self._guard_look_at = monotonic() + GUARD_LOOK_S
        if not self._guard.connect():
            return
        self._supervisor.watch(self._guard.fileno(), self._on_guard)
        child = self._supervisor.get("guard")
        if child is None or child.pid != self._guard.pid:
            try:
                self._supervisor.adopt(self._guard_child(), self._guard.pid)
            except ProcessLookupError:
                self._guard_gone()
                return
            self._guard_is_ours = False
            self._log.info("guard_joined", guard_pid=self._guard.pid)

    def _on_guard(self) -> None:
        descriptor = self._guard.fileno()
        if not self._guard.read():
            self._supervisor.unwatch(descriptor)
            self._guard.close()

    def _guard_gone(self) -> None:
        self._supervisor.unwatch(self._guard.fileno())
        self._guard.close()

    def _look_after_guard(self) -> None:
        self._look_for_guard()
        child = self._supervisor.get("guard")
        if self._guard.is_silent and child is not None and child.is_running:
            self._log.error("guard_hangs", guard_pid=child.pid)
            self._guard_gone()
            child.send(signal.SIGKILL)
        if self._guard_fault and not self._written:
            raise CannotStart(self._guard_fault)

    def _look_after_site(self) -> None:
        site = self._supervisor["site"]
        if self._site_fault:
            raise CannotStart(self._site_fault)
        if self._signals.take_reload() or (self._reload_owed and self._alive_at):
            self._reload_owed = not self._alive_at
            if self._alive_at:
                site.send(signal.SIGHUP)
        if self._alive_at and monotonic() - self._alive_at > readiness.SITE_SILENT_S and site.is_running:
            self._log.error("site_hangs", site_pid=site.pid)
            self._alive_at = 0.0
            site.send(signal.SIGKILL)
        guard_alive = self._guard.is_connected and not self._guard.is_silent
        self._readiness.look(guard_alive=guard_alive, site_alive_at=self._alive_at)

    def _tell_when_ready(self) -> None:
        """DIR/run.json when trip-ready, and again when guard's process has changed."""
        if not self._guard.ready_at_ms:
            return
        record = self._record | {
            "guard_pid": self._guard.pid,
            "mqtt": self._mqtt,
            "trip_ready_at": self._record.get("trip_ready_at") or rfc3339(int(self._ready_at_s() * 1000)),
        }
        if record == self._written:
            return
        first, self._record, self._written = not self._written, record, record
        folder.write_run(self._data, record)
        if first:
            self._log.info("trip_ready", **record)
            self._readiness.ready()
            self._teller.start(self._supervisor, self.plan.site, record)

    def _ready_at_s(self) -> float:
        """A guard that lived before was ready before: then it is this start that counts."""
        started = datetime.fromisoformat(str(self._record["started_at"])).timestamp()
        return max(self._guard.ready_at_ms / 1000, started)

    def _on_alive(self) -> None:
        try:
            os.read(self._alive_read, 4096)
        except BlockingIOError:
            return
        self._alive_at = monotonic()

    def _with_words(self, why: str, name: str) -> str:
        """What a child said in plain lines belongs to why the start failed."""
        return "\n".join([why, *self._words.get(name, ())])

    def _on_line(self, child: Child, stream: str, line: bytes) -> None:
        if (not self._written or child.name == "site") and not line.startswith(b"{"):
            self._words.setdefault(child.name, deque(maxlen=WORDS_MAX)).append(line.decode(errors="replace"))
        if child.name == "check" and stream == "stdout":
            self._checked = _object(line)
        elif child.name == "plantsim" and stream == "stdout":
            if self._devices_ready:
                self._teller.story(line.decode(errors="replace"))
            self._devices_ready = self._devices_ready or line.strip() == b"ready"
        else:
            self._teller.text(line)

    def _on_end(self, child: Child, how: str) -> bool:
        """Whether to start it again."""
        if child.name in ("check", "view") or not child.wanted or self._signals.ended.is_set():
            self._supervisor.forget(child.name)
            return False
        if child.name == "guard" and self._guard.is_connected and self._guard.pid == child.last_pid:
            self._guard_gone()
        if child.name == "guard" and not self._written and how == f"ended with {CANNOT_START}":
            self._guard_fault = self._with_words("the outputs are held by another guard", "guard")
        if child.name == "site":
            self._alive_at = 0.0
            self._readiness.site_begins()
            if how == f"ended with {CANNOT_START}":
                self._site_fault = self._with_words("the data folder is not for this program", "site")
        if child.name == "plantsim" and not self._devices_ready:
            return False
        if child.starts <= 3 or child.starts % 60 == 0:
            self._log.error("child_ended", child=child.name, how=how, starts=child.starts)
            self._teller.say(f"{child.name} {how}; it is started again")
        return True

    # End

    def _stop(self) -> None:
        """The site process first, so that its log ends clean; then guard, and what it was connected to."""
        notify_systemd("STOPPING=1")
        self._log.info("stopping")
        self._supervisor.stop("site", STOP_WAIT_S)
        self._hang_up()
        self._stop_guard()
        for name in ("view", *FOLLOWERS, "broker", "plantsim", "check"):
            self._supervisor.stop(name, STOP_WAIT_S)
        if self._written:
            places.remove_file(self._data, places.RUN)

    def _hang_up(self) -> None:
        """Nobody answers any more: who asks, as the uplink does, is to learn it at once."""
        if self._listening is not None:
            self._listening.close()

    def _stop_guard(self) -> None:
        child = self._supervisor.get("guard")
        if child is None:
            return
        child.wanted = False
        if self._guard.stop():
            self._supervisor.until(lambda: not child.is_running, STOP_WAIT_S)
        self._supervisor.stop("guard", STOP_WAIT_S)

    def close(self) -> None:
        """Nothing of ours stays: also after a start that failed."""
        self._signals.ended.set()
        if self._guard_is_ours:
            self._stop_guard()
        self._supervisor.forget("guard")
        for child in self._supervisor.children:
            self._supervisor.stop(child.name, STOP_WAIT_S)
        if self._guard_is_ours:
            places.leave_memory(self._data, OF_A_RUN)
        self._guard.close()
        self._hang_up()
        self._teller.close()
        self._supervisor.close()


def _object(line: bytes) -> dict[str, object]:
    try:
        made = json.loads(line)
    except ValueError:
        return {}
    return made if isinstance(made, dict) else {}


def _words(fault: Exception) -> str:
    if isinstance(fault, OSError) and fault.filename:
        return f"{fault.filename}: {fault.strerror}"
    return str(fault)
