"""How long from a frame at a site to its alarm on an operator's stream at the centre, at so many frames a second.

    site's log and core --> uplink --> Kafka --> gateway --> HTTP stream          (live lane)
                               `-----> Kafka --> processor --> Kafka --> gateway  (blocks)

Sites, uplinks, processor and gateway are processes of their own beside a real broker, all on this machine. The time
counts from the hand-over of the frame to the log's writer; the field bus and its polls are not in it. Each alarm counts
with the first record that told it. Nothing is asserted here.
"""

import asyncio
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import httpx

from shared.bus.registry import INPUTS
from shared.devices.plan import MqttPlan, SitePlan, UplinkPlan
from shared.log.store import open_reader
from shared.runtime import places
from shared.wire.inputs import decode_input
from shared.wire.plans import encode_site
from tests.bench.fleet import hops
from tests.bench.fleet.site_at import plan_of
from tests.fleet.centre import KEY, Centre
from tests.testkit.fleet import KafkaBroker

SITES = 4
RATE = 1_000
"""Frames a second, of all sites together; each has 200 readings."""
SECONDS = 30.0
CHANGING = 0.001
"""Of the readings in each frame: 200 events a second."""
WARM_S = 5.0
"""What the first seconds tell is not counted."""
SETTLE_S = 10.0
OPERATORS = 3
TOKEN = "t" * 43
EVERYTHING = 1 << 62
Say = Callable[[str], None]
Running: TypeAlias = "subprocess.Popen[str]"


@dataclass
class Heard:
    """When each event came first, by its id."""

    at_ms: dict[str, float] = field(default_factory=dict)
    twice: int = 0


async def measure(broker: KafkaBroker, say: Say, seconds: float = SECONDS) -> dict[str, float]:
    """p50 and p99 of the time from frame to stream."""
    names = [f"site-{number}" for number in range(SITES)]
    with tempfile.TemporaryDirectory(prefix="ampward-bench-") as name:
        folder = Path(name)
        async with Centre(broker, partitions=SITES) as centre:
            await centre.register(*names)
            heard = [Heard() for _ in range(OPERATORS)]
            with ExitStack() as stack:
                made = [stack.enter_context(_site(folder / site, site, centre, seconds)) for site in names]
                sites, uplinks = [site for site, _ in made], [uplink for _, uplink in made]
                for site in sites:
                    await asyncio.to_thread(_line, site)
                centre.start()
                gateway = stack.enter_context(_gateway(centre))
                address = (await asyncio.to_thread(_line, gateway)).strip()
                listening = [asyncio.create_task(_listen(address, each)) for each in heard]
                await asyncio.sleep(SETTLE_S)
                watched = {"site": sites, "uplink": uplinks, "gateway": [gateway]}
                before = _cpu_s(watched, centre)
                ran = await asyncio.gather(*[asyncio.to_thread(_run, site) for site in sites])
                handing_s = sum(busy_s for _, busy_s in ran)
                after = _cpu_s(watched, centre) | {"handing in": handing_s}
                after["site"] -= handing_s
                used = hops.cpu_line(before | {"handing in": 0.0}, after, int(RATE * seconds))
                await asyncio.sleep(SETTLE_S / 2)
                for task in listening:
                    task.cancel()
                await asyncio.gather(*listening, return_exceptions=True)
            told = await hops.told_live(centre, SITES)
        ways = [way for each in heard for way in _ways(each, told, [folder / site for site in names])]
    late_ms = sorted(way.heard_at_ms - way.handed_at_ms for way in ways)
    p50, p99 = (hops.at_part(late_ms, part) for part in (0.5, 0.99))
    words = f"{len(late_ms)} alarm events at {OPERATORS} operators, {sum(each.twice for each in heard)} twice"
    say(f"  {sum(rate for rate, _ in ran):.0f} frames/s of {SITES} sites, {words}")
    say(f"  frame to stream: p50 {p50:.0f}, p99 {p99:.0f}, longest {late_ms[-1]:.0f} ms")
    for line in (*hops.lines([way for way in ways if way.heard_at_ms >= way.told.taken_at_ms], len(ways)), used):
        say(line)
    return {"stream_latency_ms_p50": p50, "stream_latency_ms_p99": p99}


