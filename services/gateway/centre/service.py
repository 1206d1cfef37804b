"""`ampward service gateway`: the fleet's interface until INT or TERM.

Tokens stand in the service's data folder as at a site: DIR/token, made at the first start, is the machine token, named
ones are made by `ampward user`. Replicas share the folder's files by whatever puts them there (a secret, a volume).
Exit 0 for a clean end, 3 when it cannot start, 4 when a fault of this program ended the reading.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex, token_urlsafe
from time import time_ns

from services.gateway.address import bind, is_loopback
from services.gateway.api import create_app
from services.gateway.centre.follower import Follower, Wanted
from services.gateway.centre.older import Older
from services.gateway.centre.orders import Orders
from services.gateway.centre.picture import Picture
from services.gateway.centre.stands import PARTITIONS_MAX, RUN_BYTES, StandText
from services.gateway.centre.stock import Build, Stock, untold
from services.gateway.centre.telling import Telling
from services.gateway.centre.views import FleetViews
from services.gateway.keys import KeyRing, Keys
from services.gateway.past import SitesPast
from services.gateway.server import Gateway
from shared.bus.registry import COMMANDS, EVENTS, LIVE, RULESETS, SITES, STATE, Shape
from shared.domain.errors import AmpwardError, ConfigError
from shared.log.kafka.access import Access
from shared.log.kafka.producer import Producer
from shared.log.kafka.records import Tell
from shared.log.kafka.signs import signing
from shared.log.kafka.topics import check
from shared.runtime import places
from shared.runtime.fleet_file import FleetPlan
from shared.runtime.garbage import settle
from shared.runtime.logging import configure, logger
from shared.runtime.probes import serving_probes

TOPICS = (EVENTS, LIVE, COMMANDS, SITES, STATE, RULESETS)
GIVE_UP_S = 10.0
"""A person who commands waits for an answer: a command that Kafka does not take by then is told as not taken."""
CANNOT_START = 3
BROKEN = 4
TOKEN_BYTES = 32
IN_CLEAR = (
    "tokens and events cross the network in clear: put a proxy with TLS before this address and close it to others"
)


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """What a fleet's gateway is started with."""

    access: Access
    shape: Shape
    keys: Keys | str
    http: str
    prefix: str = ""
    health: str = ""
    """Where it tells how it is; "" is nowhere."""
    upkeep: Build = untold
    """What the rooms of a site have built in and due."""
    on_end: Callable[[], None] = lambda: None
    """Called when it follows its sites no more by a fault: what it shows would grow old."""


def wall_ms() -> int:
    return time_ns() // 1_000_000


@asynccontextmanager
async def serving(plan: GatewayPlan, tell: Tell, past: SitesPast | None = None) -> AsyncIterator[Gateway]:
    """A gateway that answers, also about ``past`` when there is one. Raises TopicsDrifted, KafkaUnavailable,
    ConfigError, Busy at its start."""
    telling = Telling(tell)
    async with serving_probes(plan.health, telling.probes(), tell), _serving(plan, telling, past) as gateway:
        yield gateway


@asynccontextmanager
async def _serving(plan: GatewayPlan, telling: Telling, past: SitesPast | None) -> AsyncIterator[Gateway]:
    tell = telling.tally.tell
    partitions = plan.shape.partitions
    if partitions > PARTITIONS_MAX:
        raise ConfigError(f"kafka.topics.partitions: {partitions}; a gateway reads at most {PARTITIONS_MAX}")
    for drift in await check(plan.access, [topic.named(plan.prefix) for topic in TOPICS], plan.shape):
        tell("topic_drifted", str(drift))
    picture = Picture(wall_ms)
    async with Producer(plan.access, "gateway", tell=tell, give_up_s=GIVE_UP_S) as producer:
        orders = Orders(producer, plan.prefix + COMMANDS.name, picture.registration, wall_ms)
        wanted = Wanted(plan.access, plan.prefix, partitions)
        follower = Follower(wanted, picture, orders, wall_ms=wall_ms, tell=tell)
        follower.spans = telling.spans
        older = Older(plan.access, plan.prefix + EVENTS.name, tell)
        stock = Stock(
            plan.access, partitions=partitions, prefix=plan.prefix, build=plan.upkeep, sites=picture.sites,
            wall_ms=wall_ms, tell=tell,
        )  # fmt: skip
        try:
            await follower.begin(token_hex(RUN_BYTES))
            texts = StandText(plan.prefix, partitions)
            views = FleetViews(follower, older, picture, orders, texts, wall_ms, stock)
            app = create_app(views, plan.keys, past, fleet=views.site_items)
            gateway = Gateway(app, bind(plan.http))
            await gateway.start()
            telling.begin(follower, orders, views, lambda: int(app.state.streams))
            following = asyncio.create_task(follower.follow(), name="follower")
            following.add_done_callback(lambda task: None if task.cancelled() else plan.on_end())
            try:
                yield gateway
            finally:
                await gateway.stop()
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
        finally:
            await stock.close()
            await older.close()
            await follower.close()
            await asyncio.to_thread(telling.spans.close)


Past = Callable[[FleetPlan], AbstractAsyncContextManager[SitesPast]]
"""Opens the past of all sites."""


def main(plan: FleetPlan, past: Past | None = None, upkeep: Build = untold) -> int:
    """Until INT or TERM."""
    configure("gateway")
    log = logger()

    async def run() -> int:
        stop, is_broken = asyncio.Event(), asyncio.Event()

        def give_up() -> None:
            is_broken.set()
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        keys = keys_of(Path(plan.data))
        made = GatewayPlan(plan.access(), plan.shape, keys, plan.http, plan.prefix, plan.health, upkeep, give_up)
        async with AsyncExitStack() as open_things:
            told = await open_things.enter_async_context(past(plan)) if past is not None else None
            serve = serving(made, lambda event, words: log.warning(event, words=words), told)
            gateway = await open_things.enter_async_context(serve)
            signs = signing(made.access, "gateway", wall_ms, prefix=plan.prefix, expires=keys.expiries)
            await open_things.enter_async_context(signs)
            log.info("gateway_started", http=gateway.address)
            if not is_loopback(gateway.address):
                log.warning("http_in_clear", http=gateway.address, words=IN_CLEAR)
            settle()
            await stop.wait()
        return BROKEN if is_broken.is_set() else 0

    try:
        return asyncio.run(run())
    except AmpwardError as fault:
        log.error("cannot_start", why=str(fault))
        return CANNOT_START


def keys_of(data: Path) -> KeyRing:
    """The tokens of a data folder; a new folder gets a machine token."""
    places.make_data_folder(data)
    path = data / places.TOKEN
    if not path.exists():
        places.write_file(data, places.TOKEN, f"{token_urlsafe(TOKEN_BYTES)}\n".encode())
    return KeyRing(path.read_text(encoding="utf-8").strip(), lambda: data / places.TOKENS, wall_ms)
