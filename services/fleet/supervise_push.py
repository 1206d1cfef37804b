"""Files pushed to sites in waves: who wants what in PostgreSQL, signed orders down, what each site says of it.

    `ampward fleet push` -> fleet.push, fleet.target pending -> FileOrder, again each AGAIN_MS -> the site's own check
    accepted | refused | changed  <- pushed_file Report in the site's log <-|

`changed` is a file that the site accepted and that is another one on its box now; it and `refused` are drift. A wave
may begin when every site of the waves before it has accepted the same file. What is withdrawn is wanted no more: it is
no drift, and nothing is taken back from a box. What was pushed to a site that has ended counts when it is one again.
Promises: an order that was lost is sent again, one that comes twice changes nothing; who pushed and who withdrew stays
on record. Refuses (ConfigError): sites that are not registered, a file that is too large or has no name that can be
pushed, a wave before its turn, to withdraw what was not pushed.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from shared.domain.errors import ConfigError
from shared.runtime.postgres import Pool
from shared.wire.orders import FILE_CHARACTERS_MAX
from shared.wire.pushes import file_hash

AGAIN_MS: Final = 120_000
TTL_MS: Final = 600_000
NAME: Final = re.compile(r"[a-z0-9_-]{1,40}\.yaml")
SAID_MAX: Final = 50
"""Files at sites in an error message."""
PENDING, ACCEPTED, REFUSED = "pending", "accepted", "refused"
SCHEMA: Final = """
CREATE TABLE fleet.push (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,
    body text NOT NULL, wave integer NOT NULL, actor text NOT NULL, made_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE fleet.target (
    site text NOT NULL, name text NOT NULL, number bigint NOT NULL REFERENCES fleet.push, sha256 text NOT NULL,
    state text NOT NULL DEFAULT 'pending', words text NOT NULL DEFAULT '', actual text NOT NULL DEFAULT '',
    sent_at_ms bigint NOT NULL DEFAULT 0, PRIMARY KEY (site, name));
CREATE TABLE fleet.known (site text PRIMARY KEY);
"""
WITHDRAWN: Final = """
CREATE TABLE fleet.withdrawn (
    site text NOT NULL, name text NOT NULL, number bigint NOT NULL REFERENCES fleet.push, actor text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now());
"""


class Wanted(NamedTuple):
    """A file that has to go to a site."""

    site: str
    name: str
    number: int
    actor: str
    body: str

    @property
    def id(self) -> str:
        return f"push-{self.number}-{self.site}"


class Told(NamedTuple):
    """What a site's log says of a file."""

    site: str
    name: str
    sha256: str
    is_in_force: bool
    words: str


class Target(NamedTuple):
    """How one file stands at one site."""

    site: str
    name: str
    wave: int
    state: str
    wanted: str
    actual: str
    words: str

    @property
    def is_drift(self) -> bool:
        return self.state not in (PENDING, ACCEPTED)


def read_told(subject: str, state: str, reason: str) -> Told | None:
    """A pushed_file event: SITE/_site/files/NAME, "SHA256 by ACTOR: words".

    >>> read_told("a/_site/files/people.yaml", "off", "ab by centre: no").words
    'no'
    """
    parts = subject.split("/")
    digest, _, rest = reason.partition(" by ")
    if len(parts) != 4 or parts[2] != "files":
        return None
    return Told(parts[0], parts[3], digest, state == "on", rest.partition(": ")[2])


class Pushes:
    """The supervisor's side, in one term."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def know(self, sites: Sequence[str]) -> None:
        """Which sites there are, for whoever pushes."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("DELETE FROM fleet.known WHERE NOT site = ANY ($1::text[])", list(sites))
            await connection.executemany(
                "INSERT INTO fleet.known (site) VALUES ($1) ON CONFLICT DO NOTHING", [(site,) for site in sites]
            )

    async def due(self, now_ms: int) -> list[Wanted]:
        """What is to be sent, the first time or again; also what was sent by a clock that was far ahead."""
        rows = await self._pool.fetch(
            "SELECT target.site, target.name, target.number, push.actor, push.body FROM fleet.target"
            " JOIN fleet.push USING (number) JOIN fleet.known USING (site)"
            " WHERE state = 'pending' AND sent_at_ms NOT BETWEEN $1 AND $2"
            " ORDER BY number LIMIT 100",
            now_ms - AGAIN_MS + 1,
            now_ms + AGAIN_MS,
        )
        return [Wanted(*row) for row in rows]

    async def sent(self, wanted: Wanted, now_ms: int) -> None:
        await self._pool.execute(
            "UPDATE fleet.target SET sent_at_ms = $3 WHERE site = $1 AND number = $2",
            wanted.site,
            wanted.number,
            now_ms,
        )

    async def told(self, one: Told) -> None:
        """A site's log says how a file stands."""
        if one.is_in_force:
            await self._pool.execute(
                "UPDATE fleet.target SET actual = $3, words = '', state = CASE WHEN sha256 = $3 THEN 'accepted'"
                " WHEN state = 'pending' THEN 'pending' ELSE 'changed' END WHERE site = $1 AND name = $2",
                one.site, one.name, one.sha256,
            )  # fmt: skip
        else:
            await self._pool.execute(
                "UPDATE fleet.target SET state = 'refused', words = $4 WHERE site = $1 AND name = $2 AND sha256 = $3",
                one.site, one.name, one.sha256, one.words,
            )  # fmt: skip

    async def turned_away(self, site: str, ident: str, words: str) -> None:
        """A site took the order for another's: its log says nothing of it."""
        await self._pool.execute(
            "UPDATE fleet.target SET state = 'refused', words = $3"
            " WHERE state = 'pending' AND site = $1 AND 'push-' || number || '-' || site = $2",
            site, ident, words,
        )  # fmt: skip

    async def drifting(self) -> frozenset[str]:
        """Sites that do not go by what they were given."""
        rows = await self._pool.fetch("SELECT site FROM fleet.target WHERE state NOT IN ('pending', 'accepted')")
        return frozenset(str(site) for (site,) in rows)


async def push(pool: Pool, name: str, body: str, sites: Sequence[str], *, wave: int, actor: str) -> int:
    """Note it for these sites; its number. Raises ConfigError."""
    if NAME.fullmatch(name) is None:
        raise ConfigError(f"{name[:60]}: cannot be pushed, allowed: a name of a-z 0-9 _ - that ends in .yaml")
    if len(body) > FILE_CHARACTERS_MAX:
        raise ConfigError(f"{name}: {len(body)} characters, at most {FILE_CHARACTERS_MAX} can be pushed")
    digest = file_hash(body)
    async with pool.acquire() as connection, connection.transaction():
        known = {str(site) for (site,) in await connection.fetch("SELECT site FROM fleet.known")}
        if wrong := sorted(set(sites) - known):
            allowed = ", ".join(sorted(known)) or "none: the supervisor knows no site yet"
            raise ConfigError(f"--sites {','.join(wrong)}: not registered, allowed: {allowed}")
        before = await connection.fetch(
            "SELECT site, state FROM fleet.target JOIN fleet.push USING (number) JOIN fleet.known USING (site)"
            " WHERE target.name = $1 AND push.sha256 = $2 AND wave < $3", name, digest, wave,
        )  # fmt: skip
        if open_ones := sorted(f"{site} ({state})" for site, state in before if state != ACCEPTED):
            raise ConfigError(f"--wave {wave}: not every site of the waves before has accepted: {', '.join(open_ones)}")
        if wave > 1 and not before:
            raise ConfigError(f"--wave {wave}: no wave before it had this content of {name}")
        number: int = await connection.fetchval(
            "INSERT INTO fleet.push (name, sha256, body, wave, actor) VALUES ($1, $2, $3, $4, $5) RETURNING number",
            name, digest, body, wave, actor,
        )  # fmt: skip
        await connection.executemany(
            "INSERT INTO fleet.target (site, name, number, sha256) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (site, name) DO UPDATE SET number = excluded.number, sha256 = excluded.sha256,"
            " state = 'pending', words = '', sent_at_ms = 0",
            [(site, name, number, digest) for site in sites],
        )
    return number


async def withdraw(pool: Pool, name: str, sites: Sequence[str], *, actor: str) -> None:
    """Want this file no more at these sites. Raises ConfigError, and then nothing is withdrawn."""
    async with pool.acquire() as connection, connection.transaction():
        wanted = await connection.fetch(
            "DELETE FROM fleet.target WHERE name = $1 AND site = ANY ($2::text[]) RETURNING site, number",
            name, list(sites),
        )  # fmt: skip
        if wrong := sorted(set(sites) - {str(site) for site, _ in wanted}):
            pushed = await connection.fetch("SELECT site, name FROM fleet.target ORDER BY name, site")
            stood = sorted({f"{each} at {site}" for site, each in (*pushed, *((site, name) for site, _ in wanted))})
            allowed = ", ".join(stood[:SAID_MAX]) + (", ..." if len(stood) > SAID_MAX else "")
            raise ConfigError(f"{name[:60]}: not pushed to {', '.join(wrong)}, allowed: {allowed or 'nothing'}")
        await connection.executemany(
            "INSERT INTO fleet.withdrawn (site, name, number, actor) VALUES ($1, $2, $3, $4)",
            [(site, name, number, actor) for site, number in wanted],
        )


async def targets(pool: Pool, number: int | None = None) -> list[Target]:
    """How files stand at sites: all of them, or those of one push."""
    rows = await pool.fetch(
        "SELECT site, target.name, wave, state, target.sha256, actual, words FROM fleet.target"
        " JOIN fleet.push USING (number) JOIN fleet.known USING (site)"
        " WHERE $1::bigint IS NULL OR number = $1 ORDER BY site, target.name", number,
    )  # fmt: skip
    return [Target(*row) for row in rows]
