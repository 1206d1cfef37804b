"""The processor as its own user over TLS: it may read and write what it needs, and nothing else stops it."""

import asyncio
import subprocess
import sys
from pathlib import Path

from services.uplink.identity import read_identity
from shared.bus.registry import EVENTS, INPUTS, RULESETS
from shared.log.kafka.producer import Producer
from shared.log.kafka.reader import Reader
from shared.log.kafka.records import Place
from shared.wire.batches import decode_batch
from shared.wire.blocks import encode_block
from tests.fleet.secured import Secured
from tests.services.processor.recorded import blocks_of, bodies, recorded
from tests.soak.rig import stored

SITE = "sealed"


async def _told(secured: Secured) -> list[bytes]:
    """Sends a recorded log as the enrolled site, and gives what the gateway then reads."""
    log, identity = recorded(0), read_identity(secured.folder / "identities" / SITE, SITE)
    async with Producer(secured.uplink(SITE), "uplink") as producer:
        for version, body in bodies(log).items():
            place = await producer.partition_for(RULESETS.name, version.encode())
            await producer.send(place, version.encode(), body)
        for block in blocks_of(log, site=SITE, seed=1):
            data = encode_block(block, identity.key)
            await producer.send(Place(INPUTS.name, identity.partition), SITE.encode(), data)
    found: list[bytes] = []
    async with asyncio.timeout(120):
        async with Reader(secured.service("gateway"), {Place(EVENTS.name, identity.partition): 0}, "gateway") as reader:
            while len(found) < len(stored(log)):
                batches = [decode_batch(record.value or b"") for record in await reader.take()]
                found += [event for batch in batches if batch.site == SITE for event in batch.events]
    return found


def test_the_processor_works_with_its_own_rights(secured: Secured) -> None:
    """With TLS, users and ACLs `ampward service processor` derives an enrolled site's events; TERM ends it."""
    secured.enroll(SITE)
    program = Path(sys.executable).with_name("ampward")
    command = [str(program), "service", "processor", "--config", str(secured.folder / "fleet.yaml")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        assert asyncio.run(_told(secured)) == stored(recorded(0))
        process.terminate()
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, b"")
    finally:
        process.kill()
        process.communicate()
