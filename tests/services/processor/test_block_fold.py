"""One site's blocks at the centre: equal to the site's runner for every cut, repeat and restart."""

import random
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from services.processor.block_fold import Batch, Hole, Parked, Repeat, SiteFold
from shared.domain.version import CORE_VERSION
from shared.log.memory import MemoryLog
from shared.log.port import EventRow
from shared.wire.batches import Verdict
from shared.wire.blocks import Block
from shared.wire.inputs import decode_input
from shared.wire.site_state import decode_site_state, encode_site_state
from tests.services.processor.recorded import block_from, blocks_of, links_of, recorded
from tests.soak.rig import stored

OTHER_CORE = CORE_VERSION + 1


def _site(log: MemoryLog) -> SiteFold:
    return SiteFold("demo", log.ruleset)


def _taken(site: SiteFold, blocks: list[Block]) -> list[Batch]:
    """All blocks, each of which must be a Batch."""
    found = []
    for block in blocks:
        step = site.take(block)
        assert isinstance(step, Batch), step
        found.append(step)
    return found


def _end(site: SiteFold) -> bytes:
    return encode_site_state(site.state(offset=0, generation=0))


@pytest.mark.parametrize("seed", range(4))
def test_every_block_of_a_recorded_log_is_equal(seed: int) -> None:
    """The centre derives the site's events byte for byte, over restarts and kills."""
    log = recorded(seed)
    site, blocks = _site(log), blocks_of(log, site="demo", seed=seed)
    found = _taken(site, blocks)
    assert decode_site_state(_end(site)).at_ms == decode_input(blocks[-1].inputs[-1].data).at_ms
    assert {batch.verdict for batch in found} == {Verdict.EQUAL}
    told = [event.data for batch in found for event in batch.events]
    assert told == stored(log)
    assert len(told) > 100


@settings(max_examples=8, phases=[Phase.generate], deadline=None)
@given(cut=st.integers(0, 1 << 30), most=st.integers(1, 40), chaos=st.integers(0, 1 << 30))
def test_any_cut_repeat_and_restart_ends_alike(cut: int, most: int, chaos: int) -> None:
    """Blocks cut otherwise, given again, and a worker that starts from the state's bytes change nothing."""
    log = recorded(chaos % 3)
    blocks, others = blocks_of(log, site="demo", seed=cut, most=most), blocks_of(log, site="demo", seed=chaos, most=4)
    draw, site = random.Random(chaos), _site(log)
    told: list[bytes] = []
    for block in blocks:
        if draw.random() < 0.3:
            known = [each for each in others if each.first_seq <= site.site_seq + 1]
            told += _events(site.take(draw.choice(known[-3:])))
        told += _events(site.take(block))
        if draw.random() < 0.1:
            state = decode_site_state(encode_site_state(site.state(offset=7, generation=1)))
            site = _site(log)
            site.restore(state)
    assert told == stored(log)
    assert _end(site) == _plain_end(chaos % 3)


@cache
def _plain_end(seed: int) -> bytes:
    """Where the centre stands with a log that came once and whole."""
    site = _site(recorded(seed))
    _taken(site, blocks_of(recorded(seed), site="demo"))
    return _end(site)


def _events(step: object) -> list[bytes]:
    assert isinstance(step, Batch | Repeat)
    assert not isinstance(step, Batch) or step.verdict is Verdict.EQUAL
    return [event.data for event in step.events] if isinstance(step, Batch) else []


def test_a_missing_block_stops_the_site_until_it_is_sent_again() -> None:
    """Nothing behind the hole is taken; the resend under a higher epoch is, and lower epochs are ignored from then."""
    log = recorded(0)
    blocks = blocks_of(log, site="demo", seed=5)
    site = _site(log)
    _taken(site, blocks[:4])
    hole = Hole(blocks[3].last_seq + 1, state=False)
    assert [site.take(block) for block in blocks[5:8]] == [hole] * 3
    again = [replace(block, epoch=2) for block in blocks[2:]]
    assert isinstance(site.take(again[0]), Repeat)
    assert isinstance(site.take(again[1]), Repeat)
    assert {batch.verdict for batch in _taken(site, again[2:])} == {Verdict.EQUAL}
    assert site.take(blocks[-1]) == Repeat(1)
    plain = _site(log)
    _taken(plain, [replace(block, epoch=2) for block in blocks])
    assert _end(site) == _end(plain)


