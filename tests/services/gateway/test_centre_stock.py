"""Parts and dues of a site whose backlog drains: told as of the time of its records, not of when they came."""

import threading
from collections.abc import Callable

from services.gateway.centre.stock import Stock, told_of
from services.processor.block_fold import SiteFold
from services.site.upkeep_items import upkeep
from shared.log.kafka.access import Access
from shared.log.kafka.records import Place, Record
from shared.wire.inputs import decode_input
from shared.wire.site_state import encode_site_state
from tests.services.processor.recorded import blocks_of, recorded

DAY_MS = 86_400_000


def test_what_a_backlog_says_is_as_of_its_newest_record() -> None:
    """A state that was written three days after its newest record: rows and dates count from the record."""
    log = recorded(0)
    site, blocks = SiteFold("demo", log.ruleset), blocks_of(log, site="demo", seed=0)
    for block in blocks:
        site.take(block)
    newest = decode_input(blocks[-1].inputs[-1].data).at_ms
    state = site.state(offset=1, generation=1)
    body = log.ruleset(state.states[""].decode())
    assert body is not None
    told = told_of(state, body, newest + 3 * DAY_MS, upkeep)
    assert {part.as_of_ms for part in told.parts} | {due.as_of_ms for due in told.dues} == {newest}
    assert told == told_of(state._replace(at_ms=0), body, newest, upkeep)


class KnownToTheLoop:
    """Rule sets that belong to one thread. ``read`` of them ends with being followed, as ``then`` says."""

    def __init__(self, body: bytes, then: Callable[[], None]) -> None:
        self._body = body
        self._then = then
        self._owner = threading.get_ident()

    def body(self, _version: str) -> bytes:
        assert threading.get_ident() == self._owner, "asked for in another thread than the loop's"
        self._then()
        return self._body


async def test_the_rule_sets_are_asked_for_in_the_loop_that_follows_them() -> None:
    """States are read in threads, rule sets are not: also when nobody follows them any more, parts are told."""
    log = recorded(0)
    site = SiteFold("demo", log.ruleset)
    for block in blocks_of(log, site="demo", seed=0):
        site.take(block)
    state = site.state(offset=1, generation=1)
    body = log.ruleset(state.states[""].decode())
    assert body is not None
    told: list[str] = []
    stock = Stock(
        Access("127.0.0.1:1"), partitions=1, prefix="", build=upkeep, sites=lambda: frozenset({"demo"}),
        wall_ms=lambda: state.at_ms, tell=lambda event, words: told.append(f"{event} {words}"),
    )  # fmt: skip
    record = Record(Place("ampward.state.v1", 0), 1, b"demo", encode_site_state(state), (), state.at_ms)
    stock._note(record)

    def nobody_follows() -> None:
        stock._known = None

    stock._known = KnownToTheLoop(body, nobody_follows)  # type: ignore[assignment]
    found = await stock._all()
    assert told == []
    assert found.parts == told_of(state, body, state.at_ms, upkeep).parts
    assert found.parts
