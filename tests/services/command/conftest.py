"""A running site for the commands: a data folder, and behind it a gateway with views in memory, in a thread."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.gateway.address import bind_loopback
from services.gateway.api import create_app
from services.gateway.fake import FakeViews
from services.gateway.server import Gateway
from services.site.command.app import call

TOKEN = "t" * 43


@dataclass
class Ran:
    """What a command line came to."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@dataclass
class Served:
    """A site as the commands find it."""

    folder: Path
    views: FakeViews
    address: str
    loop: asyncio.AbstractEventLoop


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """One command line in this process."""

    def once(*words: object) -> Ran:
        capsys.readouterr()
        code = call([str(word) for word in words])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return once


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[FakeViews, Gateway]:
        views = FakeViews()
        gateway = Gateway(create_app(views, TOKEN), bind_loopback("127.0.0.1:0"))
        await gateway.start()
        return views, gateway

    views, gateway = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    (tmp_path / "run.json").write_text(json.dumps({"pid": 1, "http": gateway.address}))
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    yield Served(tmp_path, views, gateway.address, loop)
    asyncio.run_coroutine_threadsafe(gateway.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
