"""`ampward fleet push` and `ampward fleet drift` as a person uses them, on a real PostgreSQL; two sites answer."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.fleet.supervise_log import MIGRATIONS
from services.fleet.supervise_push import Pushes, Told
from services.site.command.app import call
from shared.runtime.postgres import migrate
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


def test_a_wave_is_held_back_until_the_one_before_has_accepted(
    tmp_path: Path, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """North refuses and says why, so nothing goes to south, and drift lists it; the mended file goes to both."""
    url = asyncio.run(new_database(postgres))
    (tmp_path / "postgres.url").write_text(url)
    (tmp_path / "postgres.url").chmod(0o600)
    (tmp_path / "fleet.yaml").write_text(
        "version: 1\nkafka: {bootstrap: '127.0.0.1:9', security: plain}\npostgres: {url_file: postgres.url}\n"
    )
    rules = tmp_path / "rules.yaml"

    def ampward(*words: str) -> tuple[int, str]:
        code = call(["fleet", *words, "--dir", str(tmp_path)])
        out, err = capsys.readouterr()
        return code, out + err

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
