"""Where the time between a frame and an operator's screen goes, hop by hop, and the processor time of each process.

    handed in --> committed --> told by the uplink --> taken by Kafka --> heard by the operator
            group, core, fsync    look, read              sign, produce      fetch, merge, stream

All by the machine's wall clock: the frame bears the first time, a site's notes of its commits the second, the live
record the third, the topic the fourth (the broker's own time of appending). Of events that the blocks told first the
last two say nothing, so they are left out of the hops and counted.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from shared.bus.registry import LIVE
from shared.log.kafka.reader import Reader
from shared.log.kafka.records import Place
from shared.wire.live import decode_live
from tests.bench.fleet.site_at import COMMITS
from tests.fleet.centre import KEY, Centre

NAMES = ("group, core, fsync", "uplink looks, reads", "sign, Kafka takes it", "gateway, stream")
_TICKS = os.sysconf("SC_CLK_TCK")


class Told(NamedTuple):
    """When an event's live record was made, and when the broker took it."""

    sent_at_ms: int
    taken_at_ms: int


class Way(NamedTuple):
    """One event's times, in the order of the hops."""

    handed_at_ms: float
    committed_at_ms: float
    told: Told
    heard_at_ms: float

    def hops(self) -> tuple[float, ...]:
        stations = (self.handed_at_ms, self.committed_at_ms, *self.told, self.heard_at_ms)
        return tuple(after - before for before, after in pairwise(stations))


async def told_live(centre: Centre, count: int) -> dict[str, Told]:
    """By the event's id, from all that the live lane had."""
    places = [Place(centre.prefix + LIVE.name, number) for number in range(count)]
    found: dict[str, Told] = {}
    async with Reader(centre.access, dict.fromkeys(places, 0), "bench-hops") as reader:
        ends = await reader.ends(places)
        while any(reader.offset(place) < end for place, end in ends.items()):
            for record in await reader.take():
                live = decode_live(record.value or b"", {KEY.id: KEY.public})
                for event in live.events:
                    found.setdefault(json.loads(bytes(event))["id"], Told(live.sent_at_ms, record.at_ms))
    return found


def committed_at(folder: Path, numbers: Sequence[int]) -> Iterator[tuple[int, float]]:
    """When each of these numbers, which rise, was committed."""
    commits = iter(json.loads((folder / COMMITS).read_text(encoding="utf-8")))
    last, at_ms = 0, 0.0
    for number in numbers:
        while last < number:
            last, at_ms = next(commits)
        yield number, at_ms


def lines(ways: Sequence[Way], all_of_them: int) -> Iterator[str]:
    """The table of the hops."""
    yield f"  {len(ways)} of {all_of_them} came first by the live lane; their hops:"
    for name, times in zip(NAMES, zip(*[way.hops() for way in ways], strict=True), strict=True):
        p50, p99 = (at_part(sorted(times), part) for part in (0.5, 0.99))
        yield f"    {name:24} p50 {p50:4.0f}, p99 {p99:4.0f} ms"


def at_part(ordered: Sequence[float], part: float) -> float:
    """The value below which this part of them lies."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def cpu_s(pid: int) -> float:
    """Processor time of a process and of the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def cpu_of_family(pid: int) -> dict[str, float]:
    """Processor time of a worker and of the processes that fold for it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    found = {"worker": cpu_s(pid)}
    return found | {f"hand {number}": cpu_s(int(child)) for number, child in enumerate(children, 1)}


def cpu_line(before: Mapping[str, float], after: Mapping[str, float], frames: int) -> str:
    """What each kind of process took a frame."""
    spent = {name: (after[name] - before[name]) / frames * 1e6 for name in before}
    words = ", ".join(f"{name} {each:.0f}" for name, each in spent.items())
    return f"  processor time a frame, us: {words}; together {sum(spent.values()):.0f}"
