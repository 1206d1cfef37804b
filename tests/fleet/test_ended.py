"""A site whose registration ends while its box goes on sending, and a broker that knows no rights: nobody folds it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from shared.bus.registry import EVENTS, SITES
from shared.log.kafka.records import Place
from shared.wire.batches import decode_batch
from shared.wire.blocks import Block, encode_block
from shared.wire.registrations import Registration
from shared.wire.signing import SigningKey
from tests.fleet.centre import KEY, Centre, Told
from tests.services.processor.recorded import blocks_of, bodies, recorded
from tests.soak.rig import stored
from tests.testkit.fleet import KafkaBroker

NEW = SigningKey(b"n" * 32)
GONE = ("mast", "cellar")
STAY = ("north", "south")
"""One in each partition, both."""


async def test_an_ended_site_is_out_of_both_workers_and_goes_on_when_it_is_enrolled_again(kafka: KafkaBroker) -> None:
    """Its blocks after the end are passed by, nothing is parked and its neighbours go on; with new keys its log goes on
    where the centre stands, without a restart of anybody."""
    logs = {site: recorded(seed) for seed, site in enumerate((*GONE, *STAY))}
    blocks = {site: blocks_of(log, site=site, seed=8) for site, log in logs.items()}
    halves = {site: len(made) // 2 for site, made in blocks.items()}
    async with Centre(kafka, partitions=2) as centre:
        for pair in (GONE, STAY):
            assert {centre.place(SITES, site).partition for site in pair} == {0, 1}
        await centre.register(*logs)
        for log in logs.values():
            await centre.rules(bodies(log))
        workers = [centre.start(), centre.start()]
        for site, made in blocks.items():
            await centre.send(site, made[: halves[site]])
        half = {site: events_of(blocks[site][: halves[site]]) for site in logs}
        await Told(centre, half).follow(within_s=90)
        for site in GONE:
            await centre.tell(registration(centre, site)._replace(ended=True, former=former()))
        async with asyncio.timeout(90):
            while not all("not_registered" in worker.events() for worker in workers):
                await asyncio.gather(*(centre.send(site, [b"no block"]) for site in GONE))
                await asyncio.sleep(0.2)
        for site in (*GONE, *STAY):  # In each partition the one that stays comes last: when it is told all was read.
            await centre.send(site, blocks[site][halves[site] :])
        kept = {**half, **{site: stored(logs[site]) for site in STAY}}
        await Told(centre, kept).follow(within_s=90)
        assert await everything(centre) == kept
        for site in GONE:
            await centre.tell(registration(centre, site)._replace(keys=(NEW.public.text(),), former=former()))
            again = [encode_block(replace(block, epoch=2), NEW) for block in blocks[site][halves[site] :]]
            await centre.send(site, again)
        whole = Told(centre, {site: stored(log) for site, log in logs.items()})
        await whole.follow(within_s=90)
        assert whole.by_site() == dict(whole.expected)
        assert set(whole.verdicts) == {"equal"}
        for worker in workers:
            assert worker.stop() == 0
            assert not {"site_parked", "block_differs"} & worker.events()


async def everything(centre: Centre) -> dict[str, list[bytes]]:
    """All events that the processors have published by now."""
    found = Told(centre, {})
    async with centre.reader(EVENTS) as reader:
        ends = await reader.ends([Place(centre.prefix + EVENTS.name, number) for number in range(centre.partitions)])
        while any(reader.offset(place) < end for place, end in ends.items()):
            for record in await reader.take():
                found.note(decode_batch(record.value or b""))
    return found.by_site()


def registration(centre: Centre, site: str) -> Registration:
    """Without keys."""
    return Registration(site, centre.place(SITES, site).partition, ())


def former() -> tuple[tuple[str, int], ...]:
    """The key ends when its record is there: who ended it has a clock that is ahead."""
    return ((KEY.public.text(), 1 << 50),)


def events_of(blocks: Sequence[Block]) -> list[bytes]:
    return [event.data for block in blocks for event in block.events]
