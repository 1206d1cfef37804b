"""PostgreSQL as services of the centre use it: one pool, numbered migrations, partitions by month or day.

    migrations 1, 2, 3 of the program   database at 1     2 and 3 are run, in one transaction under a lock
                                        database at 3     nothing is done
                                        database at 4     SchemaNewer: the newer program is to be started

Each service has a schema of its own with a table ``version``. Replicas may start at the same time: one migrates, the
others wait for it. A partition is made before its first row; what is older than is kept goes by dropping whole
partitions, which costs nothing by the row.

Promises: a statement ends within STATEMENT_S, also when the server hangs; a program that sleeps in the midst of a
transaction loses it, and its locks, after IDLE_S; no password is part of a text of ours.
Refuses: SchemaNewer; DatabaseAway when the server cannot be reached or asks for another password.
Limits: POOL connections a service.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import asyncpg

from shared.domain.errors import AmpwardError

POOL: Final = 4
CONNECT_S: Final = 10.0
CLOSE_S: Final = 3.0
STATEMENT_S: Final = 15.0
IDLE_S: Final = 5.0
DAY_MS: Final = 86_400_000
SETTINGS: Final = {
    "timezone": "UTC",
    "lock_timeout": "5s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
"""A program that sleeps, or whose network is cut, in the midst of a transaction holds its locks for so long at most."""
_LOCK: Final = 0x616D70
"""Advisory lock class of migrations and partitions; the object is a hash of the schema."""

TROUBLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""What a statement raises when the server, or the way to it, is not well; the last but two when the server ends while
the library is in the midst of an answer."""
Connection = Any
"""asyncpg's connection: the library has no types."""
Pool = Any


def is_refused(fault: BaseException) -> bool:
    """Whether it was the row itself, which PostgreSQL will not take from anybody, however often it is tried: what does
    not fit its type, or is above a limit of the server (classes 22 and 54). A server that is full, ends, or has other
    tables than it should is not that."""
    if isinstance(fault, asyncpg.PostgresError):
        return str(fault.sqlstate)[:2] in ("22", "54")
    return isinstance(fault, asyncpg.InterfaceError) and isinstance(fault, ValueError)


class DatabaseAway(AmpwardError):
    """PostgreSQL does not answer, or refuses; the message has no address with a password."""


class SchemaNewer(AmpwardError):
    """The schema was made by a newer program."""


class Migrations(NamedTuple):
    """A schema and how it came to be: step n is at n - 1. Names without a schema in the steps are this schema's."""

    schema: str
    steps: tuple[str, ...]


async def connect(
    url: str,
    name: str,
    *,
    schema: str = "",
    pool: int = POOL,
    statement_s: float = STATEMENT_S,
    idle_s: float = IDLE_S,
) -> Pool:
    """A pool of connections that tell the server who they are. ``schema`` is where names without one are looked for.
    ``idle_s`` may be longer where nobody waits for what a transaction holds. Raises DatabaseAway."""
    settings = {"application_name": f"ampward {name}", **SETTINGS} | ({"search_path": schema} if schema else {})
    settings["idle_in_transaction_session_timeout"] = f"{round(idle_s * 1000)}ms"
    try:
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=pool,
            timeout=CONNECT_S,
            command_timeout=statement_s,
            server_settings=settings,
        )
    except TROUBLE as fault:
        raise DatabaseAway(f"PostgreSQL cannot be reached: {type(fault).__name__}: {fault}") from fault


async def close(pool: Pool) -> None:
    """Give the connections back; never waits long for a server that hangs."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await pool.close()
    except TROUBLE:
        pool.terminate()


async def migrate(pool: Pool, migrations: Migrations) -> int:
    """Bring the schema to this program's form; how many steps were run. Raises SchemaNewer, DatabaseAway."""
    schema, steps = migrations
    try:
        return await _migrate(pool, schema, steps)
    except TROUBLE as fault:
        raise DatabaseAway(f"schema {schema} cannot be made: {type(fault).__name__}: {fault}") from fault


