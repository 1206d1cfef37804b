"""The figures' Faust app on a real broker: every batch counted once, also when a worker is killed in the middle."""

import asyncio
import subprocess
import sys

from shared.bus.registry import EVENTS, KPIS
from shared.wire import kpis
from shared.wire.batches import encode_batch
from tests.fleet.centre import Centre
from tests.services.processor.test_figures import expected, summed, told_batches
from tests.testkit.fleet import KafkaBroker

SITES = ("depot", "mill")
PARTITIONS = 2


def _start(centre: Centre) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.fleet.kpi_process", centre.broker.bootstrap, centre.prefix]
    return subprocess.Popen([*command, str(PARTITIONS)])


async def test_a_killed_worker_costs_no_figure(kafka: KafkaBroker) -> None:
    """Half of the batches, kill -9, the other half: the windows' sums are those of the logs; TERM ends with 0."""
    made = {site: [encode_batch(batch) for batch in told_batches(site)] for site in SITES}
    wanted = {name: len(SITES) * count for name, count in expected().items()}
    async with Centre(kafka, partitions=PARTITIONS) as centre:
        workers = [_start(centre)]
        try:
            found: list[kpis.Kpi] = []
            async with asyncio.timeout(120), centre.reader(KPIS) as reader:
                for half in (0, 1):
                    for site, records in made.items():
                        middle = len(records) // 2
                        for data in records[middle:] if half else records[:middle]:
                            await centre.producer.send(centre.place(EVENTS, site), site.encode(), data)
                    if half == 0:
                        found += [kpis.decode_kpi(record.value or b"") for record in await reader.take()]
                        workers[0].kill()
                        workers.append(_start(centre))
                while dict(summed(found)) != wanted:
                    found += [kpis.decode_kpi(record.value or b"") for record in await reader.take()]
            assert {kpi.site for kpi in found} == set(SITES)
            workers[1].terminate()
            assert workers[1].wait(60) == 0
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
