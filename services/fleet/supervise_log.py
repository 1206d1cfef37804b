"""The log of _fleet in PostgreSQL, and the lease under which one supervisor writes it.

    nobody --take--> held, fence n --end--> nobody            every write asks for holder and fence in its transaction
                        |
                        +-- no sign for LIVES_S --take by another--> held, fence n + 1

Each link of the chain is a row: a signed block with its inputs and events. Link, changed rooms, head and places in
Kafka are one transaction. What the row's events are sent to Kafka is noted behind it (``sent``): whoever takes over
sends the rest, and readers know a repeat by its numbers.
Promises: a supervisor that slept writes nothing any more: Fenced. Time of the lease is the database's alone.
Limits: rows are kept KEPT_MS, as long as ampward.events.v1 keeps the events.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from services.fleet.supervise_fold import Made
from services.fleet.supervise_push import SCHEMA, WITHDRAWN
from shared.devices.plan import DecisionPlan
from shared.domain.errors import AmpwardError
from shared.log.chain import GENESIS
from shared.log.sequencer import Anchor
from shared.runtime.postgres import Migrations, Pool, sure_ms
from shared.wire.plans import decision_version, decode_decision, encode_decision

LIVES_S: Final = 6.0
SIGN_S: Final = 2.0
KEPT_MS: Final = 400 * 86_400_000
UNSENT_MAX: Final = 1000
IDLE_S: Final = 15.0
"""One that is killed or replaced is followed sooner: when nobody held the lease for so long the centre was down."""

_FIRST = """
CREATE TABLE fleet.lease (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), holder text NOT NULL DEFAULT '', fence bigint NOT NULL DEFAULT 0,
    until timestamptz NOT NULL DEFAULT now());
INSERT INTO fleet.lease DEFAULT VALUES;
CREATE TABLE fleet.head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), log_id text NOT NULL, site_seq bigint NOT NULL,
    tick_ms bigint NOT NULL, at_ms bigint NOT NULL, mono_ms bigint NOT NULL, boot text NOT NULL, hash bytea NOT NULL,
    plan bytea NOT NULL);
CREATE TABLE fleet.block (
    last_seq bigint PRIMARY KEY, log_id text NOT NULL, at_ms bigint NOT NULL, data bytea NOT NULL,
    sent boolean NOT NULL DEFAULT false);
CREATE INDEX block_unsent ON fleet.block (last_seq) WHERE NOT sent;
CREATE TABLE fleet.ruleset (version text PRIMARY KEY, body bytea NOT NULL);
CREATE TABLE fleet.room (room text PRIMARY KEY, state bytea NOT NULL);
CREATE TABLE fleet.place (topic text NOT NULL, partition integer NOT NULL, next bigint NOT NULL,
    PRIMARY KEY (topic, partition));
"""
MIGRATIONS: Final = Migrations("fleet", (_FIRST, SCHEMA, WITHDRAWN))

_TAKE = f"""
UPDATE fleet.lease SET holder = $1, fence = fence + 1, until = now() + interval '{LIVES_S} s'
WHERE holder = '' OR until <= now() RETURNING fence
"""
_BEFORE = f"""
SELECT holder, fence = 0 OR until < now() - interval '{IDLE_S} s' AS is_start FROM fleet.lease
"""
_LET_GO = """
SELECT pg_terminate_backend(session.pid) FROM fleet.lease
JOIN pg_stat_activity AS session ON session.application_name = 'ampward ' || lease.holder
WHERE lease.until <= now() AND lease.holder <> $1 AND session.pid <> pg_backend_pid()
"""
"""A holder that sleeps in the midst of a statement keeps the row's lock for as long as it sleeps."""
_SIGN = f"""
UPDATE fleet.lease SET until = now() + interval '{LIVES_S} s' WHERE holder = $1 AND fence = $2 RETURNING fence
"""
_HEAD = """
INSERT INTO fleet.head (log_id, site_seq, tick_ms, at_ms, mono_ms, boot, hash, plan)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (one) DO UPDATE SET log_id = excluded.log_id, site_seq = excluded.site_seq, tick_ms = excluded.tick_ms,
    at_ms = excluded.at_ms, mono_ms = excluded.mono_ms, boot = excluded.boot, hash = excluded.hash, plan = excluded.plan
"""
_PLACE = """
INSERT INTO fleet.place (topic, partition, next) VALUES ($1, $2, $3)
ON CONFLICT (topic, partition) DO UPDATE SET next = excluded.next
"""

Places = Mapping[tuple[str, int], int]


class Fenced(AmpwardError):
    """The lease is another's by now."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the log says to who takes it over."""

    log_id: str = ""
    site_seq: int = 0
    hash: bytes = GENESIS
    anchor: Anchor = field(default_factory=lambda: Anchor(0, 0, 0, ""))
    plan: DecisionPlan | None = None
    rooms: dict[str, bytes] = field(default_factory=dict)


