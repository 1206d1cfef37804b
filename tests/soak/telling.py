"""Whether people were told: a notifier's process that is killed, servers that misbehave, and the account of it all.

    with Telling(scale=60) as telling:
        telling.start(crash_at="after send")
        telling.put("raised", "r1/gas1/h2_alarm", "critical")
        telling.kill()
        telling.start()
        telling.settled()
        account = telling.account()

The account is drawn up by tests.soak.account.
"""

import base64
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from services.notifier.ledger_port import OPEN
from shared.domain.events import Event
from shared.domain.notify_plan import Person, Route
from shared.domain.plan import Severity
from tests.services.notifier.lines import World
from tests.soak.account import (
    Account,
    Copy,
    copies_of,
    judge_bodies,
    judge_copies,
    judge_events,
    read_messages,
    read_states,
)
from tests.soak.notify_worker import FastClock, TelledWorld
from tests.testkit.http_sink import HttpSink
from tests.testkit.process import wait_for
from tests.testkit.smtp_server import SmtpServer

ANNA = Person("anna", "Anna", email="anna@example.org", language="de")
BEN = Person("ben", "Ben", email="ben@example.org")
CARL = Person("carl", "Carl", email="carl@example.org")
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
WALL_MS = 1_767_225_600_000
SETTLED_S = 90.0


TOLD = ("raised", "returned")
"""Events that everybody in line is told of."""


def what(event: Event) -> str:
    """``raised`` of ampward.alarm.raised.v1."""
    return event.type.split(".")[2]


def route(*to: Person, by: tuple[str, ...] = ("email", "webhook"), escalate_after_ms: int = 0,
          escalate_to: tuple[str, ...] = (), repeat_ms: int = 0) -> Route:  # fmt: skip
    """Everything to these people."""
    names = tuple(person.id for person in to)
    return Route(1, Severity.WARNING, (), (), names, by, repeat_ms, escalate_after_ms, escalate_to)


