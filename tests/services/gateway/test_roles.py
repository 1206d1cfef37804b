"""Named tokens: who comes in, what each role may do, and how a refusal says what is allowed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.gateway.address import bind_loopback
from services.gateway.api import create_app
from services.gateway.fake import FakeViews
from services.gateway.keys import LOOK_S, KeyRing
from services.gateway.roles import Role, allowed, needed
from services.gateway.server import Gateway
from services.gateway.tokens import NamedToken, TokensBroken, decode_tokens, digest, encode_tokens, revoked
from shared.domain.inputs import What
from shared.wire.signs import Expiry
from tests.services.gateway.conftest import TOKEN
from tests.services.gateway.samples import event
from tests.services.gateway.test_door import problem
from tests.services.gateway.test_events import blocks
from tests.testkit.web import web_client

SECRET = "s" * 43
NOW_MS = 1_800_000_000_000


def token(name: str = "anna", role: Role = Role.VIEWER, secret: str = SECRET, **more: object) -> NamedToken:
    known = {"id": "0a1b2c3d", "sites": (), "made_at_ms": 1, "made_by": "cli:root", **more}
    return NamedToken(name=name, role=role, sha256=digest(secret), **known)  # type: ignore[arg-type]


class Ring:
    """A gateway whose tokens.json can be written anew."""

    def __init__(self, folder: Path, views: FakeViews) -> None:
        self.path = folder / "tokens.json"
        self.now_ms = NOW_MS
        keys = KeyRing(TOKEN, lambda: self.path, lambda: self.now_ms)
        self.gateway = Gateway(create_app(views, keys), bind_loopback("127.0.0.1:0"))
        self.written = 0

    def write(self, *tokens: NamedToken) -> None:
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(encode_tokens(tokens))


@pytest.fixture
async def ring(tmp_path: Path, views: FakeViews) -> AsyncIterator[Ring]:
    made = Ring(tmp_path, views)
    await made.gateway.start()
    yield made
    await made.gateway.stop()


@pytest.fixture
async def anna(ring: Ring) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with web_client(ring.gateway.address, headers) as made:
        yield made


async def give(client: httpx.AsyncClient, what: str, number: int = 1) -> httpx.Response:
    body = {"id": f"c-{what}-{number}", "what": what, "subject": "demo/r1/gas1-h2/h2_alarm"}
    return await client.post("/api/v1/commands", json=body, headers={"Ampward-Actor": "cli:somebody-else"})


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_does_what_the_table_says(
    ring: Ring, anna: httpx.AsyncClient, views: FakeViews, role: Role
) -> None:
    """Every act with every role: taken under the token's name, or 403 that lists what the role may do."""
    ring.write(token(role=role))
    for what in What:
        answer = await give(anna, what)
        if what.value in allowed(role):
            assert answer.status_code == 202
            assert views.commands[-1].what is what
            assert views.commands[-1].actor == "anna"
            continue
        assert answer.status_code == 403
        body = problem(answer)
        assert str(body["type"]).endswith("not-allowed")
        assert body["allowed"] == list(allowed(role))
        assert body["needed"] == needed(what)
        assert f"{what.value} needs" in str(body["detail"])
    assert len(views.commands) == len(allowed(role))


def test_the_table_is_the_promised_one() -> None:
    """Viewers give no command, operators seven, engineers all."""
    assert allowed(Role.VIEWER) == ()
    assert set(allowed(Role.OPERATOR)) == {"ack", "reset", "silence", "shelve", "unshelve", "test", "hold_on"}
    assert set(allowed(Role.ENGINEER)) == {act.value for act in What}


@pytest.mark.parametrize("path", ["alarms", "points", "outputs", "status", "events?follow=false"])
async def test_a_viewer_reads_everything(ring: Ring, anna: httpx.AsyncClient, path: str) -> None:
    """Reading needs no more than a good token."""
    ring.write(token())
    assert (await anna.get(f"/api/v1/{path}")).status_code == 200


async def test_a_token_counts_from_the_moment_it_is_written(ring: Ring, anna: httpx.AsyncClient) -> None:
    """No restart between making, revoking and making again."""
    assert (await anna.get("/api/v1/status")).status_code == 401
    ring.write(token())
    assert (await anna.get("/api/v1/status")).status_code == 200
    ring.write(revoked(token(), NOW_MS, "cli:root"))
    assert (await anna.get("/api/v1/status")).status_code == 401
    ring.write(revoked(token(), NOW_MS, "cli:root"), token(id="ffffffff"))
    assert (await anna.get("/api/v1/status")).status_code == 200
    ring.path.unlink()
    assert (await anna.get("/api/v1/status")).status_code == 401


async def test_an_expired_token_opens_nothing(ring: Ring, anna: httpx.AsyncClient) -> None:
    """The last millisecond still counts, the next one does not."""
    ring.write(token(until_ms=NOW_MS + 1))
    assert (await anna.get("/api/v1/status")).status_code == 200
    ring.now_ms = NOW_MS + 1
    assert (await anna.get("/api/v1/status")).status_code == 401


