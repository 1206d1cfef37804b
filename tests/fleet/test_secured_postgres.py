"""TLS to PostgreSQL as the services of the centre ask for it: verify-full in the address, and what it refuses."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.fleet.postgres import PostgresPlan, postgres_server
from services.fleet.servers import Server
from services.history.centre.schema import MIGRATIONS
from shared.runtime.postgres import DatabaseAway, connect, migrate
from tests.fleet.database import pool_of
from tests.testkit.authority import Authority
from tests.testkit.fleet import Postgres
from tests.testkit.ports import free_port


class TlsPostgres(Postgres):
    """With a certificate for 127.0.0.1 by an authority."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        more = {"fsync": "off", "ssl": "on"}
        self.plan = PostgresPlan(folder, folder / "postgres.log", free_port(), more)
        self._authority = authority

    def server(self) -> Server:
        made, data = postgres_server(self.plan), self.plan.folder / "data"
        self._authority.server("IP:127.0.0.1")
        owner = data.stat()
        for name in ("server.crt", "server.key"):
            shutil.copyfile(self._authority.folder / name, data / name)
            (data / name).chmod(0o600)
            os.chown(data / name, owner.st_uid, owner.st_gid)
        return made


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[TlsPostgres]:
    with TlsPostgres(tmp_path_factory.mktemp("postgres"), authority) as server:
        yield server


def verified(url: str, ca: Path) -> str:
    return f"{url}?sslmode=verify-full&sslrootcert={ca}"


async def refusal(url: str) -> str:
    """Why it does not connect; the password is not in it."""
    with pytest.raises(DatabaseAway) as told:
        await connect(url, "test")
    assert url.split(":")[2].partition("@")[0] not in str(told.value)
    return str(told.value)


async def test_a_service_speaks_tls_to_a_database_that_it_has_verified(
    encrypted: TlsPostgres, authority: Authority
) -> None:
    """All of it, migrations too, goes over the encrypted connection."""
    async with pool_of(verified(encrypted.url, authority.ca_file)) as pool:
        assert await migrate(pool, MIGRATIONS) == len(MIGRATIONS.steps)
        assert await pool.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


async def test_a_database_that_another_authority_vouches_for_is_refused(encrypted: TlsPostgres, tmp_path: Path) -> None:
    """It may be anybody: nothing is sent to it, and why is said."""
    other = Authority(tmp_path / "other", "another authority")
    assert "certificate verify failed" in await refusal(verified(encrypted.url, other.ca_file))


async def test_a_certificate_for_another_name_is_refused(encrypted: TlsPostgres, authority: Authority) -> None:
    """The certificate is for 127.0.0.1, and localhost was asked for."""
    url = encrypted.url.replace("@127.0.0.1:", "@localhost:")
    assert "localhost" in await refusal(verified(url, authority.ca_file))


async def test_a_database_without_tls_is_refused(postgres: Postgres, authority: Authority) -> None:
    """Whoever asked for TLS never speaks in clear."""
    assert "SSL" in await refusal(verified(postgres.url, authority.ca_file))
