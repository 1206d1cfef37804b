"""The centre's notifier under test: topics and a database of its own, events put in, replicas to be killed."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from shared.bus.registry import COMMANDS, DEADLETTER, DELIVERIES, EVENTS, LIVE, SITES, Shape, Topic
from shared.domain.events import Event
from shared.domain.ids import event_id, occurrence_id
from shared.log.kafka.access import Access
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Place, Record
from shared.log.kafka.stretch import read_stretch
from shared.log.kafka.topics import set_up
from shared.wire.batches import EventsBatch, Verdict, encode_batch
from shared.wire.events import encode_event
from shared.wire.live import Live, encode_live, raw_events
from shared.wire.registrations import Registration, encode_registration
from shared.wire.signing import SigningKey
from tests.fleet.database import new_database
from tests.testkit.fleet import KafkaBroker, Postgres, unique

PARTITIONS = 4
PATIENCE_S = 120.0
LOG = "log1"
KEY = SigningKey(bytes(range(32)))


class Arrived(NamedTuple):
    """One message that a person got."""

    id: str
    is_repeat: bool
    pid: int
    subject: str


class Replica:
    """A notifier's process."""

    def __init__(self, telling: "Telling", crash_at: str = "") -> None:
        env = {**os.environ, **({"AMPWARD_CRASH_AT": crash_at} if crash_at else {})}
        words = [telling.broker.bootstrap, telling.prefix, str(PARTITIONS), telling.url, str(telling.folder)]
        self._log = (telling.folder / f"replica{len(telling.replicas)}.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fleet.notifier_process", *words], env=env, stdout=self._log, stderr=self._log
        )

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def stop(self, within_s: float = PATIENCE_S) -> int:
        """TERM, and its exit code. Raises TimeoutExpired."""
        self.process.terminate()
        return self.wait(within_s)

    def wait(self, within_s: float = PATIENCE_S) -> int:
        code = self.process.wait(within_s)
        self._log.close()
        return code

    def is_running(self) -> bool:
        return self.process.poll() is None


