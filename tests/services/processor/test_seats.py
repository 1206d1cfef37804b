"""Whatever an enrolled site signs costs that site its state at the most: the process goes on, and so do the others."""

from collections.abc import Sequence

import pytest

from services.processor import seats as module
from services.processor.seats import KEY, RULES, Given, Kind, Outcome, Seats
from shared.domain.inputs import Tick
from shared.domain.version import CORE_VERSION
from shared.log.chain import GENESIS, link
from shared.wire.batches import Verdict, decode_batch
from shared.wire.blocks import Block, BlockLink, encode_block
from shared.wire.inputs import encode_input
from shared.wire.rows import EventBytes, InputRow
from shared.wire.signing import SigningKey
from shared.wire.site_state import SiteState, decode_site_state
from tests.services.processor.recorded import blocks_of, bodies, recorded

SIGNER = SigningKey(bytes(range(32)))
ODD, GOOD = "odd", "good"
TICK = encode_input("l", 1, 5, 7, Tick("r1"))
OF_LATER = b'{"kind":"frame","v":9,"log_id":"l","site_seq":1,"news":true}\n'


def _seats() -> Seats:
    seats = Seats()
    for site in (ODD, GOOD):
        seats.learn(KEY + SIGNER.id, site, SIGNER.public.raw)
    for version, body in bodies(recorded(0)).items():
        seats.learn(RULES + version, "", body)
    return seats


def _signed(
    data: bytes,
    kind: str = "tick",
    *,
    events: Sequence[bytes] = (),
    core_version: int = CORE_VERSION,
    states: dict[str, bytes] | None = None,
    log_id: str = "l",
) -> bytes:
    """The first block of a site, with this one input and these events of it."""
    rows = (InputRow(1, kind, data),)
    made = tuple(EventBytes(1, ordinal, event) for ordinal, event in enumerate(events))
    head = BlockLink(1, link(GENESIS, rows, made).hash)
    block = Block(ODD, 1, log_id, 1, 1, GENESIS, (head,), core_version, rows, made, states=states or {})
    return encode_block(block, SIGNER)


def _taken(seats: Seats, data: bytes) -> tuple[Outcome, SiteState]:
    """What became of it and where its site stands then; another site's block behind it is taken as ever."""
    good = encode_block(blocks_of(recorded(0), site=GOOD, seed=1)[0], SIGNER)
    odd, other = seats.take([Given(ODD, 3, data), Given(GOOD, 4, good)])
    assert (other.kind, other.verdict) == (Kind.BATCH, Verdict.EQUAL.value)
    state, of_good = seats.states([(ODD, 4, ""), (GOOD, 5, "")], 1)
    assert decode_site_state(of_good).states
    return odd, decode_site_state(state)


def test_an_input_of_a_later_program_passes_on() -> None:
    """A site that was upgraded before the workers sends what they cannot read: its state says so, without a stamp."""
    outcome, state = _taken(_seats(), _signed(OF_LATER, "frame", core_version=CORE_VERSION + 1))
    assert (outcome.kind, outcome.verdict) == (Kind.BATCH, Verdict.NOT_COMPARABLE.value)
    assert (state.site_seq, state.at_ms) == (1, 0)
    assert str(CORE_VERSION + 1) in state.blind


def test_an_input_of_this_version_that_does_not_decode_is_told_as_different() -> None:
    """Its block is taken, blind from there on."""
    outcome, state = _taken(_seats(), _signed(OF_LATER, "frame"))
    assert (outcome.kind, outcome.verdict) == (Kind.BATCH, Verdict.DIFFERENT.value)
    assert (state.site_seq, state.at_ms) == (1, 0)


def test_a_stamp_that_no_number_holds_is_none() -> None:
    """A year beyond all others is not carried on."""
    outcome, state = _taken(_seats(), _signed(TICK.replace(b'"at_ms":7', b'"at_ms":1%s' % (b"0" * 30))))
    assert outcome.kind is Kind.BATCH
    assert state.at_ms == 0


@pytest.mark.parametrize(
    "data",
    [
        _signed(TICK, events=[b""]),
        _signed(TICK, states={"": b"\xff"}),
        _signed(TICK, log_id="\0"),
        _signed(TICK, log_id="l" * 65),
        _signed(TICK, log_id=""),
    ],
    ids=["an empty event", "a version that is no text", "a NUL", "a long log_id", "no log_id"],
)
def test_what_nobody_can_read_is_a_dead_letter(data: bytes) -> None:
    """The site stands where it would without it, or without a state: its next block asks for one."""
    seats = _seats()
    outcome, _ = _taken(seats, data)
    assert outcome.kind is Kind.DEAD
    second = blocks_of(recorded(0), site=ODD, seed=1)[1]
    [after] = seats.take([Given(ODD, 5, encode_block(second, SIGNER))])
    assert after.kind is Kind.HOLE


def test_a_state_that_cannot_be_written_leaves_the_site_blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record says why, and the next block asks for the site's own state."""
    seats = _seats()
    blocks = [encode_block(block, SIGNER) for block in blocks_of(recorded(0), site=GOOD, seed=1)[:2]]
    [first] = seats.take([Given(GOOD, 0, blocks[0])])
    assert first.verdict == Verdict.EQUAL.value
    fold = seats._folds[GOOD].fold
    monkeypatch.setattr(type(fold), "snapshot", lambda _fold: {"": 1 << 70})
    [state] = seats.states([(GOOD, 1, "")], 1)
    assert "OverflowError" in decode_site_state(state).blind
    [second] = seats.take([Given(GOOD, 1, blocks[1])])
    assert (second.verdict, second.wants_state) == (Verdict.NOT_COMPARABLE.value, True)


def test_a_calm_site_is_said_to_be_decided_every_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a batch without events: else whoever watches the centre sees a backlog that grows until the next event."""
    monkeypatch.setattr(module, "CALM_INPUTS", 3)
    seats, waiting, empty = _seats(), 0, 0
    for offset, block in enumerate(blocks_of(recorded(0), site=GOOD, seed=1)):
        [taken] = seats.take([Given(GOOD, offset, encode_block(block, SIGNER))])
        assert taken.kind is Kind.BATCH
        waiting = 0 if taken.record else waiting + taken.inputs
        assert waiting < 3
        if taken.record:
            batch = decode_batch(taken.record)
            assert (batch.verdict, batch.last_seq) == (Verdict.EQUAL, taken.site_seq)
            empty += not batch.events
    assert empty


def test_bodies_of_rule_sets_have_a_bound_and_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site may name one after another: a fold that goes by one needs its body no more, the next one parks for it."""
    monkeypatch.setattr(module, "BODIES_BYTES_MAX", 1000)
    seats, blocks = _seats(), [encode_block(each, SIGNER) for each in blocks_of(recorded(0), site=GOOD, seed=1)]
    ((version, body),) = bodies(recorded(0)).items()
    (first,) = seats.take([Given(GOOD, 0, blocks[0])])
    for n in range(100):
        seats.learn(f"{RULES}v{n}", ODD, bytes(900))
    (second,) = seats.take([Given(GOOD, 1, blocks[1])])
    assert [each.kind for each in (first, second)] == [Kind.BATCH, Kind.BATCH]
    assert sum(map(len, seats._bodies.values())) <= 1000
    seats.drop(GOOD)
    (again,) = seats.take([Given(GOOD, 0, blocks[0])])
    assert (again.kind, again.needs) == (Kind.PARKED, RULES + version)
    seats.learn(again.needs, GOOD, body)
    assert [each.kind for each in seats.take([Given(GOOD, 0, blocks[0])])] == [Kind.BATCH]