@contextmanager
def _site(folder: Path, site: str, centre: Centre, seconds: float) -> Iterator[tuple["Running", "Running"]]:
    """A site that is ready to begin, and its uplink."""
    identity = folder / "identity"
    identity.mkdir(parents=True)
    place = centre.place(INPUTS, site)
    body = {
        "v": 1,
        "site": site,
        "partition": place.partition,
        "kafka_user": "",
        "mqtt_user": "",
        "topics": centre.prefix,
    }
    (identity / "identity.json").write_text(json.dumps(body))
    (identity / "signing.key").write_bytes(KEY.pem())
    uplink = UplinkPlan(kafka=centre.broker.bootstrap, identity=str(identity))
    plan = SitePlan(site, "UTC", "en", False, plan_of(site), (), MqttPlan(""), "", "", uplink=uplink)  # noqa: FBT003
    (folder / places.SITE_PLAN).write_bytes(encode_site(plan))
    words = [str(folder), site, str(RATE / SITES), str(seconds), str(CHANGING)]
    with _process("tests.bench.fleet.site_at", words) as made, _process("services.uplink", [str(folder)]) as joined:
        yield made, joined


@contextmanager
def _gateway(centre: Centre) -> Iterator["Running"]:
    words = [centre.broker.bootstrap, centre.prefix, str(centre.partitions), TOKEN]
    with _process("tests.fleet.gateway_process", words) as made:
        yield made


@contextmanager
def _process(module: str, words: Sequence[str]) -> Iterator["Running"]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    made: subprocess.Popen[str] = subprocess.Popen([sys.executable, "-m", module, *words], **pipes)  # type: ignore[call-overload]
    try:
        yield made
    finally:
        made.terminate()
        made.wait(30)
        for pipe in (made.stdin, made.stdout):
            if pipe is not None:
                pipe.close()


def _line(process: "Running") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _run(site: "Running") -> tuple[float, float]:
    """Let it begin; frames a second when it is through, and the processor time of handing them in."""
    assert site.stdin is not None
    site.stdin.write("go\n")
    site.stdin.flush()
    rate, busy_s = map(float, _line(site).split())
    return rate, busy_s


async def _listen(address: str, heard: Heard) -> None:
    """An operator who follows all alarms."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        httpx.AsyncClient(base_url=f"http://{address}", headers=headers, timeout=60) as client,
        client.stream("GET", "/api/v1/events", params={"since": "now", "type": "ampward.alarm"}) as answer,
    ):
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            now_ms = time.time() * 1000
            if line.startswith('data: {"specversion"'):
                name = json.loads(line[6:])["id"]
                heard.twice += name in heard.at_ms
                heard.at_ms.setdefault(name, now_ms)


def _cpu_s(watched: Mapping[str, Sequence[Running]], centre: Centre) -> dict[str, float]:
    """By kind, since they began; the operators are this process."""
    spent = {kind: sum(hops.cpu_s(each.pid) for each in processes) for kind, processes in watched.items()}
    processors = sum(hops.cpu_s(each.pid) for each in centre.processors)
    return spent | {"processor": processors, "Kafka": hops.cpu_s(centre.broker.pid), "operators": time.process_time()}


def _ways(heard: Heard, told: Mapping[str, hops.Told], folders: Sequence[Path]) -> Iterator[hops.Way]:
    """From the hand-over of each alarm event's frame to when it was heard."""
    never = hops.Told(0, EVERYTHING)
    for folder in folders:
        reader = open_reader(folder)
        try:
            handed: dict[int, int] = {}
            for row in reader.inputs(0, EVERYTHING):
                if row.kind == "frame":
                    handed[row.site_seq] = decode_input(row.data).body.sampled_at_ms  # type: ignore[union-attr]
            begin = min(handed.values()) + WARM_S * 1000
            committed = dict(hops.committed_at(folder, sorted(handed)))
            for _, event in reader.events(None, EVERYTHING):
                at_ms = handed.get(event.site_seq, 0)
                if at_ms >= begin and event.type.startswith("ampward.alarm."):
                    name = json.loads(event.data)["id"]
                    heard_at_ms = heard.at_ms.get(name, math.inf)
                    yield hops.Way(at_ms, committed[event.site_seq], told.get(name, never), heard_at_ms)
        finally:
            reader.close()