@dataclass
class Telling:
    """``async with Telling(kafka, postgres, tmp_path) as telling``."""

    broker: KafkaBroker
    postgres: Postgres
    folder: Path
    prefix: str = field(default_factory=lambda: unique("telling") + ".")
    replicas: list[Replica] = field(default_factory=list)
    seqs: dict[str, int] = field(default_factory=dict)
    url: str = ""

    async def __aenter__(self) -> Self:
        access = Access(self.broker.bootstrap)
        topics = [topic.named(self.prefix) for topic in (EVENTS, LIVE, SITES, COMMANDS, DELIVERIES, DEADLETTER)]
        await set_up(access, topics, Shape(partitions=PARTITIONS))
        self.url = await new_database(self.postgres)
        self.producer = Producer(access, "test")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for replica in self.replicas:
            if replica.is_running():
                replica.kill()
        await self.producer.close()

    def start(self, crash_at: str = "") -> Replica:
        self.replicas.append(Replica(self, crash_at))
        return self.replicas[-1]

    def event(self, site: str, what: str, point: str, severity: str = "critical", *, state: str = "B", begun: int = 0,
              age_ms: int = 0) -> Event:  # fmt: skip
        """The next event of a site, ``age_ms`` old; ``begun`` is the input that raised the alarm, 0 for this one."""
        seq = self.seqs[site] = self.seqs.get(site, 0) + 1
        at_ms = time.time_ns() // 1_000_000 - age_ms
        subject = f"{site}/r1/{point}/h2_alarm"
        return Event(
            type=f"ampward.alarm.{what}.v1", id=event_id(LOG + site, seq, "r1", 0), site=site, room="r1", room_no=seq,
            log_id=LOG + site, site_seq=seq, ordinal=0, tick_ms=at_ms - 1_700_000_000_000, at_ms=at_ms, version="v",
            subject=subject, occurrence=occurrence_id(subject, LOG + site, begun or seq), rule="h2_alarm",
            severity=severity, state=state, value="2.1", unit="%vol", limit="2", quality="good", reason="", actor="",
            until_ms=0,
        )  # fmt: skip

    def lease(self, site: str, *, on: bool) -> Event:
        """The site's log says who tells people from here on."""
        event = self.event(site, "raised", "p")
        return event._replace(
            type="ampward.report.recorded.v1", subject=f"{site}/_site/notify", occurrence="", rule="notify_lease",
            severity="", state="on" if on else "off", reason="notifier 1" if on else "the lease has ended",
        )  # fmt: skip

    def batch(self, *events: Event) -> bytes:
        """A batch as the processor writes it."""
        first, last = events[0], events[-1]
        return encode_batch(
            EventsBatch(
                first.site, first.log_id, 1, first.site_seq, last.site_seq, Verdict.EQUAL, 1, first.site_seq, "0" * 64,
                tuple(map(encode_event, events)),
            )
        )  # fmt: skip

    async def send(self, partition: int, *batches: bytes) -> None:
        place = Place(self.prefix + EVENTS.name, partition)
        await asyncio.gather(*[await self.producer.hand_over(place, b"site", each) for each in batches])

    async def register(self, partition: int, site: str, *, is_ended: bool = False) -> None:
        """Whoever signs with KEY speaks for the site; nobody does when it has ended."""
        value = encode_registration(Registration(site, partition, (KEY.public.text(),), is_ended))
        await self.producer.send(Place(self.prefix + SITES.name, partition), site.encode(), value)

    async def live(self, partition: int, from_seq: int, *events: Event, key: SigningKey = KEY) -> None:
        """The events at once, by the site's live lane."""
        last, now_ms = events[-1], time.time_ns() // 1_000_000
        record = Live(
            site=last.site, log_id=last.log_id, site_seq=last.site_seq, sent_at_ms=now_ms, number=last.site_seq,
            from_seq=from_seq, events=raw_events(tuple(map(encode_event, events))),
        )  # fmt: skip
        place = Place(self.prefix + LIVE.name, partition)
        await self.producer.send(place, last.site.encode(), encode_live(record, key))

    async def raise_(self, partition: int, site: str, *points: str, age_ms: int = 0) -> list[Event]:
        """Critical alarms, a batch each; before the first one the site says that the centre tells people."""
        if site not in self.seqs:
            await self.send(partition, self.batch(self.lease(site, on=True)))
        events = [self.event(site, "raised", point, age_ms=age_ms) for point in points]
        await self.send(partition, *map(self.batch, events))
        return events

    async def until_said(self, event: str) -> None:
        """A replica has this in its log."""
        async with asyncio.timeout(PATIENCE_S):
            while not any(event in path.read_text() for path in self.folder.glob("*.log")):
                await asyncio.sleep(0.05)

    def arrived(self) -> list[Arrived]:
        path = self.folder / "arrived"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [line.split(" ", 3) for line in lines]
        return [Arrived(ident, repeat == "True", int(pid), subject) for ident, repeat, pid, subject in found]

    async def until_arrived(self, count: int) -> list[Arrived]:
        """So many different messages."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while len({one.id for one in self.arrived()}) < count:
                    await asyncio.sleep(0.05)
        except TimeoutError as fault:
            logs = "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))
            raise TimeoutError(f"{len(self.arrived())} of {count} arrived\n{logs[-6000:]}") from fault
        return self.arrived()

    async def records(self, topic: Topic) -> list[Record]:
        """Everything in a topic."""
        found: list[Record] = []
        for number in range(PARTITIONS):
            place = Place(self.prefix + topic.name, number)
            found += [each async for each in read_stretch(Access(self.broker.bootstrap), place)]
        return found


def doubled(arrived: Sequence[Arrived]) -> list[Arrived]:
    """What came a second time; of several with one id the one that is marked, when one is: a replica that slept in a
    send and woke may end it behind the one that took its place."""
    by_id: dict[str, list[Arrived]] = {}
    for one in arrived:
        by_id.setdefault(one.id, []).append(one)
    return [each for same in by_id.values() for each in sorted(same, key=lambda one: one.is_repeat)[1:]]
