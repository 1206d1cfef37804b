"""Whom a site tells outside, and how much may go there."""

import socket
from pathlib import Path
from typing import cast

from services.gateway.fake import FakeViews
from services.site.faces import Faces, Outside, brokers
from services.site.notify import Telling
from services.site.past import SitePast
from services.site.views import SiteViews
from shared.devices.plan import MqttPlan, UplinkPlan
from tests.bus.publishing import FakeFeed


async def test_the_fleets_broker_gets_half_of_what_may_go_up(tmp_path: Path) -> None:
    """The site's own broker is on its network and has no bound."""
    uplink = UplinkPlan(kafka="k:1", mqtt="mqtt://127.0.0.1:1", identity=str(tmp_path), kib_per_s=64)
    told = brokers(MqttPlan("mqtt://127.0.0.1:1"), uplink)
    with socket.socket() as listening:
        outside = Outside(listening, "", lambda: tmp_path, told, "demo", "b", 0)
        views, past, telling = cast(SiteViews, FakeViews()), cast(SitePast, None), cast(Telling, None)
        faces = Faces(views, past, FakeFeed, outside, telling)
        faces._ending.set()
        for one in told:
            await faces._publish(one)
    assert [publisher._budget.bytes_per_s for publisher in faces._publishers] == [0, 32 * 1024]