def test_a_site_that_joins_late_sends_its_state() -> None:
    """Without a beginning a state is asked for; with the site's own snapshot everything after it is equal."""
    log = recorded(1)
    snapshot = log.snapshot()
    assert snapshot is not None
    late = [each for each in links_of(log) if each[2][0].site_seq > snapshot.site_seq]
    head = next(after for after in range(1, len(late)) if late[after][2][0].kind == "start")
    names = list(log.log_ids())
    blocks = [block_from(late[:head], site="demo", names=names), block_from(late[head:], site="demo", names=names)]
    site = _site(log)
    assert site.take(blocks[0]) == Hole(1, state=True)
    with_state = replace(blocks[0], epoch=2, states=snapshot.states)
    found = _taken(site, [with_state, replace(blocks[1], epoch=2)])
    assert [batch.verdict for batch in found] == [Verdict.EQUAL] * 2
    whole = _site(log)
    _taken(whole, blocks_of(log, site="demo"))
    assert site.fold.snapshot() == whole.fold.snapshot()


def test_an_event_that_the_core_would_not_say_is_different() -> None:
    """The site's own bytes pass on, the difference is named, and the next block is compared again."""
    log = recorded(0)
    links = list(links_of(log))
    at = next(n for n, each in enumerate(links) if n > 20 and each[3])
    before, link, rows, events = links[at]
    forged = EventRow(*events[0][:-1], events[0].data.replace(b'"state":"', b'"state":"?'))
    names = list(log.log_ids())
    changed = (before, link, rows, (forged, *events[1:]))
    site = _site(log)
    _taken(site, blocks_of_links(links[:at], names))
    [batch] = _taken(site, blocks_of_links([changed], names))
    assert batch.verdict is Verdict.DIFFERENT
    assert '"state":"?' in batch.why
    assert batch.events[0].data == forged.data
    rest = _taken(site, blocks_of_links(links[at + 1 :], names))
    assert {each.verdict for each in rest} == {Verdict.EQUAL}


def blocks_of_links(links: list[tuple], names: list[tuple[int, str]]) -> list[Block]:  # type: ignore[type-arg]
    """One block a link."""
    return [block_from([each], site="demo", names=names) for each in links]


def test_blocks_of_another_core_version_pass_on_until_a_state_comes() -> None:
    """They are never called different; the events stay the site's, and a state that comes makes it compare again."""
    log = recorded(2)
    blocks = blocks_of(log, site="demo", seed=3, most=30)
    site = _site(log)
    _taken(site, blocks[:5])
    passed = _taken(site, [replace(block, core_version=OTHER_CORE) for block in blocks[5:10]])
    assert {batch.verdict for batch in passed} == {Verdict.NOT_COMPARABLE}
    assert [event for batch in passed for event in batch.events] == [e for b in blocks[5:10] for e in b.events]
    [still] = _taken(site, blocks[10:11])
    assert still.verdict is Verdict.NOT_COMPARABLE
    told = _site(log)
    _taken(told, blocks[:11])
    with_state = replace(blocks[11], epoch=2, states=told.fold.snapshot())
    found = _taken(site, [with_state, *(replace(block, epoch=2) for block in blocks[12:])])
    assert {batch.verdict for batch in found} == {Verdict.EQUAL}


def test_a_rule_set_without_its_body_parks_the_site() -> None:
    """Nothing moves until the body is there; then the same block is taken as if nothing had been."""
    log = recorded(0)
    bodies: dict[str, bytes] = {}
    site = SiteFold("demo", bodies.get)
    blocks = blocks_of(log, site="demo")
    step = site.take(blocks[0])
    assert isinstance(step, Parked)
    assert (site.epoch, site.site_seq) == (0, 0)
    body = log.ruleset(step.version)
    assert body is not None
    bodies[step.version] = body
    assert {batch.verdict for batch in _taken(site, blocks)} == {Verdict.EQUAL}


def test_a_state_of_another_core_version_is_not_folded_on() -> None:
    """A worker of a newer program goes on passing events, and says why it compares nothing."""
    log = recorded(0)
    blocks = blocks_of(log, site="demo", seed=9)
    site = _site(log)
    _taken(site, blocks[:6])
    other = _site(log)
    other.restore(site.state(offset=1, generation=1)._replace(core_version=OTHER_CORE))
    [batch] = _taken(other, blocks[6:7])
    assert batch.verdict is Verdict.NOT_COMPARABLE
    assert str(OTHER_CORE) in batch.why


def test_a_fold_that_raises_is_told_and_ends_with_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the core raises on here it has not raised on at the site: different, then blind until a state comes."""
    log = recorded(0)
    blocks = blocks_of(log, site="demo", seed=9)
    site = _site(log)
    _taken(site, blocks[:6])
    good = _site(log)
    _taken(good, blocks[:8])
    monkeypatch.setattr(site.fold, "apply", lambda _entry: 1 // 0)
    found = _taken(site, blocks[6:8])
    assert [batch.verdict for batch in found] == [Verdict.DIFFERENT, Verdict.NOT_COMPARABLE]
    assert "ZeroDivisionError" in found[0].why
    [healed] = _taken(site, [replace(blocks[8], epoch=2, states=good.fold.snapshot())])
    assert healed.verdict is Verdict.EQUAL
