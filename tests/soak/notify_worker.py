"""The notifier in a process of its own, with its real channels, fed with events from a file: made to be killed.

    python -m tests.soak.notify_worker DIR

DIR/world.json says where the servers are, how fast time goes and whom to tell; DIR/events.jsonl grows while it runs;
what it reports goes to DIR/reports.jsonl, one line for each transaction of a log. Its ledger is DIR/notify.db;
DIR/running has its pid when it can be stopped.
Everything but time and the feed is the product's.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from services.notifier import email, post, service, webhook
from services.notifier.feed import Gone, News, OpenAlarm
from services.notifier.ledger_port import LABELS
from services.notifier.on_disk import LedgerOnDisk
from services.notifier.ports import Channel
from services.notifier.reports import BoxReport, Reported
from services.notifier.routing import Setting
from services.notifier.service import Notifier
from shared.domain.events import About, Event
from shared.domain.notify_plan import EmailPlan, NotifyPlan, Person, Route, WebhookPlan
from shared.log.port import Cursor
from shared.runtime.clocks import SystemClock
from shared.runtime.crashpoints import crash_step

SITE = "s"
LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class TelledWorld:
    """What a run is about."""

    smtp_port: int
    http_port: int
    secret_file: str
    scale: int
    """So many times faster than a wall clock time goes."""
    begun_ms: int
    """CLOCK_BOOTTIME at which this world's time began."""
    wall_ms: int
    """Its wall clock at that moment."""
    timeout_s: float
    """Of a channel, in real seconds."""
    people: tuple[Person, ...]
    routes: tuple[Route, ...]

    def clock(self) -> "FastClock":
        """The same time in every process of a run."""
        return FastClock(self.scale, self.begun_ms, self.wall_ms)

    def setting(self) -> Setting:
        """The site as the notifier sees it."""
        mail = EmailPlan("127.0.0.1", self.smtp_port, "none", "Ampward <box@example.org>")
        hook = WebhookPlan(f"http://127.0.0.1:{self.http_port}/hook", self.secret_file, ("127.0.0.0/8",))
        plan = NotifyPlan(self.people, routes=self.routes, email=(mail,), webhook=(hook,))
        return Setting(plan, ZoneInfo("Europe/Berlin"), SITE, "Site", "en", {"r1": "Room 1"})


@dataclass(frozen=True, slots=True)
class FastClock:
    """A clock whose seconds are short. Implements shared.runtime.clocks.Clock."""

    scale: int
    begun_ms: int
    began_wall_ms: int

    def monotonic_ms(self) -> int:
        return (
            time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000 * self.scale - self.begun_ms * 1000 * self.scale
        ) // 1000

    def wall_ms(self) -> int:
        return self.began_wall_ms + self.monotonic_ms()

    def synced(self) -> bool:
        return True

    def boot(self) -> str:
        return "boot-1"


class FileSite:
    """Events from a file that another process writes. Implements services.notifier.feed.Feed."""

    def __init__(self, folder: Path, world: TelledWorld) -> None:
        self._path = folder / "events.jsonl"
        self._reports = (folder / "reports.jsonl").open("ab", buffering=0)
        self._setting = world.setting()
        self._clock = world.clock()
        self._news: list[News] = []
        self._at = 0
        self._decode = msgspec.json.Decoder(Event).decode

    def setting(self) -> Setting:
        return self._setting

    def events_after(self, cursor: Cursor | None, limit: int) -> tuple[News, ...] | Gone:
        self._read()
        first = 0 if cursor is None else cursor.site_seq
        return tuple(self._news[first : first + limit])

    def pass_over(self, cursor: Cursor | None, wanted: Callable[[About], bool]) -> Cursor | None:  # noqa: ARG002
        return cursor

    async def wait_for_events(self, cursor: Cursor | None, timeout_s: float) -> bool:
        end = time.monotonic() + timeout_s
        while not self.events_after(cursor, 1):
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.005)
        return True

    def leased(self) -> str:
        return ""

    def is_behind(self) -> bool:
        return False

    async def head(self) -> tuple[Cursor | None, tuple[OpenAlarm, ...]]:
        self._read()
        return (self._news[-1].cursor if self._news else None), ()

    def tick_ms(self) -> int:
        return self._clock.monotonic_ms()

    async def report(self, ledger: str, number: int, reports: Sequence[BoxReport]) -> None:
        self._reports.write(msgspec.json.encode((ledger, number, reports)) + b"\n")

    async def reported(self, ledger: str) -> Reported:
        lines = Path(self._reports.name).read_bytes().splitlines()
        places = [msgspec.json.decode(line)[:2] for line in lines[-1:]]
        taken = next((number for known, number in places if known == ledger), 0)
        return Reported(taken, taken)

    def _read(self) -> None:
        """Whole lines only: the last one may be half written. The n-th event has site_seq n."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._at += len(line)
                event = self._decode(line)
                assert event.site_seq == len(self._news) + 1, "events are dense"
                self._news.append(News(Cursor(event.log_id, event.site_seq, event.ordinal), event, undurable=False))


def channels(world: TelledWorld, plan: NotifyPlan) -> Mapping[str, Channel]:
    """The product's own; signatures carry the real time, which a receiver checks."""
    return {
        "email": email.make(plan.email[0], site=SITE, zone="Europe/Berlin", timeout_s=world.timeout_s),
        "webhook": webhook.make(plan.webhook[0], site=SITE, clock=SystemClock(), timeout_s=world.timeout_s),
    }


async def main(folder: Path) -> None:
    """Until SIGTERM."""
    world = msgspec.json.decode((folder / "world.json").read_bytes(), type=TelledWorld)
    service.LOOK_S = post.LOOK_S = LOOK_S
    step = crash_step(os.environ, LABELS)
    feed = FileSite(folder, world)
    notifier = Notifier(
        feed, LedgerOnDisk(folder, step=step), world.clock(), lambda plan: channels(world, plan), step=step
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    (folder / "running").write_text(str(os.getpid()), encoding="ascii")
    await notifier.run(stop)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
