"""The fleet's gateway on a real broker: all sites in one stream, over restarts and replicas; commands down."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.gateway.centre import tail
from shared.wire.signing import SigningKey
from tests.fleet.centre import Centre
from tests.fleet.telling_sites import Sites, client_of, gateway, ids, listen
from tests.testkit.fleet import KafkaBroker


@pytest.fixture
async def centre(kafka: KafkaBroker) -> AsyncIterator[Centre]:
    async with Centre(kafka, partitions=3) as made:
        await made.register("depot", "mill")
        yield made


@pytest.fixture
def sites(centre: Centre) -> Sites:
    return Sites(centre)


async def test_two_sites_are_one_stream(centre: Centre, sites: Sites) -> None:
    """What was there and what comes later, of both sites, each site's in its order and once."""
    await sites.batch("depot", 1, 2, 3)
    await sites.batch("mill", 1, 2)
    async with gateway(centre) as served, client_of(served) as client:
        listening = asyncio.create_task(listen(client, 8))
        await sites.batch("mill", 3)
        await sites.batch("depot", 4, 5)
        heard = await asyncio.wait_for(listening, 60)
        assert [each for each in heard.ids if each.startswith("depot")] == ids("depot", range(1, 6))
        assert [each for each in heard.ids if each.startswith("mill")] == ids("mill", range(1, 4))
        assert (await listen(client, since=heard.last)).ids == []
        assert (await listen(client, site="mill")).ids == ids("mill", range(1, 4))


async def test_an_event_of_both_lanes_is_told_once_and_at_once(centre: Centre, sites: Sites) -> None:
    """The live lane is first while the blocks are behind; what it left out comes by them, in either order."""
    async with gateway(centre) as served, client_of(served) as client:
        listening = asyncio.create_task(listen(client, 7))
        await sites.live("depot", 5, 6)
        await sites.batch("depot", 1, 2, 3)
        await sites.batch("depot", 4, 5, 6)
        await sites.live("depot", 6)
        await sites.batch("depot", 4, 5, 6)
        await sites.batch("depot", 7)
        heard = await asyncio.wait_for(listening, 60)
        assert sorted(heard.ids) == ids("depot", range(1, 8))
        everything = (await listen(client)).ids
        assert sorted(everything) == ids("depot", range(1, 8))


async def test_a_reader_goes_on_at_another_replica_from_each_place(centre: Centre, sites: Sites) -> None:
    """Whatever the last cursor was, another replica tells exactly the rest, and one that starts later all of it."""
    async with gateway(centre) as one, client_of(one) as client:
        for number in range(1, 6):
            await sites.live("depot", 2 * number)
            await sites.batch("mill", number)
            await sites.batch("depot", 2 * number - 1, 2 * number)
        heard = await asyncio.wait_for(listen(client, 15), 60)
        async with gateway(centre) as other, client_of(other) as elsewhere:
            for place, (cursor, _) in enumerate(heard.told):
                rest = await listen(elsewhere, since=cursor)
                assert sorted(rest.ids) == sorted(heard.ids[place + 1 :])
                again = await listen(client, since=cursor)
                assert again.ids == heard.ids[place + 1 :]


async def test_what_left_memory_is_read_from_the_topic(
    centre: Centre, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who comes from far back, or falls behind, misses nothing."""
    monkeypatch.setattr(tail, "ENTRIES_MAX", 10)
    async with gateway(centre) as served, client_of(served) as client:
        for number in range(1, 41):
            await sites.batch("depot", 2 * number - 1, 2 * number)
            await sites.batch("mill", number)
        heard = await asyncio.wait_for(listen(client, 120), 60)
        assert [each for each in heard.ids if each.startswith("depot")] == ids("depot", range(1, 81))
        assert [each for each in heard.ids if each.startswith("mill")] == ids("mill", range(1, 41))
        middle = heard.told[60][0]
        assert sorted((await listen(client, since=middle)).ids) == sorted(heard.ids[61:])


async def test_a_live_record_that_its_site_has_not_signed_is_not_shown(centre: Centre, sites: Sites) -> None:
    """Whoever may write to the topic cannot speak for a site: another site's key, no key, a changed value."""
    other = SigningKey(b"o" * 32)
    await centre.register("cellar", key=other)
    async with gateway(centre) as served, client_of(served) as client:
        listening = asyncio.create_task(listen(client, 2))
        await sites.live("depot", 1, key=other)
        signed = await sites.live("depot", 2)
        await sites.again("depot", signed.replace(b'"depot-2"', b'"depot-9"'))
        await sites.again("mill", signed)
        await sites.live("nowhere", 3)
        await sites.live("cellar", 4, key=other)
        assert sorted((await asyncio.wait_for(listening, 30)).ids) == ["cellar-4", "depot-2"]
        assert sorted((await listen(client)).ids) == ["cellar-4", "depot-2"]


async def test_a_new_key_is_taken_and_a_site_that_ended_is_not(centre: Centre, sites: Sites) -> None:
    """Registrations change while the gateway runs; one that starts later knows them before it reads a live record."""
    new = SigningKey(b"n" * 32)
    async with gateway(centre) as served, client_of(served) as client:
        await centre.register("depot", key=new)
        while (await client.get("/api/v1/sites")).json()["items"][0]["log_id"] == "":
            await sites.live("depot", 1, key=new)
            await asyncio.sleep(0.1)
        await sites.live("depot", 2)
        await sites.live("mill", 3)
        await asyncio.wait_for(listen(client, 2), 30)
        assert sorted(set((await listen(client)).ids)) == ["depot-1", "mill-3"]
    async with gateway(centre) as later, client_of(later) as client:
        assert sorted(set((await listen(client)).ids)) == ["depot-1", "mill-3"]
