"""What services know of rule sets and sites beside the blocks: bounded, and nothing is lost by that."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from shared.bus.registry import RULESETS, SITES
from shared.log.kafka.bodies import Bodies
from shared.log.kafka.known import FOREVER, Known
from shared.log.kafka.records import KEY_BYTES_MAX, Place
from shared.wire.plans import decision_version
from shared.wire.registrations import Registration
from shared.wire.signing import SigningKey
from tests.fleet.centre import KEY, Centre
from tests.fleet.lanes import Told
from tests.testkit.fleet import KafkaBroker

PLACE = Place(RULESETS.name, 0)


def body(n: int) -> bytes:
    """One that packs badly."""
    return b"".join(decision_version(b"%d %d" % (n, part)).encode() for part in range(40))


def test_bodies_take_no_more_than_they_may() -> None:
    """The one that was used longest ago goes; of each the place is known, and of names there are no more than said."""
    one = Bodies()
    one.put("v", body(0), PLACE, 0)
    made = Bodies(kept_bytes_max=3 * one.size + one.size // 2, names_max=5)
    for n in range(4):
        made.put(f"v{n}", body(n), PLACE, n)
        made.get("v0")
    assert [made.get(f"v{n}") for n in range(4)] == [body(0), None, body(2), body(3)]
    assert made.where("v1") == (PLACE, 1)
    for n in range(4, 100):
        made.put(f"v{n}", body(n), PLACE, n)
    assert made.size <= 4 * one.size
    assert [n for n in range(100) if made.where(f"v{n}") is not None] == list(range(95, 100))
    made.put("large", body(1) * 10, PLACE, 100)
    assert made.get("large") == body(1) * 10


async def test_a_rule_set_that_is_no_longer_in_memory_is_read_again_when_it_is_wanted(kafka: KafkaBroker) -> None:
    """Any site may write any number of them: those that others go by are found all the same."""
    bodies = {str(decision_version(body(n))): body(n) for n in range(12)}
    told = Told()
    async with Centre(kafka, partitions=2) as centre:
        await centre.rules(bodies)
        await centre.register("depot")
        small = Bodies(kept_bytes_max=4_000)
        known = Known(centre.access, "test", partitions=2, tell=told, prefix=centre.prefix, bodies=small)
        await known.begin()
        missing = [version for version in bodies if known.body(version) is None]
        assert missing and small.size <= 4_000
        following = asyncio.create_task(known.follow())
        async with asyncio.timeout(60):
            for version, value in bodies.items():
                while known.body(version) is None:
                    await asyncio.sleep(0.02)
                assert known.body(version) == value
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        assert known.is_registered("depot")
        assert not known.is_registered("depot"[:-1]) and not known.is_registered("s" * KEY_BYTES_MAX)
        await known.close()


async def test_a_key_signs_nothing_more_after_its_end(kafka: KafkaBroker) -> None:
    """For who reads on and for who begins later alike; a site that is enrolled again has its new key alone."""
    new = SigningKey(b"n" * 32)
    async with Centre(kafka, partitions=2) as centre, following(centre) as known:
        place = centre.place(SITES, "depot")
        once = Registration("depot", place.partition, (KEY.public.text(),))
        await centre.tell(once)
        await known.make_sure()
        assert known.key("depot", KEY.id, FOREVER - 1) == KEY.public
        await centre.tell(once._replace(keys=(), ended=True, former=((KEY.public.text(), 1_000),)))
        await known.make_sure()
        await centre.tell(once._replace(keys=(new.public.text(),), former=((KEY.public.text(), 1_000),)))
        assert known.is_ended("depot")
        await known.make_sure()
        async with following(centre) as later:
            for each in (known, later):
                assert each.key("depot", KEY.id, 999) == KEY.public
                assert each.key("depot", KEY.id, 1_000) is None
                assert each.key("depot", new.id, FOREVER - 1) == new.public
                assert (each.is_ended("depot"), each.has_former("depot")) == (False, True)


async def test_a_key_ends_by_the_brokers_clock_at_the_latest(kafka: KafkaBroker) -> None:
    """Who ended it had a clock that is far ahead, or his record says no time: it is over when the record is there."""
    async with Centre(kafka, partitions=1) as centre, following(centre) as known:
        once = Registration("depot", 0, (KEY.public.text(),))
        ahead = once._replace(site="mill", keys=(), ended=True, former=((KEY.public.text(), FOREVER >> 10),))
        for each in (once, once._replace(ended=True), once._replace(site="mill"), ahead):
            await centre.tell(each)
        await known.make_sure()
        told = await centre.first(SITES, 4)
        for site, record in (("depot", told[1]), ("mill", told[3])):
            assert known.key(site, KEY.id, record.at_ms - 1) == KEY.public
            assert known.key(site, KEY.id, record.at_ms) is None


@contextlib.asynccontextmanager
async def following(centre: Centre) -> AsyncIterator[Known]:
    known = Known(centre.access, "test", partitions=centre.partitions, tell=Told(), prefix=centre.prefix)
    await known.begin()
    task = asyncio.create_task(known.follow())
    try:
        yield known
    finally:
        task.cancel()
        await asyncio.wait([task])
        await known.close()
