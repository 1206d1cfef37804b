"""What the centre's notifier says of its place on the live lane."""

from types import SimpleNamespace
from typing import Any

import pytest

from services.notifier.centre.lane import LiveLanes
from services.notifier.centre.telling import Telling
from shared.bus.registry import LIVE, SITES
from shared.log.kafka.access import Access
from shared.log.kafka.records import Place, Record
from shared.log.kafka.watching import Standing
from shared.runtime import metrics
from shared.runtime.metrics import Sample

NOW_MS = 1_000_000


class Nobody:
    """No site is ours: what is read concerns nobody."""

    def seat(self, _site: str) -> None:
        return None


@pytest.fixture
def lanes() -> LiveLanes:
    clock: Any = SimpleNamespace(wall_ms=lambda: NOW_MS)
    sites: Any = Nobody()
    return LiveLanes(Access("127.0.0.1:1"), "", sites, clock, lambda _event, _words: None)


def reads(lanes: LiveLanes, standing: Standing) -> None:
    """It has a reader that stands so."""
    reader: Any = SimpleNamespace(standing=standing)
    lanes._reader = reader


def read(lanes: LiveLanes, topic: str, at_ms: int) -> None:
    """It takes a record that the broker took at this time."""
    lanes._take((Record(Place(topic, 0), 7, b"depot", b"{}" if topic == LIVE.name else None, (), at_ms),))


def test_the_lag_is_the_age_of_what_was_read_last_while_there_is_more(lanes: LiveLanes) -> None:
    """None at the end, however long ago the last record came; all that it reads back before it has looked once."""
    assert lanes.lag_s() == 0
    reads(lanes, Standing())
    lanes._read_ms = NOW_MS - 600_000
    assert lanes.lag_s() == 600
    reads(lanes, Standing(behind={LIVE.name: 3, SITES.name: 0}, partitions={LIVE.name: 2, SITES.name: 2}))
    read(lanes, LIVE.name, NOW_MS - 8_500)
    read(lanes, SITES.name, NOW_MS)
    assert lanes.lag_s() == 8.5
    reads(lanes, Standing(behind={LIVE.name: 0, SITES.name: 4}, partitions={LIVE.name: 2, SITES.name: 2}))
    assert lanes.lag_s() == 0


def test_a_broker_whose_clock_is_ahead_makes_no_negative_lag(lanes: LiveLanes) -> None:
    """It is by two clocks."""
    reads(lanes, Standing(behind={LIVE.name: 1}, partitions={LIVE.name: 1}))
    read(lanes, LIVE.name, NOW_MS + 5_000)
    assert lanes.lag_s() == 0


def test_a_replica_tells_of_its_live_lane_with_and_without_one(lanes: LiveLanes) -> None:
    """The figure is there from the first scrape on; records behind and partitions come with the reader."""
    telling = Telling(lambda _event, _words: None)
    assert Sample(metrics.LIVE_LAG, 0) in list(telling.samples())
    telling.lanes = lanes
    reads(lanes, Standing(behind={LIVE.name: 3}, partitions={LIVE.name: 2}, rebuilt=1))
    lanes._read_ms = NOW_MS - 2_000
    told = list(telling.samples())
    assert Sample(metrics.LIVE_LAG, 2.0) in told
    assert Sample(metrics.LAG, 3, (LIVE.name,)) in told
    assert Sample(metrics.PARTITIONS, 2, (LIVE.name,)) in told
    assert Sample(metrics.REBUILT, 1) in told
    assert metrics.text(metrics.registry_of(telling.samples))
