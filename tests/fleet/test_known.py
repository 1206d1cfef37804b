"""What services know of rule sets and sites beside the blocks: bounded, and nothing is lost by that."""

import asyncio
import contextlib

from shared.bus.registry import RULESETS
from shared.log.kafka.bodies import Bodies
from shared.log.kafka.known import Known
from shared.log.kafka.records import KEY_BYTES_MAX, Place
from shared.wire.plans import decision_version
from tests.fleet.centre import Centre
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
