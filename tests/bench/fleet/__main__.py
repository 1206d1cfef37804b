"""`make bench-fleet`: one processor beside Kafka Streams in one run, into bench/fleet.json.

    {machine: {...}, results: [{name, value, unit, target, holds}], peers: [{name, value, unit}]}

All take the same readings, as our blocks, as JSON frames and as blocks of ten raw scans. A figure is readings a second
of a whole run, as a peer prints its own; that of the second half stands beside it: by then a Java machine is warm, a
worker has built the plans of its sites. Either begins when its first record is taken; ours ends when the broker took
what was told last, Kafka Streams' when its last record is taken. Only ratios within one run mean anything: targets are
ratios to the peers.
`make bench-fleet ARGS="--frames 4000"` does it in small, without writing: a cold Java machine then is no peer.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from services.processor.worker import SAVE_S
from shared.bus.registry import EVENTS, Shape, Topic
from shared.log.kafka.reader import Reader
from shared.log.kafka.records import Place, Record
from shared.log.kafka.topics import set_up
from shared.wire.batches import decode_batch
from tests.bench.__main__ import machine
from tests.bench.fleet import hops, load, sites, stream, takeover, usual
from tests.bench.rooms import KINDS
from tests.bench.site import MODULES
from tests.fleet.centre import Centre
from tests.testkit.fleet import KafkaBroker

HERE = Path(__file__).parent
OUTPUT = Path("bench") / "fleet.json"
READINGS = MODULES * len(KINDS)
FRAMES = 160_000
"""Of all sites: 32 million readings."""
PARTITIONS = 4
BUSY, CALM = 0.04, 0.001
WITHIN_S = 600
LOOK_S, FIRST_LOOK_S = 0.25, 0.02
STREAM_MS = 250.0
"""From a frame at a site to its alarm on an operator's stream."""
CORES = 2
TAKEOVER_S, HAND_OVER_S = 15.0, 5.0
FLAT = 1.5
"""A reading costs at most so many times what it costs with one site."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def peer_built() -> Iterator[str]:
    """The class path of the peer, compiled from its source."""
    if shutil.which("javac") is None:
        raise SystemExit("Kafka Streams is built here: install a JDK (Debian: apt-get install openjdk-17-jdk-headless)")
    with tempfile.TemporaryDirectory(prefix="ampward-peer-") as folder:
        target, libs = Path(folder, "target"), Path(folder, "libs")
        maven = ["mvn", "-B", "-q", "-f", str(HERE / "kstreams" / "pom.xml")]
        copied = [f"-DoutputDirectory={libs}", "-DincludeScope=runtime"]
        subprocess.run([*maven, "dependency:copy-dependencies", *copied], check=True)
        source = HERE / "kstreams" / "src" / "main" / "java" / "Limits.java"
        subprocess.run(["javac", "-cp", f"{libs}/*", "-d", str(target), str(source)], check=True)
        yield f"{target}:{libs}/*"


class Rate(NamedTuple):
    """Readings a second."""

    whole: float
    second_half: float


async def ours(broker: KafkaBroker, frames: int, changing: float) -> Rate:
    """One processor as it is deployed. What it tells is read when it is through: nobody reads a peer's either."""
    async with Centre(broker, partitions=PARTITIONS, hands=CORES, save_s=SAVE_S) as centre:
        wanted = await load.fill_centre(centre, frames // load.SITES, changing)
        count = frames // load.SITES * load.SITES
        processor = centre.start()

        def spent() -> dict[str, float]:
            return {"broker": hops.cpu_s(broker.pid), **hops.cpu_of_family(processor.pid)}

        async with asyncio.timeout(WITHIN_S), centre.reader(EVENTS) as reader:
            places = [Place(centre.prefix + EVENTS.name, number) for number in range(PARTITIONS)]
            while not sum((await reader.ends(places)).values()):
                await asyncio.sleep(FIRST_LOOK_S)
            began = spent()
            while sum((await reader.ends(places)).values()) < wanted:
                await asyncio.sleep(LOOK_S)
            ended = spent()
            batches = [(record.at_ms, decode_batch(record.value or b"")) async for record in _records(reader, wanted)]
        assert {batch.verdict.value for _, batch in batches} == {"equal"}
        assert len({batch.site for _, batch in batches if batch.last_seq >= frames // load.SITES}) == load.SITES
        told = sum(len(batch.events) for _, batch in batches)
        first_ms = next(int(words) for event, words in processor.told if event == "first_take")
        rate = _rate(first_ms, [(at_ms, batch.last_seq - batch.first_seq + 1) for at_ms, batch in batches])
        say(f"  ours at {changing:.1%}: {count} frames, {told / count:.1f} events a frame, {_shown(rate)}")
        say(f"  since the first events{hops.cpu_line(began, ended, count)}")
        return rate


def _rate(first_ms: int, told: list[tuple[int, int]]) -> Rate:
    """From the first take on, of (when, how many frames)."""
    told.sort()
    frames = [number for _, number in told]
    half = next(n for n, so_far in enumerate(accumulate(frames)) if 2 * so_far >= sum(frames))
    half_ms, last_ms = told[half][0], told[-1][0]
    late = frames[half + 1 :]
    return Rate(*(READINGS * 1000 * number / max(1, last_ms - since)
                  for number, since in ((sum(frames), first_ms), (sum(late), half_ms))))  # fmt: skip


def _shown(rate: Rate) -> str:
    return f"{rate.whole:,.0f} readings/s, {rate.second_half:,.0f} of the second half"


async def _records(reader: Reader, count: int) -> AsyncIterator[Record]:
    """So many of them."""
    seen = 0
    while seen < count:
        for record in await reader.take():
            seen += 1
            yield record


async def streams(broker: KafkaBroker, jars: str, packing: str, frames: int, changing: float) -> Rate:
    """Kafka Streams with one thread."""
    async with Centre(broker, partitions=PARTITIONS) as centre:
        names = [f"{centre.prefix}{packing}", f"{centre.prefix}out"]
        topics = [Topic(name, "bench", "site", 86_400_000, 1 << 22) for name in names]
        await set_up(centre.access, topics, Shape(partitions=PARTITIONS))
        records = load.json_frames if packing == "json" else load.raw_blocks
        await load.fill(centre.producer, names[0], PARTITIONS, records(frames // load.SITES, changing))
        wanted = frames // load.SITES * load.SITES * READINGS
        with tempfile.TemporaryDirectory(prefix="ampward-peer-state-") as state:
            command = ["java", "-Xmx1g", "-cp", jars, "Limits", broker.bootstrap, *names, packing, str(wanted), state]
            running = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            async with asyncio.timeout(WITHIN_S):
                out, _ = await running.communicate()
        found = json.loads(out)
        rate = Rate(found["whole"], found["second_half"])
        say(f"  Kafka Streams, {packing} at {changing:.1%}: {found['changes']} changes, {_shown(rate)}")
        return rate


async def measure(broker: KafkaBroker, frames: int) -> dict[str, float]:
    """Everything, at both shares of change."""
    figures: dict[str, float] = {}
    with peer_built() as jars:
        for changing, suffix in ((BUSY, ""), (CALM, "_calm")):
            rates = {
                "processor": await ours(broker, frames, changing),
                "kstreams": await streams(broker, jars, "json", frames, changing),
                "kstreams_blocks": await streams(broker, jars, "block", frames, changing),
            }
            figures |= {f"{name}_readings_per_s{suffix}": rate.whole for name, rate in rates.items()}
            figures |= {f"{name}_second_half_readings_per_s{suffix}": rate.second_half for name, rate in rates.items()}
    figures["faust_usual_readings_per_s"] = await usual.rate(broker)
    lost, doubled = await usual.miscounted(broker)
    say(f"  Faust the usual way, {usual.KILLS} kills: {lost} readings never counted, {doubled} counted twice")
    figures["faust_usual_lost"], figures["faust_usual_doubled"] = lost, doubled
    return figures | sites.measure() | await takeover.measure(broker) | await stream.measure(broker, say)


def judged(figures: dict[str, float]) -> list[dict[str, object]]:
    """Ours against what it should be: twice Streams on JSON, half of it on blocks, a hundred times Faust's usual way;
    when all is calm, ahead of Streams on blocks. Take-over, hand-over and the cost a reading have limits of their own.
    """
    busy = max(
        2 * figures["kstreams_readings_per_s"],
        figures["kstreams_blocks_readings_per_s"] / 2,
        100 * figures["faust_usual_readings_per_s"],
    )
    targets = {
        "processor_readings_per_s": busy,
        "processor_readings_per_s_calm": figures["kstreams_blocks_readings_per_s_calm"],
    }
    least = [
        {"name": name, "value": figures[name], "unit": "readings/s", "target": target, "holds": figures[name] >= target}
        for name, target in targets.items()
    ]
    most = [
        {"name": name, "value": figures[name], "unit": unit, "target": target, "holds": figures[name] <= target}
        for name, unit, target in (
            ("processor_takeover_s", "s", TAKEOVER_S),
            ("processor_hand_over_s", "s", HAND_OVER_S),
            ("stream_latency_ms_p99", "ms", STREAM_MS),
        )
    ]
    one = figures[f"processor_ns_a_reading_{sites.COUNTS[0]}_sites"]
    flat = [
        {"name": name, "value": value, "unit": "ns", "target": FLAT * one, "holds": value <= FLAT * one}
        for name, value in figures.items()
        if name.startswith("processor_ns_a_reading")
    ]
    return least + most + flat


def main() -> int:
    """Measure, print both ratios, write the file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fleet")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of all sites; another number writes nothing")
    frames = parser.parse_args().frames
    with tempfile.TemporaryDirectory(prefix="ampward-bench-") as folder, KafkaBroker(Path(folder, "kafka")) as broker:
        figures = asyncio.run(measure(broker, frames))
    results = judged(figures)
    peers = [
        {"name": name, "value": value, "unit": "readings/s" if name.endswith(("_per_s", "_calm")) else "readings"}
        for name, value in figures.items()
        if not name.startswith(("processor", "stream")) or "second_half" in name
    ]
    for part in ("", "_second_half"):
        for suffix in ("", "_calm"):
            names = ("processor", "kstreams", "kstreams_blocks")
            mine, json_, block = (figures[f"{name}{part}_readings_per_s{suffix}"] for name in names)
            usually = figures["faust_usual_readings_per_s"]
            print(f"processor{part + suffix:18} {mine:12,.0f} readings/s: {mine / json_:.2f} of Kafka Streams on JSON, "
                  f"{mine / block:.2f} on blocks, {mine / usually:.0f} times Faust the usual way")  # fmt: skip
    print(f"frame to operator's stream: p50 {figures['stream_latency_ms_p50']:.0f} ms, "
          f"p99 {figures['stream_latency_ms_p99']:.0f} ms at {stream.RATE} frames/s")  # fmt: skip
    for row in results:
        figure = f"{row['value']:,.1f} {row['unit']} of {row['target']:,.1f}"
        print(f"{row['name']:44} {figure:44} {'holds' if row['holds'] else 'DOES NOT HOLD'}")
    if frames == FRAMES:
        OUTPUT.parent.mkdir(exist_ok=True)
        document = {"machine": machine(), "results": results, "peers": peers}
        OUTPUT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        print(f"written: {OUTPUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
