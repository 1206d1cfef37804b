"""What a processor says of itself: ready with its partitions and states, alive while somebody looks at Kafka."""

import time

import pytest

from services.processor.books import Counts, Site
from services.processor.telling import Telling
from shared.log.kafka.records import Place
from shared.log.kafka.strangers import Strangers
from shared.log.kafka.watching import Standing, standing
from shared.runtime import metrics
from shared.runtime.metrics import Sample
from shared.runtime.probes import STILL_S

INPUTS = "ampward.inputs.v1"


class Worker:
    """As the real one, as far as it is asked."""

    def __init__(self) -> None:
        self.generation = -1
        self.is_restored = True
        self.counts = Counts(blocks=9, different=1, not_comparable=2, dead=3, skipped=4, asked=5)
        self.ages = metrics.Ages()
        self.strangers = Strangers(lambda _event, _words: None)

    def sites(self) -> tuple[Site, ...]:
        return Site("a"), Site("b", needs="key 1")

    def places(self) -> tuple[Place, ...]:
        return Place(INPUTS, 0), Place(INPUTS, 1)


@pytest.fixture
def telling() -> Telling:
    made = Telling(lambda _event, _words: None)
    made.worker = Worker()  # type: ignore[assignment]
    return made


def troubles(telling: Telling) -> list[str]:
    return [name for name, why in telling.ready().items() if why]


def test_it_is_ready_with_its_partitions_and_their_states(telling: Telling) -> None:
    """Not before the first ones, not while states are read, not without a broker."""
    assert troubles(telling) == ["partitions"]
    telling.worker.generation = 3  # type: ignore[union-attr]
    assert troubles(telling) == []
    telling.worker.is_restored = False  # type: ignore[misc, union-attr]
    telling.standing = Standing(is_away=True)
    assert troubles(telling) == ["kafka", "states"]


def test_it_is_alive_as_long_as_somebody_looks(telling: Telling) -> None:
    """A broker that is away is looked at too; before the first look nothing stands still."""
    telling.standing = Standing(looked_at_s=time.monotonic() - STILL_S - 1)
    assert telling.alive() == ""
    telling.is_watching = True
    assert "nobody has looked at Kafka" in telling.alive()
    telling.standing = standing(time.monotonic(), {}, None, telling.standing)
    assert telling.standing.is_away
    assert telling.alive() == ""


def test_verdicts_add_up_and_a_partition_without_blocks_has_no_lag(telling: Telling) -> None:
    """Each block is one of three; what is ours is shown before its first block comes."""
    told = list(telling.samples())
    assert [each.value for each in told if each.name == metrics.BLOCKS] == [6, 1, 2]
    assert Sample(metrics.HOLES, 5) in told
    assert Sample(metrics.DEADLETTERS, 3) in told
    assert Sample(metrics.SITES_PARKED, 1) in told
    assert Sample(metrics.LAG, 0, (INPUTS,)) in told
    assert Sample(metrics.PARTITIONS, 2, (INPUTS,)) in told
    telling.standing = Standing(behind={INPUTS: 7}, is_away=False)
    assert Sample(metrics.LAG, 7, (INPUTS,)) in list(telling.samples())
    assert metrics.text(metrics.registry_of(telling.samples))


def test_the_lag_is_what_was_not_read_of_all_places() -> None:
    """A place that nobody knows counts from its beginning, one that is past the end not at all."""
    places = {Place("t", 0): 5, Place("t", 1): -1, Place("u", 0): 9}
    ends = {Place("t", 0): 8, Place("t", 1): 2, Place("u", 0): 4}
    found = standing(1.0, places, ends, Standing())
    assert found == Standing({"t": 5, "u": 0}, {"t": 2, "u": 1}, is_away=False, rebuilt=0, looked_at_s=1.0)
    assert standing(2.0, places, None, found, 3) == found._replace(is_away=True, rebuilt=3, looked_at_s=2.0)