class Telling:
    """One run. Everything is in a folder of its own, which goes at the end."""

    def __init__(
        self,
        *,
        scale: int,
        people: tuple[Person, ...] = (ANNA, BEN),
        routes: tuple[Route, ...] = (),
        timeout_s: float = 2.0,
    ) -> None:
        self._scale = scale
        self._people = people
        self._routes = routes or (route(*people),)
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0
        self.under_way: Counter[str] = Counter()
        """How often a kill found a message under way."""

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="ampward-telling-")
        self.folder = Path(self._temporary.name)
        self.smtp = SmtpServer().__enter__()
        self.sink = HttpSink().__enter__()
        secret = self.folder / "secret"
        secret.write_text(SECRET, encoding="ascii")
        begun_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        self._told = TelledWorld(
            self.smtp.port, self.sink.port, str(secret), self._scale, begun_ms, WALL_MS,
            self._timeout_s, self._people, self._routes,
        )  # fmt: skip
        self.clock: FastClock = self._told.clock()
        (self.folder / "world.json").write_bytes(msgspec.json.encode(self._told))
        self._file = (self.folder / "events.jsonl").open("ab", buffering=0)
        self._errors = (self.folder / "errors").open("ab", buffering=0)
        self._began = time.monotonic() - self.clock.monotonic_ms() / self._scale / 1000
        self.world = World(self._told.setting(), wall_ms=WALL_MS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._file.close()
        self._errors.close()
        self.sink.__exit__(kind, error, trace)
        self.smtp.__exit__(kind, error, trace)
        self._temporary.cleanup()

    # The process

    def start(self, crash_at: str = "") -> None:
        """A notifier on this folder; it may end by itself at a labelled step."""
        assert self._process is None, "one at a time"
        environment = {**os.environ, "AMPWARD_CRASH_AT": crash_at} if crash_at else None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.notify_worker", str(self.folder)], stderr=self._errors, env=environment
        )

    def begin(self) -> None:
        """The first start, until its ledger has a message.

        A notifier that is killed before it has a ledger begins at the log's head, and this log cannot say what is open.
        """
        self.start()
        wait_for(self.is_running, within_s=SETTLED_S, name="the notifier runs")
        self.put("raised", "r1/first/fan_fail", "alarm")
        wait_for(lambda: read_states(self.folder), within_s=SETTLED_S, name="its first message")

    def kill(self) -> None:
        """kill -9, wherever it is; also picks up one that ended at its label."""
        assert self._process is not None, "start first"
        self._process.kill()
        self._collect()

    def is_running(self) -> bool:
        """Whether this process has come so far that it can be stopped."""
        path = self.folder / "running"
        return self._process is not None and path.exists() and path.read_text("ascii") == str(self._process.pid)

    def died_by_itself(self) -> bool:
        """Whether it reached its label."""
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        assert self._process is not None, "start first"
        wait_for(self.is_running, within_s=SETTLED_S, name="the notifier runs")
        self._process.terminate()
        code = self._process.wait(30)
        assert code == 0, f"ended with {code}: {self.errors()}"
        self._process = None

    def errors(self) -> str:
        """What the notifier's processes wrote last."""
        return (self.folder / "errors").read_text(encoding="utf-8")[-2000:]

    def _collect(self) -> None:
        assert self._process is not None, "start first"
        code = self._process.wait()
        assert code == -signal.SIGKILL, f"ended with {code}: {self.errors()}"
        self._process = None
        self.kills += 1
        self.under_way.update(ident for ident, state in read_states(self.folder) if state == "sending")

    # Events

    def put(self, verb: str, alarm: str, severity: str = "warning", *, value: str = "") -> Event:
        """One more event of the log, now."""
        self.world.now_ms = self.clock.monotonic_ms()
        event = self.world.event(verb, alarm, severity, value=value)
        self._file.write(msgspec.json.encode(event) + b"\n")
        return event

    def ack_all(self) -> None:
        """Nobody needs to be reminded of anything any more."""
        last: dict[str, Event] = {event.subject: event for event in self.world.events}
        for event in list(last.values()):
            if what(event) in TOLD:
                self.put("acked", event.subject.partition("/")[2], event.severity)

    def settled(self, within_s: float = SETTLED_S) -> None:
        """Wait until all is told: every event is in a message, nothing is held back and no message is open.

        What is not so in time is left to the account to name.
        """
        end = time.monotonic() + within_s
        while not self._is_settled() and time.monotonic() < end:
            time.sleep(0.1)

    def _is_settled(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError(f"the notifier has ended: {self.errors()}")
        if not read_states(self.folder) or any(state in OPEN for _, state in read_states(self.folder)):
            return False
        with closing(sqlite3.connect(self.folder / "notify.db", timeout=10)) as db:
            (held,) = db.execute("SELECT count(*) FROM record WHERE key LIKE 'held/%'").fetchone()
        if held:
            return False
        told = {item.event.id for message, _ in read_messages(self.folder).values() for item in message.items}
        return {event.id for event in self.world.events if what(event) in TOLD} <= told

    # The account

    def copies(self) -> list[Copy]:
        """Everything that arrived anywhere."""
        return copies_of(self.smtp.mails, self.sink.requests)

    def ms(self, copy: Copy) -> int:
        """When it arrived, by the run's own clock."""
        return round((copy.at - self._began) * 1000 * self._scale)

    def first_arrivals(self) -> dict[str, int]:
        """When the first message about each event arrived anywhere, by the run's own clock."""
        messages = read_messages(self.folder)
        found: dict[str, int] = {}
        for copy in self.copies():
            for item in messages[copy.id][0].items:
                found[item.event.id] = min(self.ms(copy), found.get(item.event.id, self.ms(copy)))
        return found

    def account(self, *, refused: frozenset[str] = frozenset()) -> Account:
        """Compare what had to be told with what arrived; ``refused`` lanes (person/channel) must have got nothing."""
        found = Account()
        copies, messages = self.copies(), read_messages(self.folder)
        lanes = [f"{person.id}/{channel}" for person in self._people for channel in ("email", "webhook")]
        events = [event.id for event in self.world.events if what(event) in TOLD]
        judge_copies(copies, messages, self.under_way, found)
        judge_events(events, lanes, refused, (copies, messages), found)
        judge_bodies(self.smtp.mails, self.sink.requests, messages, SECRET, found)
        return found
