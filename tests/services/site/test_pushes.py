"""Files that the centre pushes to a site: taken in after the check alone, refused with words, told when they drift."""

import os
from collections.abc import Sequence
from errno import EACCES
from pathlib import Path
from typing import Any

import pytest

from services.site import pushes
from services.site.pushes import Pushes
from shared.domain.inputs import Report, ReportKind
from shared.runtime import places, pushed
from shared.runtime.pushed import Given, Said

FIRST, NEW = "people: {}\n", "people: {ben: {email: b@example.org}}\n"


class World:
    """A site with one included file; what is asked of it and told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.people = folder / "people.yaml"
        self.people.write_text(FIRST)
        (folder / "site.yaml").write_text("version: 1\ninclude: [people.yaml]\n")
        (folder / "secret.yaml").write_text("nobody's\n")
        self.faults: list[str] = []
        self.is_check_killed = self.is_record_killed = False
        self.is_reloaded: bool | None = True
        self.checked: list[str] = []
        self.actors: list[str] = []
        self.told: list[tuple[str, str, bool]] = []
        self.stored: bytes | None = None
        self.pushes = self.made()

    def made(self) -> Pushes:
        source, stored = self.folder / "site.yaml", self.stored
        return Pushes(source, self.data, {}, self._check, self._reload, "depot/_site", stored, self._record)

    def _check(self, path: Path, other: Path) -> dict[str, Any]:
        assert path == self.people
        assert self.people.read_text() == FIRST, "nothing is touched before the check"
        self.checked.append(other.read_text())
        if self.is_check_killed:
            return {}
        return {"ok": not self.faults, "faults": self.faults}

    def _reload(self, actor: str) -> bool | None:
        self.actors.append(actor)
        return self.is_reloaded

    def _record(self, reports: Sequence[Report], position: bytes) -> None:
        if self.is_record_killed and reports:
            raise Killed
        self.stored = position
        for each in reports:
            assert each.kind == ReportKind.PUSHED_FILE
            self.told.append((each.subject, each.detail, each.on))

    def push(self, body: str = NEW, name: str = "people.yaml", number: int = 1, ident: str = "p1") -> Said | None:
        pushed.hand_in(self.data, Given(ident, name, number, "anna", body))
        self.pushes.look()
        return pushed.answered(self.data, ident) if pushed.given(self.data) is None else None


class Killed(Exception):
    """The process ends here."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_file_without_faults_takes_the_place_of_the_included_one(world: World) -> None:
    """Checked first, reloaded by the name of who pushed it, recorded with its hash; the second time it does nothing."""
    assert world.push() == Said("p1", accepted=True)
    assert (world.people.read_text(), world.checked, world.actors) == (NEW, [NEW], ["centre:anna"])
    ((part, detail, on),) = world.told
    assert (part, detail.partition(" by ")[2], on) == ("depot/_site/files/people.yaml", "anna", True)
    world.pushes = world.made()
    assert world.push() == Said("p1", accepted=True)
    assert len(world.actors) == len(world.told) == 1


def test_a_file_with_faults_is_refused_and_nothing_is_touched(world: World) -> None:
    """The words of the check go back; a repeat of the order gets them again."""
    world.faults = ["people.yaml:1:1: people: is wrong, allowed is more"]
    assert world.push() == Said("p1", accepted=False, text=world.faults[0])
    assert world.push() == Said("p1", accepted=False, text=world.faults[0])
    assert (world.people.read_text(), world.actors) == (FIRST, [])
    ((_, detail, on),) = world.told
    assert (detail.endswith(world.faults[0]), on) == (True, False)


def test_what_the_site_file_does_not_include_cannot_be_pushed(world: World) -> None:
    """Neither a file that lies beside it nor the site file itself."""
    for number, name in enumerate(("secret.yaml", "site.yaml", "other.yaml"), 1):
        said = world.push(name=name, number=number, ident=f"p{number}")
        assert said == Said(f"p{number}", accepted=False, text=f"the site file includes no file {name}")
    assert (world.folder / "secret.yaml").read_text() == "nobody's\n"