async def _migrate(pool: Pool, schema: str, steps: Sequence[str]) -> int:
    async with pool.acquire() as connection, _locked(connection, schema):
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {schema}.version"
            " (number integer PRIMARY KEY, run_at timestamptz NOT NULL DEFAULT now())"
        )
        found: int = await connection.fetchval(f"SELECT coalesce(max(number), 0) FROM {schema}.version")
        if found > len(steps):
            raise SchemaNewer(
                f"schema {schema} has form {found}, this program knows up to {len(steps)}: start the newer program"
            )
        await connection.execute(f"SET LOCAL search_path TO {schema}")
        for number, step in enumerate(steps[found:], found + 1):
            await connection.execute(step)
            await connection.execute(f"INSERT INTO {schema}.version (number) VALUES ($1)", number)
    return len(steps) - found


@asynccontextmanager
async def _locked(connection: Connection, schema: str) -> AsyncIterator[None]:
    """A transaction that only one program at a time has."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK, schema)
        yield


async def sure_ms(pool: Pool, *clocks_ms: int) -> int:
    """The earliest of these clocks and the database's own: what is past by it is past by all, also when one of them
    steps by years."""
    database_ms: int = await pool.fetchval("SELECT (extract(epoch FROM now()) * 1000)::bigint")
    return min(database_ms, *clocks_ms)


def month_of(at_ms: int) -> str:
    """The month that holds this instant, as partitions are named.

    >>> month_of(1767225600000)
    '2026_01'
    """
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y_%m}"


def month_bounds(month: str) -> tuple[int, int]:
    """Its first millisecond, and that of the next one.

    >>> month_bounds("2026_12")
    (1796083200000, 1798761600000)
    """
    year, number = map(int, month.split("_"))
    begin = datetime(year, number, 1, tzinfo=UTC)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return round(begin.timestamp() * 1000), round(end.timestamp() * 1000)


def day_of(at_ms: int) -> str:
    """The day that holds this instant, as partitions are named.

    >>> day_of(1767225600000)
    '2026_01_01'
    """
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y_%m_%d}"


def day_bounds(day: str) -> tuple[int, int]:
    """Its first millisecond, and that of the next one.

    >>> day_bounds("2026_12_31")
    (1798675200000, 1798761600000)
    """
    begin = round(datetime.strptime(day, "%Y_%m_%d").replace(tzinfo=UTC).timestamp() * 1000)
    return begin, begin + DAY_MS


class Months:
    """Partitions of tables of one schema, each by a column of milliseconds; each is made once a process."""

    def __init__(self, pool: Pool, schema: str, tables: Sequence[str]) -> None:
        self._pool = pool
        self._schema = schema
        self._tables = tuple(tables)
        self._there: set[str] = set()

    @staticmethod
    def name_of(at_ms: int) -> str:
        """The partition of this instant."""
        return month_of(at_ms)

    @staticmethod
    def bounds(name: str) -> tuple[int, int]:
        """Its first millisecond, and that of the next one."""
        return month_bounds(name)

    async def have(self, at_ms: int) -> None:
        """Make the partitions that hold this instant when they are missing."""
        name = self.name_of(at_ms)
        if name in self._there:
            return
        begin, end = self.bounds(name)
        async with self._pool.acquire() as connection, _locked(connection, self._schema):
            for table in self._tables:
                await connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {self._schema}.{table}_{name}"
                    f" PARTITION OF {self._schema}.{table} FOR VALUES FROM ({begin}) TO ({end})"
                )
        self._there.add(name)

    def forget(self) -> None:
        """Look anew which are there: somebody may have dropped one."""
        self._there.clear()

    async def drop_before(self, at_ms: int) -> tuple[str, ...]:
        """Drop the partitions that end before this instant; their names."""
        gone: list[str] = []
        async with self._pool.acquire() as connection, _locked(connection, self._schema):
            for table in self._tables:
                for name in await partitions(connection, f"{self._schema}.{table}"):
                    if self.bounds(name)[1] <= at_ms:
                        await connection.execute(f"DROP TABLE {self._schema}.{table}_{name}")
                        gone.append(f"{table}_{name}")
        self._there.clear()
        return tuple(gone)


class Days(Months):
    """The same by day."""

    @staticmethod
    def name_of(at_ms: int) -> str:
        return day_of(at_ms)

    @staticmethod
    def bounds(name: str) -> tuple[int, int]:
        return day_bounds(name)


async def partitions(connection: Connection, table: str) -> list[str]:
    """The months or days of which this table has a partition, in order; ``table`` may name its schema."""
    rows = await connection.fetch(
        "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
        " WHERE inhparent = to_regclass($1) ORDER BY 1",
        table,
    )
    return [str(name).removeprefix(f"{table.rpartition('.')[2]}_") for (name,) in rows]
