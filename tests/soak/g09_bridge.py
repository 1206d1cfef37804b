"""G9 for hosted sites: what a device's broker has acknowledged is in Kafka, once, whatever dies on the way.

A run is a device that hands in frames, some twice, and poison, while a seed kills -9 the bridge that holds the site (a
second one waits), its site process or its uplink. Counted by number: acknowledged minus consumed is empty, no frame is
an input twice, and every frame of the log is in the blocks that the bridge signed.
"""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

from services.bridge.seen import RECENT
from shared.bus.registry import INPUTS
from shared.devices.frame import Frame
from shared.log.kafka.records import Place
from shared.log.kafka.stretch import read_stretch
from shared.wire.inputs import decode_input
from shared.wire.signing import read_public_key
from tests.fleet.hosted import PATIENCE_S, Device, Hosting, kill_part
from tests.services.uplink.centre import Centre
from tests.soak.kept import run_folder
from tests.soak.outcome import Outcome
from tests.testkit.fleet import KafkaBroker, Mosquitto, Postgres
from tests.testkit.process import Running, wait_for

FRAMES = 60
"""Between two deaths."""
PARTS = ("bridge", "services.site", "services.site", "services.uplink")


def run(count: int, seed: int) -> Outcome:
    """``count`` deaths of one site's hosting."""
    outcome, draw = Outcome(), random.Random(seed)
    with (
        run_folder("ampward-g09-", outcome) as folder,
        KafkaBroker(folder / "kafka") as kafka,
        _open(folder) as mosquitto,
        Postgres(folder / "postgres") as postgres,
        Hosting(folder, kafka, mosquitto, postgres.url) as hosting,
    ):
        site = hosting.enroll()
        bridges = [hosting.bridge(), hosting.bridge()]
        device = hosting.device(site)
        # The broker keeps the site's session from here on; what came before had nobody to go to.
        _wait("a session", lambda: any("bridge_connected" in bridge.output for bridge in bridges))
        for _ in range(count):
            _feed(device, draw)
            _kill(hosting, bridges, draw)
            outcome.runs += 1
        _feed(device, draw)
        _count(hosting, site, device.settle(), outcome, seed)
    return outcome


def _open(folder: Path) -> Mosquitto:
    """Mosquitto runs as its own user, who has to reach its folder."""
    folder.chmod(0o755)
    return Mosquitto(folder / "mosquitto")


def _wait(name: str, look: Callable[[], bool]) -> None:
    wait_for(look, within_s=PATIENCE_S, name=name)


def _feed(device: Device, draw: random.Random) -> None:
    for _ in range(FRAMES):
        number = device.hand_in(draw.randrange(30))
        chance = draw.random()
        if chance < 0.05:
            device.give(device.payload(0, draw.randint(max(1, number - RECENT + 1), number)))
        elif chance < 0.1:
            device.give(draw.randbytes(draw.randrange(200)))
        time.sleep(0.01 * draw.random())


def _kill(hosting: Hosting, bridges: list[Running], draw: random.Random) -> None:
    """One of the processes of the bridge that has the site."""
    part = draw.choice(PARTS)
    found: list[Running] = []

    def holder() -> bool:
        found[:] = [bridge for bridge in bridges if "hosting_begins" in bridge.output]
        return bool(found)

    _wait("a bridge that has the site", holder)
    if part == "bridge":
        bridges.remove(found[-1])
        found[-1].kill()
        bridges.append(hosting.bridge())
    else:
        kill_part(found[-1], part)


def _count(hosting: Hosting, site: str, acknowledged: set[int], outcome: Outcome, seed: int) -> None:
    entry = hosting.book.entry(site)
    place = Place(hosting.prefix + INPUTS.name, entry.partition)
    numbers: list[int] = []

    def consumed() -> bool:
        centre = Centre(key=read_public_key(entry.keys[-1]))
        for record in _records(hosting, place):
            centre.take(record)
        bodies = (decode_input(row.data).body for row in centre.inputs.values() if row.kind == "frame")
        numbers[:] = [body.device_seq for body in bodies if isinstance(body, Frame)]
        return acknowledged <= set(numbers)

    try:
        wait_for(consumed, within_s=2 * PATIENCE_S, every_s=1.0, name="every acknowledged frame in Kafka")
    except AssertionError as fault:
        outcome.faults.append(f"seed {seed}: {fault}")
    outcome.lost += len(acknowledged - set(numbers))
    outcome.doubled += len(numbers) - len(set(numbers))
    if numbers != sorted(numbers):
        outcome.faults.append(f"seed {seed}: the frames are not in their order")


def _records(hosting: Hosting, place: Place) -> list[bytes]:
    async def every() -> list[bytes]:
        return [each.value or b"" async for each in read_stretch(hosting.access, place)]

    return asyncio.run(every())
