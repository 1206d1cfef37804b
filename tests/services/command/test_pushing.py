"""`ampward fleet push` and its kin when the database ends in the midst of it."""

from pathlib import Path

import asyncpg
import pytest

from services.fleet import supervise_push
from services.site.command.app import call
from shared.runtime import postgres

FLEET = "version: 1\nkafka: {bootstrap: '127.0.0.1:9', security: plain}\npostgres: {url_file: postgres.url}\n"


async def _nothing(*_: object, **__: object) -> int:
    return 0


async def _ends(*_: object) -> None:
    raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")


def test_a_database_that_ends_in_the_midst_is_trouble_and_no_fault_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person tries again; where to see what was noted is said."""
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "postgres.url").write_text("postgresql://nobody@127.0.0.1:9/none")
    (tmp_path / "postgres.url").chmod(0o600)
    for name in ("connect", "migrate", "close"):
        monkeypatch.setattr(postgres, name, _nothing)
    monkeypatch.setattr(supervise_push, "targets", _ends)
    assert call(["fleet", "drift", "--dir", str(tmp_path)]) == 3
    assert "PostgreSQL went away (InternalClientError): `ampward fleet drift`" in capsys.readouterr().err
