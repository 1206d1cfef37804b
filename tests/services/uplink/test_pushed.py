"""A pushed file on its way through the uplink: it is waited for by a task, and by nobody's thread."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from services.uplink.budget import Budget
from services.uplink.fake import FakeFleet
from services.uplink.files import BAD_SIGNATURE, CENTRE, REFUSED, Files
from services.uplink.live import LiveLane
from services.uplink.orders import Orders
from services.uplink.port import Order
from shared.runtime import pushed
from shared.runtime.bell import Bell
from shared.runtime.clocks import ManualClock
from shared.runtime.pushed import Given, Said
from shared.wire.live import LiveAnswer
from shared.wire.orders import FileOrder, encode_order
from shared.wire.pushes import sign_file
from shared.wire.signing import SigningKey
from tests.services.uplink.centre import KEY
from tests.services.uplink.running import lane_of

CENTRE_KEY = SigningKey(bytes(range(32, 64)))
WITHIN_S = 60.0
ANSWER_S = 60.0
FREE_S = 30.0


def order(clock: ManualClock) -> FileOrder:
    made = FileOrder(
        id="push-1-s", site="s", sent_at_ms=clock.wall, ttl_ms=600_000, name="rules.yaml", number=3, actor="anna",
        body="rules: {}\n",
    )  # fmt: skip
    return sign_file(made, CENTRE_KEY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder that is the identity's, too."""
    (tmp_path / CENTRE).write_text(f"{CENTRE_KEY.public.text()}\n", encoding="ascii")
    return tmp_path


async def given(folder: Path) -> Given:
    """What the uplink hands to the site."""
    async with asyncio.timeout(WITHIN_S):
        while (found := pushed.given(folder)) is None:
            await asyncio.sleep(0.01)
    return found


@asynccontextmanager
async def running(folder: Path, files: Callable[[FileOrder], Awaitable[LiveAnswer | None]]) -> AsyncIterator[None]:
    """An uplink that was ordered to take a file, until its link is lost."""
    clock, fleet = ManualClock(), FakeFleet()
    fleet.orders.append(Order(encode_order(order(clock)), 1))
    centre = await fleet.connect(0)
    live = LiveLane(folder, "s", KEY, Budget(0), None, clock, Bell(folder))  # type: ignore[arg-type]
    orders = Orders("s", lane_of(folder), live, None, clock, files=files)  # type: ignore[arg-type]
    task = asyncio.create_task(orders.run(centre))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await centre.close()


async def test_a_link_that_is_lost_leaves_no_thread_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site takes its time over a file; the lanes of the next link find the threads that they need."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    looked = threading.Event()

    def nothing_yet(_folder: Path, _ident: str) -> None:
        looked.set()

    monkeypatch.setattr(pushed, "answered", nothing_yet)
    async with running(folder, Files(folder, folder, ANSWER_S).take):
        async with asyncio.timeout(WITHIN_S):
            while not looked.is_set():
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
    async with asyncio.timeout(FREE_S):
        assert await asyncio.to_thread(max, 1, 2) == 2


@pytest.mark.parametrize(("accepted", "reason"), [(True, ""), (False, REFUSED)])
async def test_what_the_site_says_of_a_file_is_the_answer(folder: Path, *, accepted: bool, reason: str) -> None:
    """Accepted or not, with the site's words."""
    wanted = order(ManualClock())
    taking = asyncio.create_task(Files(folder, folder, ANSWER_S).take(wanted))
    found = await given(folder)
    assert (found.id, found.name, found.body) == (wanted.id, wanted.name, wanted.body)
    pushed.answer(folder, Said(wanted.id, accepted, "why"))
    assert await taking == LiveAnswer(wanted.id, accepted, reason, "why")


async def test_a_site_that_says_nothing_is_given_up(folder: Path) -> None:
    """There is no answer then, and the order comes again."""
    assert await Files(folder, folder, 0.0).take(order(ManualClock())) is None


async def test_a_file_that_the_centre_did_not_sign_is_not_handed_in(folder: Path) -> None:
    """Its answer says so at once."""
    (folder / CENTRE).write_text(f"{KEY.public.text()}\n", encoding="ascii")
    said = await Files(folder, folder, ANSWER_S).take(order(ManualClock()))
    assert said is not None
    assert (said.accepted, said.reason) == (False, BAD_SIGNATURE)
    assert pushed.given(folder) is None
