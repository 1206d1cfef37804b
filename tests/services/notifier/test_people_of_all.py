"""The people's file of the centre, changed while its notifier runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from services.notifier.centre.people import People
from shared.runtime.site_file.people import read_people

FILE = """version: 1
site: {id: centre, time_zone: Europe/Berlin, language: en}
people: {NAME: {email: a@example.org}}
channels: {webhook: {url: "http://127.0.0.1:9900/", allow: [127.0.0.0/8]}}
notify: [{match: {severity: alarm}, to: [NAME], by: [webhook]}]
"""


class Followed:
    """A file whose newest version counts, and what was told of it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "people.yaml"
        self.write("anna")
        self.told: list[tuple[str, str]] = []
        read = partial(read_people, self.file, {})
        self.people = People(read(), lambda event, words: self.told.append((event, words)), read, look_s=0.02)

    def write(self, name: str) -> None:
        """As an editor does: a new file in the old one's place."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(FILE.replace("NAME", name))
        fresh.replace(self.file)

    async def has_told(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.told) < count:
                await asyncio.sleep(0.01)

    def names(self, site: str = "north") -> list[str]:
        return [person.id for person in self.people.of(site).plan.people]


@pytest.fixture
async def followed(tmp_path: Path) -> AsyncIterator[Followed]:
    made = Followed(tmp_path)
    task = asyncio.create_task(made.people.follow())
    yield made
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_new_version_holds_for_every_site_without_a_restart(followed: Followed) -> None:
    """A setting is the same object until then, and another one after: so every notifier sees that it changed."""
    before = followed.people.of("north")
    assert followed.people.of("north") is before
    followed.write("ben")
    await followed.has_told(1)
    assert followed.people.of("north") is not before
    assert (followed.names(), followed.names("south")) == (["ben"], ["ben"])
    assert followed.told == [("people_taken", "1 people, 1 routes")]


async def test_a_version_with_faults_leaves_the_last_good_one_in_force(followed: Followed) -> None:
    """It is told once, with file, line and key; a file that is gone is nothing else; the next good one is taken."""
    before = followed.people.of("north")
    followed.file.write_text(FILE.replace("to: [NAME]", "to: [nobody]").replace("NAME", "ben"))
    await followed.has_told(1)
    followed.file.unlink()
    await followed.has_told(2)
    await asyncio.sleep(0.2)
    assert followed.people.of("north") is before
    assert [event for event, _ in followed.told] == ["people_refused", "people_refused"]
    assert "people.yaml:5:" in followed.told[0][1]
    followed.write("cleo")
    await followed.has_told(3)
    assert followed.names() == ["cleo"]


async def test_a_link_that_is_put_elsewhere_is_a_change(followed: Followed, tmp_path: Path) -> None:
    """So does Kubernetes with what it mounts."""
    other = tmp_path / "other.yaml"
    other.write_text(FILE.replace("NAME", "ben"))
    followed.file.unlink()
    followed.file.symlink_to(other)
    await followed.has_told(1)
    async with asyncio.timeout(60):
        while followed.names() != ["ben"]:
            await asyncio.sleep(0.01)
    assert followed.names("south") == ["ben"]
