"""How a service of the centre begins that keeps rows in PostgreSQL beside its places in Kafka.

    topics looked at -> a pool that bears a name of its own -> the schema brought to this program's form -> work

Raises what keeps it from beginning: TopicsDrifted, KafkaUnavailable, DatabaseAway, SchemaNewer.
"""

import os
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

from shared.bus.registry import Shape, Topic
from shared.log.kafka.access import Access
from shared.log.kafka.topics import check
from shared.runtime.fleet_service import Tell
from shared.runtime.postgres import Migrations, Pool, close, connect, migrate


class OnServers(Protocol):
    """Where the servers are: part of what such a service is started with."""

    @property
    def access(self) -> Access: ...

    @property
    def shape(self) -> Shape: ...

    @property
    def prefix(self) -> str: ...

    @property
    def postgres_url(self) -> str: ...

    @property
    def statement_s(self) -> float: ...


class Begun(NamedTuple):
    """What it works with."""

    pool: Pool
    """Names without a schema are those of its own."""
    name: str
    """Of this process: no other has it or had it. The server knows the pool's sessions by it."""


@asynccontextmanager
async def begun(
    plan: OnServers, service: str, topics: Iterable[Topic], migrations: Migrations, tell: Tell
) -> AsyncIterator[Begun]:
    """See the module; the pool is closed at the end."""
    for drift in await check(plan.access, [topic.named(plan.prefix) for topic in topics], plan.shape):
        tell("topic_drifted", str(drift))
    name = f"{service}-{os.getpid()}-{secrets.token_hex(4)}"
    pool = await connect(plan.postgres_url, name, schema=migrations.schema, statement_s=plan.statement_s)
    try:
        steps = await migrate(pool, migrations)
        if steps:
            tell("schema_migrated", f"{steps} steps")
        yield Begun(pool, name)
    finally:
        await close(pool)
