"""The Faust app on a real broker: recorded sites in, the fleet's events out, byte for byte."""

import asyncio
import json
from dataclasses import replace

from shared.bus.registry import COMMANDS, DEADLETTER, INPUTS
from shared.wire.blocks import Block, encode_block
from shared.wire.deadletters import decode_dead_letter
from shared.wire.orders import Resend, decode_order
from shared.wire.signing import SigningKey
from tests.fleet.centre import KEY, Centre, Told
from tests.fleet.traffic import MESSAGES, validate
from tests.services.processor.recorded import blocks_of, bodies, recorded
from tests.soak.rig import stored
from tests.testkit.fleet import KafkaBroker

STRANGER = SigningKey(bytes(32))


async def test_recorded_sites_come_out_equal(kafka: KafkaBroker) -> None:
    """One worker, two sites: every event of both, in order, all blocks equal; a clean stop ends with 0."""
    logs = {"depot": recorded(0), "mill": recorded(1)}
    async with Centre(kafka) as centre:
        processor = centre.start()
        await centre.register(*logs)
        for site, log in logs.items():
            await centre.rules(bodies(log))
            await centre.send(site, blocks_of(log, site=site, seed=1))
        told = Told(centre, {site: stored(log) for site, log in logs.items()})
        await told.follow(within_s=90)
        assert told.by_site() == dict(told.expected)
        assert set(told.verdicts) == {"equal"}
        assert processor.stop() == 0
        assert "block_differs" not in processor.events()


async def test_poison_is_buried_and_delays_no_neighbour(kafka: KafkaBroker) -> None:
    """Foreign bytes, a stranger's signature and another site's block are dead letters with their exact bytes."""
    log = recorded(0)
    async with Centre(kafka, partitions=1) as centre:
        processor = centre.start()
        await centre.register("good")
        await centre.register("bad", more=[STRANGER])
        await centre.rules(bodies(log))
        good, bad = (blocks_of(log, site=site, seed=2) for site in ("good", "bad"))
        data = encode_block(bad[1], KEY)
        broken = bytearray(encode_block(bad[1], KEY))
        broken[-1] ^= 1
        poison = [
            b"no block",
            bytes(broken),
            encode_block(good[0], KEY),
            data.replace(b'"site":"bad"', b'"site":"baf"'),
        ]
        await centre.send("bad", [bad[0], *poison])
        await centre.send("good", good)
        await centre.send("bad", bad[1:])
        told = Told(centre, {"good": stored(log), "bad": stored(log)})
        await told.follow(within_s=90)
        letters = [decode_dead_letter(r.value or b"") for r in await centre.first(DEADLETTER, len(poison))]
        assert [letter.data for letter in letters] == poison
        assert {letter.key for letter in letters} == {"bad"}
        assert {(letter.topic, letter.partition) for letter in letters} == {centre.place(INPUTS, "bad")}
        assert told.by_site() == dict(told.expected)
        assert processor.stop() == 0


async def test_a_hole_stops_its_site_and_is_asked_for(kafka: KafkaBroker) -> None:
    """A block that never came: the site is asked to send again from there, and does so under a higher epoch."""
    log = recorded(1)
    async with Centre(kafka, partitions=1) as centre:
        centre.start()
        await centre.register("holed", "whole")
        await centre.rules(bodies(log))
        blocks = blocks_of(log, site="holed", seed=3)
        await centre.send("holed", [*blocks[:5], *blocks[6:9]])
        await centre.send("whole", blocks_of(log, site="whole", seed=4))
        [asked] = await centre.first(COMMANDS, 1)
        order = decode_order(asked.value or b"")
        assert isinstance(order, Resend)
        validate(json.loads(asked.value or b""), MESSAGES["resend"]["payload"])
        assert (order.site, order.from_seq, order.epoch, order.state) == ("holed", blocks[5].first_seq, 1, False)
        await centre.send("holed", [replace(block, epoch=2) for block in blocks[5:]])
        told = Told(centre, {"holed": stored(log), "whole": stored(log)})
        await told.follow(within_s=90)
        assert told.by_site() == dict(told.expected)
        assert set(told.verdicts) == {"equal"}


async def _send_ever_again(centre: Centre, site: str, block: Block) -> None:
    """As a site that lives: one of its blocks comes when its registration is known."""
    while True:
        await centre.send(site, [block])
        await asyncio.sleep(0.5)


async def test_a_parked_site_catches_up_when_its_rules_come(kafka: KafkaBroker) -> None:
    """Without key and rule set nothing is taken, not even over a worker's death; then everything, in order.

    That a site was registered late is seen by its next block.
    """
    log = recorded(2)
    late = blocks_of(log, site="late", seed=5)
    async with Centre(kafka, partitions=1) as centre:
        first = centre.start()
        await centre.register("known")
        await centre.send("late", late[:30])
        await centre.send("known", blocks_of(log, site="known", seed=6)[:30])
        await centre.stands_at_end()
        first.kill()
        centre.start()
        await centre.send("late", late[30:-1])
        await centre.send("known", blocks_of(log, site="known", seed=6)[30:])
        await centre.stands_at_end()
        await centre.register("late")
        goes_on = asyncio.create_task(_send_ever_again(centre, "late", late[-1]))
        await asyncio.sleep(1)
        await centre.rules(bodies(log))
        told = Told(centre, {"late": stored(log), "known": stored(log)})
        await told.follow(within_s=90)
        goes_on.cancel()
        await asyncio.wait([goes_on])
        assert told.by_site() == dict(told.expected)
        assert set(told.verdicts) == {"equal"}


async def test_a_killed_workers_sites_go_on_elsewhere(kafka: KafkaBroker) -> None:
    """Two workers share the partitions; kill -9 of one in the middle loses nothing, and repeats are the same bytes."""
    sites = {f"s{n}": recorded(n % 3) for n in range(6)}
    async with Centre(kafka, hands=2) as centre:
        await centre.register(*sites)
        for log in sites.values():
            await centre.rules(bodies(log))
        workers = [centre.start(), centre.start()]
        blocks = {site: blocks_of(log, site=site, seed=7) for site, log in sites.items()}
        told = Told(centre, {site: stored(log) for site, log in sites.items()})
        following = asyncio.create_task(told.follow(within_s=120))
        for part in range(4):
            for site, made in blocks.items():
                await centre.send(site, made[len(made) * part // 4 : len(made) * (part + 1) // 4])
            await told.reached(sum(map(len, told.expected.values())) * part // 5)
            if part == 2:
                workers[0].kill()
        await following
        assert told.by_site() == dict(told.expected)
        assert told.wrong == []
        assert set(told.verdicts) == {"equal"}