def test_the_supervision_hears_when_a_name_has_no_token_any_more(tmp_path: Path) -> None:
    """Of several of one name by the last; not of one that never ends, nor of one that is revoked."""
    file = tmp_path / "tokens.json"
    ends = {"00000001": ("anna", NOW_MS), "00000002": ("anna", NOW_MS + 5), "00000003": ("ben", NOW_MS),
            "00000004": ("ben", 0), "00000005": ("cleo", NOW_MS)}  # fmt: skip
    made = [token(name, id=ident, secret=ident * 6, until_ms=until_ms) for ident, (name, until_ms) in ends.items()]
    file.write_bytes(encode_tokens([*made[:-1], revoked(made[-1], NOW_MS, "cli:root")]))
    assert KeyRing(TOKEN, lambda: file).expiries() == (Expiry("token", "anna", NOW_MS + 5),)


async def test_a_token_of_another_site_is_refused(ring: Ring, anna: httpx.AsyncClient) -> None:
    """403 names the sites that the token is for."""
    ring.write(token(role=Role.ENGINEER, sites=("a", "b")))
    for answer in (await anna.get("/api/v1/alarms"), await give(anna, "ack")):
        assert answer.status_code == 403
        body = problem(answer)
        assert body["sites"] == ["a", "b"]
        assert "a, b" in str(body["detail"])
    ring.write(token(sites=("a", "demo")))
    assert (await anna.get("/api/v1/alarms")).status_code == 200


async def test_a_broken_file_changes_nothing(ring: Ring, anna: httpx.AsyncClient) -> None:
    """A slip of an editor neither opens the door nor closes it; the machine token always works."""
    ring.write(token())
    assert (await anna.get("/api/v1/status")).status_code == 200
    ring.path.write_text("{")
    assert (await anna.get("/api/v1/status")).status_code == 200
    machine = {"Authorization": f"Bearer {TOKEN}"}
    assert (await anna.get("/api/v1/status", headers=machine)).status_code == 200


async def test_a_revoked_token_ends_its_streams(ring: Ring, anna: httpx.AsyncClient, views: FakeViews) -> None:
    """What happens after the revoking is not told to an open stream either."""
    ring.write(token())
    async with anna.stream("GET", "/api/v1/events") as answer:
        found = blocks(answer)
        assert "retry" in await anext(found)
        ring.write(revoked(token(), NOW_MS, "cli:root"))
        await asyncio.sleep(2 * LOOK_S)
        views.add(event(1))
        assert [fields async for fields in found] == []


async def test_a_machine_token_speaks_for_the_command_line(
    ring: Ring, anna: httpx.AsyncClient, views: FakeViews
) -> None:
    """Only the machine token may say for whom it acts."""
    body = {"id": "c1", "what": "replace", "subject": "demo/r1/bat1/2S4"}
    headers = {"Authorization": f"Bearer {TOKEN}", "Ampward-Actor": "cli:ben"}
    del ring
    assert (await anna.post("/api/v1/commands", json=body, headers=headers)).status_code == 202
    assert views.commands[-1].actor == "cli:ben"


BROKEN = [
    b"",
    b"{}",
    b"null",
    b'{"version": 2, "tokens": []}',
    b'{"version": 1, "tokens": [{}]}',
    b'{"version": 1, "tokens": {}}',
    encode_tokens([token()]).replace(b'"viewer"', b'"king"'),
    encode_tokens([token()]).replace(b'"anna"', b'"An na"'),
    encode_tokens([token()]).replace(digest(SECRET).encode(), b"abc"),
    encode_tokens([token(sites=("x",))]).replace(b'"x"', b'"../x"'),
    b" " * (1 << 21),
]


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
def test_what_is_no_token_file_is_refused(data: bytes) -> None:
    """Unknown versions, roles, names, sites and hashes are said, not guessed."""
    with pytest.raises(TokensBroken) as fault:
        decode_tokens(data)
    assert str(fault.value)


def test_a_token_file_comes_back_as_it_went() -> None:
    """Writing and reading give the same tokens, and the secret is nowhere in the bytes."""
    tokens = (token(), revoked(token("ben", Role.OPERATOR), 5, "cli:root"), token("carl", Role.ENGINEER, sites=("a",)))
    data = encode_tokens(tokens)
    assert decode_tokens(data) == tokens
    assert SECRET.encode() not in data


def test_revoked_tokens_are_remembered_in_bounds() -> None:
    """The newest 200 of them stay, and every living one."""
    old = [revoked(token(f"t{n}", id=f"{n:08x}"), n + 1, "cli:root") for n in range(300)]
    kept = decode_tokens(encode_tokens([token(), *old]))
    assert [one.name for one in kept] == ["anna", *(f"t{n}" for n in range(100, 300))]