def test_what_may_be_pushed_can_have_a_folder_of_its_own(world: World) -> None:
    """So a service's user writes there, and not to the site file."""
    folder = world.folder / "pushed"
    folder.mkdir()
    world.people = world.people.rename(folder / "people.yaml")
    (world.folder / "site.yaml").write_text("version: 1\ninclude: [pushed/people.yaml]\n")
    said = world.push()
    assert said is not None and said.accepted
    assert world.people.read_text() == NEW


def test_a_folder_that_the_site_may_not_write_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words that name the file, and what stands there goes on to hold."""

    replace_file = places.replace_file

    def as_the_sites_user(target: Path, content: bytes, mode: int) -> Path:
        if target == world.people:
            raise PermissionError(EACCES, os.strerror(EACCES))
        return replace_file(target, content, mode)

    monkeypatch.setattr(places, "replace_file", as_the_sites_user)
    assert world.push() == Said("p1", accepted=False, text="people.yaml cannot be written: Permission denied")
    assert (world.people.read_text(), world.actors) == (FIRST, [])


def test_an_older_push_that_comes_again_is_refused(world: World) -> None:
    """Whoever kept a signed order of before cannot bring its content back."""
    world.push(number=7)
    world.people.write_text(FIRST)
    for number in (6, 5, 6):
        said = world.push(number=number, ident="p0")
        assert said == Said("p0", accepted=False, text="a later one was pushed already")
    assert world.people.read_text() == FIRST


def test_what_guard_does_not_take_leaves_the_old_file(world: World) -> None:
    """A reload that is refused after the check."""
    world.is_reloaded = False
    said = world.push()
    assert said is not None
    assert not said.accepted
    assert world.people.read_text() == FIRST


def test_a_pushed_file_that_is_changed_on_the_box_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each change."""
    monkeypatch.setattr(pushes, "LOOK_S", 0.0)
    world.push()
    world.people.write_text("people: {eve: {email: e@example.org}}\n")
    world.pushes.look()
    world.pushes.look()
    assert [detail.partition(" by ")[2] for _, detail, _ in world.told] == ["anna", "local"]


def test_a_site_that_is_killed_before_its_report_takes_the_file_in_again(world: World) -> None:
    """The centre hears of it all the same, once; nothing else would ever tell it."""
    world.is_record_killed = True
    with pytest.raises(Killed):
        world.push()
    assert (world.people.read_text(), world.told) == (NEW, [])
    world.people.write_text(FIRST)  # For the check of this test; a site finds the new one there.
    world.is_record_killed = False
    world.pushes = world.made()
    world.pushes.look()
    assert pushed.answered(world.data, "p1") == Said("p1", accepted=True)
    assert len(world.told) == 1


def test_a_check_that_was_killed_says_nothing_of_the_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is checked again, and taken in; only one that never ends is refused, for a reason of its own."""
    monkeypatch.setattr(pushes, "AGAIN_S", 0.0)
    world.is_check_killed = True
    assert world.push() is None
    assert (world.people.read_text(), world.told) == (FIRST, [])
    world.is_check_killed = False
    world.pushes.look()
    assert pushed.answered(world.data, "p1") == Said("p1", accepted=True)
    monkeypatch.setattr(pushes, "PATIENCE_S", 0.0)
    world.people.write_text(FIRST)
    world.is_check_killed = True
    said = world.push(number=2, ident="p2")
    assert said is not None
    assert (said.accepted, "neither the check nor guard" in said.text) == (False, True)
    assert world.people.read_text() == FIRST


def test_a_guard_that_is_away_refuses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file stands meanwhile; it is taken in when guard is back."""
    monkeypatch.setattr(pushes, "AGAIN_S", 0.0)
    world.is_reloaded = None
    assert world.push() is None
    assert (world.people.read_text(), world.told) == (FIRST, [])
    world.is_reloaded = True
    world.pushes.look()
    assert pushed.answered(world.data, "p1") == Said("p1", accepted=True)
    assert world.people.read_text() == NEW
