"""A gateway on a free port, with views in memory behind it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from services.gateway.address import bind_loopback
from services.gateway.api import create_app
from services.gateway.fake import FakeViews
from services.gateway.server import Gateway
from tests.testkit.web import web_client

TOKEN = "t" * 43


@pytest.fixture
def views() -> FakeViews:
    return FakeViews()


@pytest.fixture
async def gateway(views: FakeViews) -> AsyncIterator[Gateway]:
    served = Gateway(create_app(views, TOKEN), bind_loopback("127.0.0.1:0"))
    await served.start()
    yield served
    await served.stop()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with web_client(gateway.address, headers) as made:
        yield made
