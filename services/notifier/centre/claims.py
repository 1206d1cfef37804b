"""Which replica tells people about which site: a row in PostgreSQL, held by whoever lives.

    nobody --claim--> held, fence n --release (clean hand-over)--> nobody --claim--> held, fence n + 1
                         |
                         +-- its holder gave no sign for LIVES_S --claim by another--> held, fence n + 1

Everything that a holder writes names its fence (services.notifier.centre.ledger): an owner that was stopped and comes
back finds that it holds nothing, and writes and plans nothing; its sessions are ended when another claims its site.
Time is the database's alone.
Promises: a site has one holder; a killed holder's sites can be claimed LIVES_S after its last sign.
"""

import asyncio
import time
from typing import Final

from shared.runtime.postgres import TROUBLE, Pool

LIVES_S: Final = 5.0
SIGN_S: Final = 2.0

_SIGN = f"""
INSERT INTO notifier.replica (name, until) VALUES ($1, now() + interval '{LIVES_S} s')
ON CONFLICT (name) DO UPDATE SET until = excluded.until
"""
_LET_GO = """
SELECT pg_terminate_backend(session.pid)
FROM notifier.site JOIN notifier.replica ON replica.name = site.holder
JOIN pg_stat_activity AS session ON session.application_name = 'ampward ' || replica.name
WHERE site.site = $1 AND site.holder <> $2 AND replica.until <= now() AND session.pid <> pg_backend_pid()
"""
"""A holder that sleeps in the midst of a statement keeps the row's lock for as long as it sleeps."""
_CLAIM = """
UPDATE notifier.site AS mine SET fence = fence + 1, holder = $2, partition = $3
WHERE site = $1 AND (holder IN ('', $2) OR NOT EXISTS (
    SELECT FROM notifier.replica WHERE name = mine.holder AND until > now()))
RETURNING fence
"""


class Claims:
    """This replica's. ``name`` is one that no other process has or had; the pool's sessions are named by it."""

    def __init__(self, pool: Pool, name: str) -> None:
        self._pool = pool
        self.name = name
        self.signed_at_s = time.monotonic()
        """When the database took a sign last, by time.monotonic()."""

    async def live(self) -> None:
        """Give a sign each two seconds, until cancelled; a database that is away is tried again."""
        while True:
            await self.sign()
            await asyncio.sleep(SIGN_S)

    async def sign(self) -> None:
        """One sign of life; nothing is raised for a database that is away."""
        try:
            await self._pool.execute(_SIGN, self.name)
        except TROUBLE:
            return
        self.signed_at_s = time.monotonic()

    @property
    def lives(self) -> bool:
        """Whether our sites are still ours by the database's word; else they are anybody's."""
        return time.monotonic() - self.signed_at_s < LIVES_S

    async def claim(self, site: str, partition: int) -> int:
        """The site's fence from now on; 0 while somebody else holds it and lives."""
        await self._pool.execute(_LET_GO, site, self.name)
        await self._pool.execute(
            "INSERT INTO notifier.site (site, partition) VALUES ($1, $2) ON CONFLICT DO NOTHING", site, partition
        )
        fence: int | None = await self._pool.fetchval(_CLAIM, site, self.name, partition)
        return fence or 0

    async def release(self, site: str, fence: int) -> None:
        """Hand it over: nothing of it is under way any more."""
        await self._pool.execute("UPDATE notifier.site SET holder = '' WHERE site = $1 AND fence = $2", site, fence)

    async def end(self) -> None:
        """This replica lives no longer."""
        await self._pool.execute("DELETE FROM notifier.replica WHERE name = $1 OR until < now() - interval '1 day'",
                                 self.name)  # fmt: skip
