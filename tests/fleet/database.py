"""A database of its own for a test, on the one PostgreSQL of the run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from shared.runtime.postgres import Pool, close, connect
from tests.testkit.fleet import Postgres, unique


async def new_database(postgres: Postgres) -> str:
    """Its address."""
    name = unique("db").replace("-", "_")
    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return f"{postgres.url.rpartition('/')[0]}/{name}"


@asynccontextmanager
async def pool_of(url: str, schema: str = "history") -> AsyncIterator[Pool]:
    pool = await connect(url, "test", schema=schema, idle_s=60)
    try:
        yield pool
    finally:
        await close(pool)
        await asyncio.sleep(0)  # asyncpg's transports end in the loop's next turn
