"""user add, list and revoke: secrets shown once, roles, sites, expiry, and every wrong use in words."""

import json
import stat
from pathlib import Path

import pytest

from services.gateway.address import bind_loopback
from services.gateway.api import create_app
from services.gateway.fake import FakeViews
from services.gateway.keys import KeyRing
from services.gateway.server import Gateway
from tests.services.command.conftest import Run
from tests.testkit.web import web_client

TOKEN = "t" * 43


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "token").chmod(0o600)
    return tmp_path


def test_a_secret_is_shown_once_and_kept_nowhere(run: Run, folder: Path) -> None:
    """The second line is the secret; the file has only its hash and belongs to its owner alone."""
    ran = run("user", "add", "anna", "--role", "operator", "--sites", "a,b", "--for", "90d", "--data", folder)
    assert ran.code == 0
    told, secret = ran.out.splitlines()
    assert "anna is operator of a, b, until 20" in told
    kept = folder / "tokens.json"
    assert secret not in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    listed = run("user", "list", "--data", folder).out
    assert secret not in listed
    assert "anna  operator  a, b   good" in listed


async def test_the_secret_opens_the_door_until_it_is_revoked(run: Run, folder: Path) -> None:
    """What the command prints is what HTTP takes, and the end comes with the next request."""
    secret = json.loads(run("user", "add", "anna", "--role", "viewer", "--data", folder, "--json").out)["secret"]
    keys = KeyRing(TOKEN, lambda: folder / "tokens.json")
    gateway = Gateway(create_app(FakeViews(), keys), bind_loopback("127.0.0.1:0"))
    await gateway.start()
    async with web_client(headers={"Authorization": f"Bearer {secret}"}) as client:
        url = f"http://{gateway.address}/api/v1/status"
        assert (await client.get(url)).status_code == 200
        assert run("user", "revoke", "anna", "--data", folder).code == 0
        assert (await client.get(url)).status_code == 401
    await gateway.stop()


def test_a_revoked_name_may_be_given_again(run: Run, folder: Path) -> None:
    """One living token a name; the revoked one stays listed with who did it."""
    assert run("user", "add", "anna", "--role", "viewer", "--data", folder).code == 0
    again = run("user", "add", "anna", "--role", "viewer", "--data", folder)
    assert again.code == 1
    assert "ampward user revoke anna" in again.err
    assert run("user", "revoke", "anna", "--data", folder).code == 0
    assert run("user", "add", "anna", "--role", "engineer", "--data", folder).code == 0
    listed = json.loads(run("user", "list", "--data", folder, "--json").out)
    assert [(one["state"], one["role"]) for one in listed] == [("revoked", "viewer"), ("good", "engineer")]
    assert listed[0]["revoked_by"].startswith("cli:")
    assert len({one["id"] for one in listed}) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("add", "An na", "--role", "viewer"), 2, "1 to 40 of a-z 0-9 _ -"),
        (("add", "machine", "--role", "viewer"), 2, "not machine"),
        (("add", "anna", "--role", "king"), 2, "viewer, operator, engineer"),
        (("add", "anna"), 2, "--role"),
        (("add", "anna", "--role", "viewer", "--sites", "a,B b"), 2, "B b"),
        (("add", "anna", "--role", "viewer", "--for", "soon"), 2, "not a duration"),
        (("add", "anna", "--role", "viewer", "--for", "0s"), 2, "no time at all, allowed: a number with its unit"),
        (("revoke", "nobody"), 1, "none is there"),
    ],
)
def test_a_wrong_use_says_what_is_allowed(run: Run, folder: Path, words: tuple[str, ...], code: int, said: str) -> None:
    """Nothing is written."""
    ran = run("user", *words, "--data", folder)
    assert ran.code == code
    assert said in ran.err
    assert not (folder / "tokens.json").exists()


def test_a_broken_file_is_not_written_over(run: Run, folder: Path) -> None:
    """Whoever can still be let in by it would be shut out."""
    (folder / "tokens.json").write_text("{")
    for words in (("add", "anna", "--role", "viewer"), ("list",), ("revoke", "anna")):
        ran = run("user", *words, "--data", folder)
        assert ran.code == 3
        assert "tokens.json cannot be read" in ran.err
    assert (folder / "tokens.json").read_text() == "{"


def test_a_folder_that_is_none_is_not_made(run: Run, tmp_path: Path) -> None:
    """A mistyped --data does not make a second truth."""
    ran = run("user", "add", "anna", "--role", "viewer", "--data", tmp_path / "none")
    assert ran.code == 3
    assert not (tmp_path / "none").exists()
