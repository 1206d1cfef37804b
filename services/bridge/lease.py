"""Who hosts which site: a row a site in PostgreSQL, with a time that must be renewed and the home of the site's log.

    nobody --take, same home--> held, fence n --end--> nobody
                                    |
                                    +-- no sign for LIVES_S --take by another, same home--> held, fence n + 1

The home is the name of the folder that has the log (a random file in it). A site that has one is given to nobody who
lacks that folder, however long nobody signs: another folder would begin a second log, and what was acknowledged to the
devices and is not in Kafka yet would be lost. Within the folder its lock is what keeps a second writer out, also when
the holder only sleeps. So a database that is away costs no site: who holds one goes on, and nobody else can begin.
Time of the lease is the database's alone.
"""

from typing import Final

from shared.runtime.postgres import Migrations, Pool

LIVES_S: Final = 6.0
SIGN_S: Final = 2.0

MIGRATIONS: Final = Migrations(
    "bridge",
    (
        """
CREATE TABLE bridge.site (
    site text PRIMARY KEY, home text NOT NULL, holder text NOT NULL, fence bigint NOT NULL,
    until timestamptz NOT NULL)
""",
    ),
)
_TAKE = f"""
INSERT INTO bridge.site AS held (site, home, holder, fence, until)
VALUES ($1, $2, $3, 1, now() + interval '{LIVES_S} s')
ON CONFLICT (site) DO UPDATE SET holder = excluded.holder, fence = held.fence + 1, until = excluded.until
WHERE held.home = excluded.home AND (held.holder = '' OR held.until <= now())
RETURNING fence
"""
_SIGN = f"""
UPDATE bridge.site SET until = now() + interval '{LIVES_S} s' FROM unnest($2::text[], $3::bigint[]) AS own (site, fence)
WHERE bridge.site.site = own.site AND bridge.site.fence = own.fence AND holder = $1 RETURNING bridge.site.site
"""


class Leases:
    """One bridge's. ``name`` is one that no other process has or had."""

    def __init__(self, pool: Pool, name: str) -> None:
        self._pool = pool
        self._name = name
        self.fences: dict[str, int] = {}
        """By site that is held, the number of its term."""

    async def take(self, site: str, home: str) -> bool:
        """Hold it; False while another holds it and signs, or its log is in another home."""
        fence = await self._pool.fetchval(_TAKE, site, home, self._name)
        if fence:
            self.fences[site] = fence
        return bool(fence)

    async def home(self, site: str) -> str:
        """Where the site's log is; empty when it has none."""
        return await self._pool.fetchval("SELECT home FROM bridge.site WHERE site = $1", site) or ""

    async def sign(self) -> tuple[str, ...]:
        """Hold all on; the sites that are another's by now, which are held no longer."""
        if not self.fences:
            return ()
        rows = await self._pool.fetch(_SIGN, self._name, list(self.fences), list(self.fences.values()))
        kept = {str(site) for (site,) in rows}
        lost = tuple(site for site in self.fences if site not in kept)
        for site in lost:
            del self.fences[site]
        return lost

    async def end(self, site: str) -> None:
        """Let it go at once."""
        fence = self.fences.pop(site, 0)
        await self._pool.execute(
            "UPDATE bridge.site SET holder = '' WHERE site = $1 AND holder = $2 AND fence = $3", site, self._name, fence
        )
