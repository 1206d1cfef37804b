"""Parts and dues of a site whose backlog drains: told as of the time of its records, not of when they came."""

from services.gateway.centre.stock import told_of
from services.processor.block_fold import SiteFold
from services.site.upkeep_items import upkeep
from shared.wire.inputs import decode_input
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
