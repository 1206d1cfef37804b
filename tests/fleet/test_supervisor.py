"""The fleet's supervision on a real Kafka and PostgreSQL: what is silent, wrong or ends is an alarm of _fleet."""

from collections.abc import AsyncIterator

import pytest

from shared.domain.inputs import What
from tests.fleet.supervised import Supervised, supervised
from tests.testkit.fleet import KafkaBroker, Postgres


@pytest.fixture
async def fleet(kafka: KafkaBroker, postgres: Postgres) -> AsyncIterator[Supervised]:
    async with supervised(kafka, postgres) as made:
        yield made


async def test_a_site_that_falls_silent_is_an_alarm_until_it_is_heard_again(fleet: Supervised) -> None:
    """Raised, acknowledged by a person through the orders' topic, over when the site comes back; the other is none."""
    await fleet.site("north")
    await fleet.site("south")
    fleet.start()
    await fleet.until(("recorded", "_site/notify"))
    await fleet.silence("north")
    events = await fleet.until(("raised", "north/site/site_lost"))
    (raised,) = [event for event in events if event.type.endswith("raised.v1")]
    assert (raised.severity, raised.state) == ("alarm", "B")
    await fleet.command(What.ACK, "_fleet/north/site/site_lost", occurrence=raised.occurrence)
    await fleet.until(("acked", "north/site/site_lost"))
    fleet.resume("north")
    events = await fleet.until(("acked", "north/site/site_lost"), ("cleared", "north/site/site_lost"))
    assert {event.subject for event in events if ".alarm." in event.type} == {"_fleet/north/site/site_lost"}
    assert [event.room_no for event in events if event.room == "north"] == [*range(1, 2 + 3 + 1)]
