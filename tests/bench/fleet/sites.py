"""What a reading costs by how many sites a worker has: processor time from block to batch.

Every site sends blocks of ten frames in turns, so each block finds another site's state in the processor's caches; the
first block, which builds a site's plan, is not counted; nor are states, which take a tenth of the time at most
(services.processor.worker). 10,000 sites are computed: the cost of 1,000, and what the last tenfold added, once more.
"""

import time

from services.processor.seats import KEY as NEEDS_KEY
from services.processor.seats import RULES, Given, Seats
from shared.runtime.garbage import settle
from shared.wire.blocks import encode_block
from tests.bench.fleet import load
from tests.bench.rooms import KINDS
from tests.bench.site import MODULES
from tests.fleet.centre import KEY
from tests.services.processor.recorded import block_from, bodies, links_of

COUNTS = (1, 10, 100, 1_000)
FRAMES = 10_000
"""Of all sites together, at least."""
BLOCK = 10
CHANGING = 0.04


def measure() -> dict[str, float]:
    """Nanoseconds a reading, by the number of sites."""
    found = {f"processor_ns_a_reading_{count}_sites": _cost(count) for count in COUNTS}
    hundred, thousand = list(found.values())[-2:]
    found["processor_ns_a_reading_10000_sites_computed"] = thousand + max(0.0, thousand - hundred)
    return found


def _cost(sites: int) -> float:
    rounds = max(2, FRAMES // (BLOCK * sites))
    log = load.recorded_log((rounds + 1) * BLOCK, CHANGING, group=BLOCK)
    names = list(log.log_ids())
    links = list(links_of(log))
    first, rest = links[:-rounds], links[-rounds:]
    seats = Seats()
    for n in range(sites):
        seats.learn(NEEDS_KEY + KEY.public.id, f"site-{n}", KEY.public.raw)
    for version, body in bodies(log).items():
        seats.learn(RULES + version, "", body)
    for n in range(sites):
        site = f"site-{n}"
        _take(seats, [Given(site, 0, encode_block(block_from(first, site=site, names=names), KEY, pack=True))])
    settle()
    spent = 0.0
    for number, link in enumerate(rest):
        given = [
            Given(site, number + 1, encode_block(block_from([link], site=site, names=names), KEY, pack=True))
            for site in (f"site-{n}" for n in range(sites))
        ]
        began = time.process_time()
        _take(seats, given)
        spent += time.process_time() - began
    readings = rounds * sites * BLOCK * MODULES * len(KINDS)
    return 1e9 * spent / readings


def _take(seats: Seats, given: list[Given]) -> None:
    assert {outcome.verdict for outcome in seats.take(given)} == {"equal"}