class FleetLog:
    """One term of one supervisor. ``name`` is one that no other process has or had."""

    def __init__(self, pool: Pool, name: str, answered: Callable[[], None] = lambda: None) -> None:
        self.pool = pool
        self.name = name
        self._answered = answered
        """Called when PostgreSQL has said who holds the lease."""
        self.fence = 0
        self.was_clean = True
        """Whoever held it before has let it go."""
        self.is_start = False
        """Nobody supervised for a while, or ever: the centre itself is starting."""

    async def take(self) -> bool:
        """Hold the lease; False while another holds it and lives."""
        await self.pool.execute(_LET_GO, self.name)
        before = await self.pool.fetchrow(_BEFORE)
        self.was_clean, self.is_start = before["holder"] == "", bool(before["is_start"])
        self.fence = await self.pool.fetchval(_TAKE, self.name) or 0
        self._answered()
        return self.fence > 0

    async def sign(self) -> None:
        """Hold it on. Raises Fenced."""
        if not await self.pool.fetchval(_SIGN, self.name, self.fence):
            raise Fenced(f"the lease {self.fence} has ended")
        self._answered()

    async def end(self) -> None:
        """Let it go at once."""
        await self.pool.execute(
            "UPDATE fleet.lease SET holder = '', until = now() WHERE holder = $1 AND fence = $2", self.name, self.fence
        )

    async def found(self) -> Found:
        """Where the log stands."""
        row = await self.pool.fetchrow("SELECT * FROM fleet.head")
        if row is None:
            return Found()
        rooms = {str(room): bytes(state) for room, state in await self.pool.fetch("SELECT room, state FROM fleet.room")}
        anchor = Anchor(row["tick_ms"], row["at_ms"], row["mono_ms"], row["boot"])
        plan = decode_decision(bytes(row["plan"]))
        return Found(row["log_id"], row["site_seq"], bytes(row["hash"]), anchor, plan, rooms)

    async def places(self) -> dict[tuple[str, int], int]:
        """How far each partition was read."""
        rows = await self.pool.fetch("SELECT topic, partition, next FROM fleet.place")
        return {(str(topic), int(partition)): int(following) for topic, partition, following in rows}

    async def commit(self, made: Made, data: bytes, plan: DecisionPlan, anchor: Anchor, places: Places) -> None:
        """Durable on return. Raises Fenced, and what PostgreSQL raises: then nothing of it is there."""
        block = made.block
        async with self.pool.acquire() as connection, connection.transaction():
            await self._check(connection)
            await connection.execute(
                "INSERT INTO fleet.block (last_seq, log_id, at_ms, data, sent) VALUES ($1, $2, $3, $4, $5)",
                block.last_seq, block.log_id, made.at_ms, data, not made.events,
            )  # fmt: skip
            await connection.executemany(
                "INSERT INTO fleet.room (room, state) VALUES ($1, $2)"
                " ON CONFLICT (room) DO UPDATE SET state = excluded.state",
                list(made.rooms.items()),
            )
            body = encode_decision(plan)
            await connection.execute(_HEAD, block.log_id, block.last_seq, *anchor, block.head_hash, body)
            if any(row.kind == "ruleset" for row in block.inputs):
                await connection.execute(
                    "INSERT INTO fleet.ruleset (version, body) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                    decision_version(body), body,
                )  # fmt: skip
            await self._keep(connection, places)

    async def keep(self, places: Places) -> None:
        """Note how far Kafka was read without a link. Raises Fenced."""
        async with self.pool.acquire() as connection, connection.transaction():
            await self._check(connection)
            await self._keep(connection, places)

    async def unsent(self) -> list[bytes]:
        """Blocks whose events Kafka may not have, oldest first."""
        rows = await self.pool.fetch(
            "SELECT data FROM fleet.block WHERE NOT sent ORDER BY last_seq LIMIT $1", UNSENT_MAX
        )
        return [bytes(data) for (data,) in rows]

    async def sent(self, last_seq: int) -> None:
        """Kafka has everything up to there."""
        await self.pool.execute("UPDATE fleet.block SET sent = true WHERE NOT sent AND last_seq <= $1", last_seq)

    async def tidy(self, now_ms: int) -> None:
        """Old links go: those that are old by the database's clock too, as one of both may be wrong by years."""
        sure = await sure_ms(self.pool, now_ms)
        await self.pool.execute("DELETE FROM fleet.block WHERE sent AND at_ms < $1", sure - KEPT_MS)

    async def _check(self, connection: Pool) -> None:
        held = await connection.fetchval(
            "SELECT fence FROM fleet.lease WHERE holder = $1 AND fence = $2 FOR UPDATE", self.name, self.fence
        )
        if not held:
            raise Fenced(f"the lease {self.fence} is another's")

    async def _keep(self, connection: Pool, places: Places) -> None:
        await connection.executemany(_PLACE, [(*place, following) for place, following in places.items()])
