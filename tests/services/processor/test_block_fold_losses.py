"""What a site lost, seen from the centre: never called different, and compared again as soon as it can be."""

from dataclasses import replace
from pathlib import Path

from services.processor.block_fold import Batch, SiteFold
from shared.domain.errors import LogFull
from shared.log.port import Reading
from shared.log.sqlite_read import SqliteReader
from shared.log.store import MemoryStore
from shared.wire.batches import Verdict
from shared.wire.blocks import Block
from tests.contract.forgery import flip_input
from tests.services.processor.plant import bank, gas
from tests.services.processor.recorded import blocks_of
from tests.services.processor.site import in_memory, on_disk
from tests.services.processor.test_undurable import failing


def _verdicts(site: SiteFold, blocks: list[Block]) -> list[Verdict]:
    found = []
    for block in blocks:
        step = site.take(block)
        assert isinstance(step, Batch), step
        found.append(step.verdict)
    return found


def test_inputs_that_went_while_the_disk_was_full_are_no_difference() -> None:
    """The chain bridges the hole in the numbers; rooms are compared again from their Resync on."""
    site = in_memory()
    site.open()
    site.commit(gas(1, 20))
    with failing(site, LogFull("no space")):
        for n in range(2, 900):
            site.commit(gas(n, 250 if 700 < n < 720 else 20), bank(n, low=frozenset(range(n % 3))))
            if n % 3 == 0:
                site.tick(0)
    site.tick(1000)
    for n in range(900, 930):
        site.commit(gas(n, 20), bank(n, low=frozenset(range(n % 3))))
    assert isinstance(site.store, MemoryStore)
    log = site.store.log
    numbers = [row.site_seq for row in log.inputs(0, 10_000)]
    assert len(numbers) < numbers[-1], "inputs were lost"
    found = _verdicts(SiteFold("s", log.ruleset), blocks_of(log, site="s", most=1))
    assert Verdict.DIFFERENT not in found
    assert found[-20:] == [Verdict.EQUAL] * 20
    assert Verdict.NOT_COMPARABLE in found


def test_a_log_that_was_set_aside_is_followed_by_the_new_one(tmp_path: Path) -> None:
    """The centre has seen more than the damaged log could keep: it goes on with the new log's own Resyncs."""
    site = on_disk(tmp_path)
    site.open()
    for n in range(1, 15):
        site.commit(gas(n, 250 if n == 6 else 20), bank(n, low=frozenset(range(n % 3))))
    old, rulesets = _read(tmp_path)
    site.kill()
    flip_input(tmp_path, 14)
    site.open()
    for n in range(15, 30):
        site.commit(gas(n, 20), bank(n, low=frozenset(range(n % 3))))
    new, more = _read(tmp_path)
    site.runner.close()
    centre = SiteFold("s", {**rulesets, **more}.get)
    assert set(_verdicts(centre, old)) == {Verdict.EQUAL}
    assert new[0].prev_hash != old[-1].head_hash
    found = _verdicts(centre, [replace(block, epoch=2) for block in new])
    assert set(found) == {Verdict.EQUAL}
    assert centre.fold.lost == set()


def _read(folder: Path) -> tuple[list[Block], dict[str, bytes]]:
    """The blocks of a folder's log, and its rule sets."""
    reader = SqliteReader.open(folder / "log.db")
    blocks = blocks_of(reader, site="s")
    bodies = {version: _body(reader, version) for version in _versions(blocks)}
    reader.close()
    return blocks, bodies


def _body(log: Reading, version: str) -> bytes:
    body = log.ruleset(version)
    assert body is not None
    return body


def _versions(blocks: list[Block]) -> set[str]:
    rows = [row.data for block in blocks for row in block.inputs if row.kind == "ruleset"]
    return {data.partition(b'"version":"')[2][:32].decode() for data in rows}
