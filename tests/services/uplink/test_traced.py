"""Traces of what went up: of each lane, and only of what the fleet has."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.uplink.fake import FakeFleet
from services.uplink.port import Centre, CentreLost
from services.uplink.traced import TracedCentre
from shared.runtime.tracing import Stage, by_input
from shared.wire.events import decode_event
from shared.wire.live import Live, encode_live, raw_events
from tests.runtime.test_tracing import Kept
from tests.services.processor.site import on_disk
from tests.services.uplink.centre import KEY
from tests.services.uplink.running import drain, told
from tests.services.uplink.test_lane import live

NOW_MS = 1 << 50


@dataclass
class Traced(FakeFleet):
    """A fleet whose connections tell of what went up."""

    spans: Kept = field(default_factory=Kept)

    async def connect(self, done_order: int) -> Centre:  # type: ignore[override]  # The port is all that is used of it.
        return TracedCentre(await super().connect(done_order), KEY.public, self.spans, lambda: NOW_MS)


def test_each_traced_input_is_told_when_the_fleet_has_its_block(tmp_path: Path) -> None:
    """From its acceptance, once: not of a block that was lost on its way, which comes again."""
    site = on_disk(tmp_path)
    site.open()
    live(site, 60)
    fleet, lost = Traced(), list[int]()

    def lose(count: int) -> None:
        if not lost:
            lost.append(count)
            raise CentreLost("cut")

    fleet.before_block = lose
    drain(tmp_path, fleet)
    causes = {cause: caused[0].at_ms for cause, caused in by_input(map(decode_event, told(tmp_path)))}
    assert len(causes) > 3
    assert [(span.input, span.start_ms) for span in fleet.spans.told] == list(causes.items())
    assert {(span.stage, span.key, span.end_ms) for span in fleet.spans.told} == {(Stage.SEND, "blocks", NOW_MS)}


async def test_a_live_record_is_told_when_it_is_taken(tmp_path: Path) -> None:
    """By the other lane; one that the fleet did not take is not."""
    site = on_disk(tmp_path)
    site.open()
    live(site, 25)
    events = tuple(told(tmp_path))
    causes = [cause for cause, _ in by_input(map(decode_event, events))]
    data = encode_live(Live(site="s", log_id="l", site_seq=9, sent_at_ms=1, events=raw_events(events)), KEY)
    fleet = Traced()
    centre = await fleet.connect(0)
    await centre.send_live(data)
    assert [(span.input, span.key) for span in fleet.spans.told] == [(cause, "live") for cause in causes]
    fleet.is_up = False
    with pytest.raises(CentreLost):
        await centre.send_live(data)
    assert len(fleet.spans.told) == len(causes)
    await centre.close()
