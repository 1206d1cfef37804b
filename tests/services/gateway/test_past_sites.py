"""The history of several sites over real HTTP: a token that names sites is told of these alone."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest

from services.gateway.address import bind_loopback
from services.gateway.api import create_app
from services.gateway.fake import FakeViews
from services.gateway.fake_past import FakePast
from services.gateway.keys import Caller
from services.gateway.past import PastViews
from services.gateway.roles import Role
from services.gateway.server import Gateway
from tests.testkit.web import web_client

ALL, MILL = "a" * 43, "m" * 43
LISTS = ("history/alarms", "history/outputs", "history/deliveries", "history/discharges", "kpis")


@dataclass
class Keys:
    """One token for all sites, one for the mill."""

    callers: dict[str, Caller] = field(
        default_factory=lambda: {
            ALL: Caller("machine", Role.ENGINEER),
            MILL: Caller("miller", Role.VIEWER, ("mill",), "00000001"),
        }
    )

    def find(self, secret: str) -> Caller | None:
        return self.callers.get(secret)

    def is_good(self, caller: Caller) -> bool:
        return caller in self.callers.values()


@dataclass
class Pasts:
    """Notes whose past was asked for."""

    asked: list[frozenset[str] | None] = field(default_factory=list)

    def of(self, sites: frozenset[str] | None) -> PastViews:
        self.asked.append(sites)
        return FakePast(point="mill/r1/gas1-h2")


class Views(FakeViews):
    def sites(self) -> frozenset[str]:
        return frozenset({"depot", "mill"})


@pytest.fixture
def pasts() -> Pasts:
    return Pasts()


@pytest.fixture
async def client(pasts: Pasts) -> AsyncIterator[httpx.AsyncClient]:
    served = Gateway(create_app(Views(), Keys(), pasts, fleet=lambda: ()), bind_loopback("127.0.0.1:0"))
    await served.start()
    async with web_client(f"{served.address}/api/v1") as made:
        yield made
    await served.stop()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("what", LISTS)
async def test_a_list_is_of_the_tokens_sites(client: httpx.AsyncClient, pasts: Pasts, what: str) -> None:
    """All for who has all, one's own for who has one; `site` narrows it, and never widens it."""
    for token, params in ((ALL, {}), (MILL, {}), (ALL, {"site": "depot"}), (MILL, {"site": "mill"})):
        assert (await client.get(f"/{what}", params=params, headers=bearer(token))).status_code == 200
    assert pasts.asked == [None, {"mill"}, {"depot"}, {"mill"}]
    refused = await client.get(f"/{what}", params={"site": "depot"}, headers=bearer(MILL))
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (403, "other-site")
    slip = await client.get(f"/{what}", params={"site": "depto"}, headers=bearer(MILL))
    assert (slip.status_code, slip.json()["errors"][0]["allowed"]) == (422, "mill")
    assert len(pasts.asked) == 4


async def test_a_trend_of_another_site_is_not_told(client: httpx.AsyncClient, pasts: Pasts) -> None:
    """Before anything is looked up."""
    own = await client.get("/history/points/mill/r1/gas1-h2", headers=bearer(MILL))
    assert (own.status_code, pasts.asked) == (200, [{"mill"}])
    other = await client.get("/history/points/depot/r1/gas1-h2", headers=bearer(MILL))
    assert (other.status_code, other.json()["type"].rpartition(":")[2]) == (403, "other-site")
    assert len(pasts.asked) == 1
