"""Faust as its tutorial shows it: one record a reading, one Table entry a reading; its rate, and what kills cost it.

``python -m tests.bench.fleet.usual BROKER PREFIX COUNT`` is the worker: it counts the readings of each key in its
Table, with the state of the reading beside, and prints its rate after so many. What the Table knows in the end is read
from its changelog and compared with what was sent.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

import faust
import orjson

from shared.bus.registry import Shape, Topic
from shared.log.kafka.records import Place
from shared.log.kafka.topics import set_up
from tests.bench.fleet import load
from tests.bench.site import MODULES
from tests.fleet.centre import Centre
from tests.testkit.fleet import KafkaBroker

PARTITIONS = 4
READINGS_MAX = 6_000
KILLS = 2
QUIET_S = 60.0
"""What is not counted so long after the last progress is not counted."""
LIMITS = {
    "voltage": (1308, 1326, 1350, 1368, 2),
    "resistance": (-1, -1, 372, 403, 5),
    "temperature": (-1, -1, 350, 450, 10),
    "level": (-1, -1, 1, 2, 0),
}
RATE = "readings_per_s "
BITS = 3
"""Of an entry the lowest hold the state, the others count."""


def state_of(limits: tuple[int, int, int, int, int], value: int, old: int) -> int:
    """-2 to 2, with a deadband on the way back."""
    low_alarm, low, high, high_alarm, back = limits
    if value <= low_alarm + (back if old == -2 else 0):
        return -2
    if value >= high_alarm - (back if old == 2 else 0):
        return 2
    if value <= low + (back if old < 0 else 0):
        return -1
    return 1 if value >= high - (back if old > 0 else 0) else 0


def worker(broker: str, prefix: str, count: int) -> None:
    """Runs for ever; prints its rate once."""
    app = faust.App(
        prefix + "usual",
        broker=f"kafka://{broker}",
        store="memory://",
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=3.0,
        web_enabled=False,
        datadir=tempfile.mkdtemp(prefix="ampward-usual-"),
    )
    raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    readings, out = app.topic(prefix + "readings", **raw), app.topic(prefix + "out", **raw)
    table = app.Table("entries", default=int, partitions=PARTITIONS)
    seen, began = 0, 0.0

    @app.agent(readings)
    async def take(stream: faust.StreamT[bytes]) -> None:
        nonlocal seen, began
        async for key, value in stream.items():
            began = began or time.perf_counter()
            reading = orjson.loads(value)
            name = bytes(key).decode()
            entry = table[name]
            old = (entry & ((1 << BITS) - 1)) - 2 if entry else 0
            now = state_of(LIMITS[reading["channel"]], reading["value"], old)
            table[name] = ((entry >> BITS) + 1 << BITS) + now + 2
            if now != old:
                await out.send(key=key, value=orjson.dumps({"from": old, "to": now}))
            seen += 1
            if seen == count:
                # Faust makes warnings of what is printed.
                print(f"{RATE}{seen / (time.perf_counter() - began)}", file=sys.__stdout__, flush=True)

    sys.argv = ["faust", "worker", "-l", "error", "--without-web"]
    app.main()


async def _fill(centre: Centre, count: int) -> dict[str, int]:
    """Readings, and how many of each key."""
    topics = [Topic(centre.prefix + name, "bench", "site", 86_400_000, 1 << 20) for name in ("readings", "out")]
    await set_up(centre.access, topics, Shape(partitions=PARTITIONS))
    sent: dict[str, int] = {}
    pending: list[asyncio.Future[Any]] = []
    names = load.site_names()
    async for site, data in load.json_frames(1 + count // (MODULES * len(LIMITS) * load.SITES), 0.04):
        frame = json.loads(data)
        for channel in LIMITS:
            for module, value in enumerate(frame[channel]):
                if len(pending) == count:
                    break
                key = f"{site.decode()}/{channel}/{module}"
                place = Place(centre.prefix + "readings", names.index(site.decode()) % PARTITIONS)
                body = orjson.dumps({"channel": channel, "value": value})
                pending.append(await centre.producer.hand_over(place, key.encode(), body))
                sent[key] = sent.get(key, 0) + 1
    await asyncio.gather(*pending)
    return sent


def _start(broker: KafkaBroker, prefix: str, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.bench.fleet.usual", broker.bootstrap, prefix, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


async def rate(broker: KafkaBroker, count: int = READINGS_MAX) -> float:
    """Readings a second of one worker that nobody disturbs."""
    async with Centre(broker, partitions=PARTITIONS) as centre:
        await _fill(centre, count)
        process = _start(broker, centre.prefix, count)
        assert process.stdout is not None
        line = ""
        while not line.startswith(RATE):
            line = await asyncio.to_thread(process.stdout.readline)
            assert line, "Faust has ended"
        process.kill()
        process.communicate()
        return float(line.removeprefix(RATE))


async def miscounted(broker: KafkaBroker, count: int = READINGS_MAX) -> tuple[int, int]:
    """(readings that the Table never counted, readings that it counted twice) after kills in the middle."""
    async with Centre(broker, partitions=PARTITIONS) as centre:
        sent = await _fill(centre, count)
        changelog = Topic(f"{centre.prefix}usual-entries-changelog", "bench", "site", 86_400_000, 1 << 20)
        process = _start(broker, centre.prefix, count)
        counted: dict[str, int] = {}
        total, kills, quiet = 0, 0, time.monotonic()
        while time.monotonic() - quiet < QUIET_S:
            await asyncio.sleep(0.3)
            counted = await _counted(centre, changelog)
            now = sum(counted.values())
            if now != total:
                total, quiet = now, time.monotonic()
            if kills < KILLS and total > count * (kills + 1) // (KILLS + 2):
                kills += 1
                process.kill()
                process.communicate()
                process = _start(broker, centre.prefix, count)
        process.kill()
        process.communicate()
    differences = [counted.get(key, 0) - number for key, number in sent.items()]
    return -sum(d for d in differences if d < 0), sum(d for d in differences if d > 0)


async def _counted(centre: Centre, changelog: Topic) -> dict[str, int]:
    """By key: what the changelog said last, which is what a Table that is restored from it knows."""
    found: dict[str, int] = {}
    try:
        async with asyncio.timeout(3), centre.reader_of(changelog.name) as reader:
            places = [Place(changelog.name, number) for number in range(PARTITIONS)]
            ends = await reader.ends(places)
            while any(reader.offset(place) < end for place, end in ends.items()):
                for record in await reader.take():
                    key = str(json.loads(record.key))
                    found[key] = json.loads(record.value or b"0") >> BITS
    except TimeoutError:
        return found
    return found


if __name__ == "__main__":
    worker(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    os._exit(0)
