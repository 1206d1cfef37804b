"""The delivery ledger of one site in PostgreSQL: another adapter of the notifier's ledger (services.notifier.ledger).

Every commit names the fence of its claim in the same transaction: who no longer holds the site changes nothing and
learns it (Fenced). A message is ``sending`` in a committed row before anything goes out, as in the site's own ledger.
Unlike there nothing goes on in memory when the database is away: another replica may hold the site by then, so nothing
is sent until it answers again (the site's own path sends meanwhile).

Settled messages stand in partitions by the month in which they were planned; services.notifier.centre.sites drops old
ones. Raises: Fenced; LedgerAway for every trouble of the database.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from services.notifier.ledger_port import OPEN, Change, Found, Row, Stand
from services.notifier.messages import Message
from services.notifier.reports import BoxReport
from shared.domain.errors import AmpwardError
from shared.log.steps import Step, no_step
from shared.runtime.postgres import TROUBLE, Connection, Months, Pool

_encode = msgspec.json.Encoder().encode
_message = msgspec.json.Decoder(Message).decode
_stand = msgspec.json.Decoder(Stand).decode
_report = msgspec.json.Decoder(BoxReport).decode

_COLUMNS: Final = (
    "site, id, person, channel, form, state, attempts, due_ms, planned_at_ms, changed_at_ms, repeat, why, body"
)
_VALUES: Final = ", ".join(f"${number}" for number in range(1, 14))
_CHANGED: Final = ", ".join(
    f"{name} = excluded.{name}" for name in ("state", "attempts", "due_ms", "changed_at_ms", "repeat", "why", "body")
)
_KEEP: Final = (
    f"INSERT INTO notifier.message ({_COLUMNS}) VALUES ({_VALUES}) ON CONFLICT (site, id) DO UPDATE SET {_CHANGED}"
)
_SETTLE: Final = (
    f"INSERT INTO notifier.settled ({_COLUMNS}) VALUES ({_VALUES})"
    f" ON CONFLICT (planned_at_ms, site, id) DO UPDATE SET {_CHANGED}"
)
_STANDS: Final = """
UPDATE notifier.site SET stand = coalesce($3, stand), last_report = greatest(last_report, $4)
WHERE site = $1 AND fence = $2
"""


class Fenced(AmpwardError):
    """The site is held by another replica now."""


class LedgerAway(AmpwardError):
    """PostgreSQL does not take or give what stands in the ledger."""


class PostgresLedger:
    """See the module; of one site under one claim."""

    def __init__(self, pool: Pool, months: Months, site: str, fence: int, *, step: Step = no_step) -> None:
        self._pool = pool
        self._months = months
        self._site = site
        self._fence = fence
        self._step = step

    @property
    def trouble(self) -> str:
        return ""

    def take_set_aside(self) -> str:
        return ""

    async def open(self) -> Found:
        """What there is."""
        try:
            async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
                return await self._read(connection)
        except TROUBLE as fault:
            raise LedgerAway(f"the ledger cannot be read: {type(fault).__name__}: {fault}") from fault

    async def commit(self, change: Change) -> None:
        """All of the change or nothing of it."""
        settled = [row for row in change.rows.values() if row.state not in OPEN]
        try:
            for at_ms in {row.message.at_ms for row in settled}:
                await self._months.have(at_ms)
            async with self._pool.acquire() as connection, connection.transaction():
                await self._write(connection, change, settled)
        except TROUBLE as fault:
            raise LedgerAway(f"the ledger takes nothing: {type(fault).__name__}: {fault}") from fault

    async def tidy(self, wall_ms: int) -> None:
        """Old months are dropped for all sites at once, elsewhere."""

    async def close(self) -> None:
        """The pool is not its own."""

    async def _read(self, connection: Connection) -> Found:
        site = await connection.fetchrow(
            "SELECT stand, ledger, last_report FROM notifier.site WHERE site = $1 AND fence = $2",
            self._site,
            self._fence,
        )
        if site is None:
            raise Fenced(f"{self._site} is held by another replica")
        records = await connection.fetch("SELECT key, value FROM notifier.record WHERE site = $1", self._site)
        rows = await connection.fetch(
            "SELECT body, state, attempts, due_ms, changed_at_ms, repeat, why FROM notifier.message"
            " WHERE site = $1 ORDER BY planned_at_ms, id",
            self._site,
        )
        reports = await connection.fetch(
            "SELECT number, body FROM notifier.report WHERE site = $1 ORDER BY number", self._site
        )
        return Found(
            stand=None if site["stand"] is None else _stand(site["stand"]),
            records={row["key"]: bytes(row["value"]) for row in records},
            rows=tuple(Row(_message(body), *more) for body, *more in rows),
            ledger=site["ledger"],
            last=site["last_report"],
            reports={row["number"]: _report(row["body"]) for row in reports},
        )

    async def _write(self, connection: Connection, change: Change, settled: Iterable[Row]) -> None:
        site = self._site
        stand = None if change.stand is None else _encode(change.stand)
        status = await connection.execute(_STANDS, site, self._fence, stand, max(change.reports, default=0))
        if status != "UPDATE 1":
            raise Fenced(f"{site} is held by another replica")
        gone = [(site, key) for key, value in change.records.items() if value is None]
        kept = [(site, key, value) for key, value in change.records.items() if value is not None]
        if gone:
            await connection.executemany("DELETE FROM notifier.record WHERE site = $1 AND key = $2", gone)
        if kept:
            await connection.executemany(
                "INSERT INTO notifier.record (site, key, value) VALUES ($1, $2, $3)"
                " ON CONFLICT (site, key) DO UPDATE SET value = excluded.value",
                kept,
            )
        if change.stand is not None:
            self._step("in plan")
        await self._write_rows(connection, change, settled)
        if change.reports:
            self._step("in settle")
            await connection.executemany(
                "INSERT INTO notifier.report (site, number, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                [(site, number, _encode(report)) for number, report in change.reports.items()],
            )
        if change.forgotten:
            await connection.execute(
                "DELETE FROM notifier.report WHERE site = $1 AND number <= $2", site, change.forgotten
            )

    async def _write_rows(self, connection: Connection, change: Change, settled: Iterable[Row]) -> None:
        still_open = [row for row in change.rows.values() if row.state in OPEN]
        if still_open:
            await connection.executemany(_KEEP, [self._columns(row) for row in still_open])
        done = [self._columns(row) for row in settled]
        if done:
            await connection.executemany(
                "DELETE FROM notifier.message WHERE site = $1 AND id = $2", [columns[:2] for columns in done]
            )
            await connection.executemany(_SETTLE, done)

    def _columns(self, row: Row) -> tuple[object, ...]:
        message = row.message
        return (
            self._site,
            message.id,
            message.lane.person,
            message.lane.channel,
            str(message.form),
            row.state,
            row.attempts,
            row.due_ms,
            message.at_ms,
            row.changed_at_ms,
            row.repeat,
            row.why,
            _encode(message),
        )
