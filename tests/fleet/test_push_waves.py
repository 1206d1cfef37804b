"""`ampward fleet push` and `ampward fleet drift` as a person uses them, on a real PostgreSQL; two sites answer."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.fleet import supervise_push
from services.fleet.supervise_log import MIGRATIONS
from services.fleet.supervise_push import Pushes, Told, push, targets
from services.site.command.app import call
from shared.runtime.postgres import Pool, migrate
from shared.wire.pushes import file_hash
from tests.fleet.database import new_database, pool_of
from tests.testkit.fleet import Postgres

GOOD = "rules: {disk_low: {off_delay: 2min}}\n"
BAD = "rules: {disk_low: {off_delay: 2}}\n"
WORDS = "rules.yaml:1:30: rules.disk_low.off_delay: 2 has no unit"


@contextmanager
def sites(url: str) -> Iterator[None]:
    """North and south, whose check refuses BAD; their logs tell the supervisor."""
    stop = threading.Event()

    async def answer() -> None:
        async with pool_of(url, "fleet") as pool:
            await migrate(pool, MIGRATIONS)
            pushes = Pushes(pool)
            await pushes.know(["north", "south"])
            known.set()
            while not stop.is_set():
                for wanted in await pushes.due(1 << 50):
                    is_good = wanted.body == GOOD
                    words = "" if is_good else WORDS
                    await pushes.told(Told(wanted.site, wanted.name, file_hash(wanted.body), is_good, words))
                await asyncio.sleep(0.1)

    known, thread = threading.Event(), threading.Thread(target=lambda: asyncio.run(answer()))
    thread.start()
    try:
        assert known.wait(60)
        yield
    finally:
        stop.set()
        thread.join()


def fleet_in(
    folder: Path, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> tuple[Callable[..., tuple[int, str]], str]:
    """`ampward fleet ...` on a folder with a fleet's configuration, and the address of its database."""
    url = asyncio.run(new_database(postgres))
    (folder / "postgres.url").write_text(url)
    (folder / "postgres.url").chmod(0o600)
    (folder / "fleet.yaml").write_text(
        "version: 1\nkafka: {bootstrap: '127.0.0.1:9', security: plain}\npostgres: {url_file: postgres.url}\n"
    )

    def ampward(*words: str) -> tuple[int, str]:
        code = call(["fleet", *words, "--dir", str(folder)])
        out, err = capsys.readouterr()
        return code, out + err

    return ampward, url


def test_a_wave_is_held_back_until_the_one_before_has_accepted(
    tmp_path: Path, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """North refuses and says why, so nothing goes to south, and drift lists it; the mended file goes to both."""
    ampward, url = fleet_in(tmp_path, postgres, capsys)
    rules = tmp_path / "rules.yaml"

    def push(site: str, wave: int) -> tuple[int, str]:
        return ampward("push", str(rules), "--sites", site, "--wave", str(wave), "--wait", "60")

    with sites(url):
        rules.write_text(BAD)
        code, said = push("north", 1)
        assert (code, "refused" in said, "off_delay: 2 has no unit" in said) == (1, True, True), said
        code, said = push("south", 2)
        assert (code, "not every site of the waves before has accepted: north (refused)" in said) == (3, True), said
        code, said = ampward("drift")
        assert (code, "north" in said, "south" in said) == (1, True, False), said
        rules.write_text(GOOD)
        assert push("north", 1)[0] == 0
        code, said = push("south", 2)
        assert (code, "accepted" in said) == (0, True), said
        code, said = ampward("drift")
        assert (code, said.count("accepted"), "refused" in said) == (0, 2, False), said


def test_a_push_that_no_site_can_take_is_withdrawn(
    tmp_path: Path, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no drift any more, and who withdrew it stands beside who pushed it; what was not pushed is refused."""
    ampward, url = fleet_in(tmp_path, postgres, capsys)
    rules = tmp_path / "rules.yaml"
    rules.write_text(BAD)
    with sites(url):
        assert ampward("push", str(rules), "--sites", "north,south", "--wait", "60")[0] == 1
        code, said = ampward("withdraw", "rules.yaml", "--sites", "north,east")
        assert code == 3
        assert "rules.yaml: not pushed to east, allowed: rules.yaml at north, rules.yaml at south" in said
        code, said = ampward("withdraw", "people.yaml", "--sites", "north")
        assert (code, "people.yaml: not pushed to north" in said) == (3, True)
        assert ampward("drift")[1].count("refused") == 2, "nothing was withdrawn by halves"
        code, said = ampward("withdraw", "rules.yaml", "--sites", "north")
        assert (code, said) == (0, "rules.yaml is wanted no more at north\n")
        code, said = ampward("drift")
        assert (code, "north" in said, "south" in said) == (1, False, True)
        assert ampward("withdraw", "rules.yaml", "--sites", "south,south")[0] == 0
        assert ampward("drift") == (0, "nothing was pushed\n")
        assert ampward("withdraw", "rules.yaml", "--sites", "south")[0] == 3
    drifting, recorded = asyncio.run(afterwards(url))
    assert not drifting
    assert [(site, name) for site, name, _ in recorded] == [("north", "rules.yaml"), ("south", "rules.yaml")]
    assert {pushed_by == withdrawn_by for *_, (pushed_by, withdrawn_by) in recorded} == {True}


async def afterwards(url: str) -> tuple[frozenset[str], list[tuple[str, str, tuple[str, str]]]]:
    """Who drifts for the supervisor, which goes by that; what is on record."""
    async with pool_of(url, "fleet") as pool:
        pushes = Pushes(pool)
        await pushes.told(Told("north", "rules.yaml", "0" * 64, is_in_force=False, words="too late"))
        rows = await pool.fetch(
            "SELECT site, withdrawn.name, push.actor, withdrawn.actor FROM fleet.withdrawn"
            " JOIN fleet.push USING (number) ORDER BY site"
        )
        return await pushes.drifting(), [(row[0], row[1], (row[2], row[3])) for row in rows]


async def test_what_was_pushed_to_a_site_that_has_ended_counts_when_it_is_one_again(postgres: Postgres) -> None:
    """It is not in the list, is not sent and holds no wave back meanwhile."""
    async with pool_of(await new_database(postgres), "fleet") as pool:
        await migrate(pool, MIGRATIONS)
        pushes = Pushes(pool)
        await pushes.know(["gone", "north"])
        await push(pool, "rules.yaml", GOOD, ["gone", "north"], wave=1, actor="anna")
        await pushes.know(["north"])
        assert [one.site for one in await pushes.due(1 << 50)] == ["north"]
        await pushes.told(Told("north", "rules.yaml", file_hash(GOOD), is_in_force=True, words=""))
        await push(pool, "rules.yaml", GOOD, ["north"], wave=2, actor="anna")
        assert [one.site for one in await targets(pool)] == ["north"]
        await pushes.know(["gone", "north"])
        assert [one.site for one in await targets(pool)] == ["gone", "north"]


def test_a_database_that_goes_away_is_told_in_words(
    tmp_path: Path, postgres: Postgres, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server ends this connection in the midst of the work: no fault of the program, and what to do next."""

    async def ended(pool: Pool) -> None:
        await pool.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(supervise_push, "targets", ended)
    ampward, _ = fleet_in(tmp_path, postgres, capsys)
    code, said = ampward("drift")
    assert (code, "fault of this program" in said) == (3, False)
    assert "PostgreSQL went away" in said
    assert "fleet drift" in said
