"""The lock, the token, the text log of a data folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.site import folder
from shared.domain.errors import Busy
from shared.runtime import places
from tests.testkit.disk import read_only, small_disk


@pytest.fixture
def umask() -> Iterator[None]:
    """The usual one before, and afterwards what it was."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_locked_folder_is_refused_with_the_pid_of_its_holder(tmp_path: Path) -> None:
    """Two runs on the same data would be two writers."""
    held = folder.lock(tmp_path)
    with pytest.raises(Busy, match=f"locked by pid {os.getpid()}"):
        folder.lock(tmp_path)
    os.close(held)
    os.close(folder.lock(tmp_path))


def test_the_folder_of_a_fleet_is_no_sites(tmp_path: Path) -> None:
    """A log and a token put into it would be taken for the fleet's by every command that names the folder."""
    (tmp_path / places.FLEET_LOCK).touch()
    with pytest.raises(Busy, match="is the folder of a fleet: name another one with --data"):
        folder.make(tmp_path)


def test_a_read_only_folder_is_locked_too(tmp_path: Path) -> None:
    """Where no file can be made the folder itself is what is locked."""
    with small_disk(tmp_path / "disk", 1) as data, read_only(data):
        held = folder.lock(data)
        with pytest.raises(Busy):
            folder.lock(data)
        os.close(held)


def test_the_token_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    """Random, 0600, and the same at the next start."""
    token = folder.ensure_token(tmp_path).read_text()
    assert len(token.strip()) >= 32
    assert (tmp_path / places.TOKEN).stat().st_mode & 0o777 == 0o600
    assert folder.ensure_token(tmp_path).read_text() == token


@pytest.mark.parametrize("torn", [b"", b"\n", b"\xff\x00{garbage", b"two words\n", "gr\u00fcn".encode()])
def test_a_torn_token_is_made_anew(tmp_path: Path, torn: bytes) -> None:
    """What a power cut left in the file never keeps a site from starting."""
    (tmp_path / places.TOKEN).write_bytes(torn)
    path = folder.ensure_token(tmp_path)
    assert len(path.read_text().strip()) >= 32
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_token_that_others_can_read_becomes_private(tmp_path: Path) -> None:
    """A copy without its mode: the same token, for its owner only."""
    path = tmp_path / places.TOKEN
    path.write_text("a-token-of-the-operators-own\n")
    path.chmod(0o644)
    assert folder.ensure_token(tmp_path).read_text() == "a-token-of-the-operators-own\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_token_from_a_read_only_time_is_kept_when_the_disk_returns(tmp_path: Path) -> None:
    """Programs that have it go on."""
    with small_disk(tmp_path / "disk", 1) as data:
        with read_only(data):
            token = folder.ensure_token(data).read_text()
        assert folder.ensure_token(data) == data / places.TOKEN
        assert (data / places.TOKEN).read_text() == token
        places.memory_folder(data).rmdir()


def test_the_text_log_keeps_one_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded by rotation, and whole lines in each."""
    monkeypatch.setattr(folder, "TEXT_LOG_BYTES_MAX", 1000)
    log = folder.TextLog(tmp_path)
    for number in range(100):
        log.write(b"line %03d %s\n" % (number, b"x" * 40))
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ampward.log", "ampward.log.1"]
    lines = (tmp_path / "ampward.log.1").read_text().splitlines() + (tmp_path / "ampward.log").read_text().splitlines()
    assert lines[-1].startswith("line 099")
    assert all(line.startswith("line ") for line in lines)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3000


@pytest.mark.usefixtures("umask")
def test_a_new_folder_is_its_users_alone(tmp_path: Path) -> None:
    """And so is every file that is made in it from then on; nothing is said."""
    data = tmp_path / "site" / "data"
    folder.make(data)
    (data / "log.db").touch()
    places.write_file(data, places.SITE_PLAN, b"{}")
    assert [path.stat().st_mode & 0o777 for path in (data, data / "log.db", data / places.SITE_PLAN)] == [
        0o700, 0o600, 0o600,
    ]  # fmt: skip
    assert list(folder.open_to_others(data)) == []


@pytest.mark.usefixtures("umask")
def test_a_folder_that_others_may_enter_stays_so_and_is_said(tmp_path: Path) -> None:
    """It may be meant so; what may hold a secret becomes private all the same."""
    (tmp_path / places.SITE_PLAN).write_text("{}")
    (tmp_path / places.SITE_PLAN).chmod(0o644)
    tmp_path.chmod(0o755)
    folder.make(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert (tmp_path / places.SITE_PLAN).stat().st_mode & 0o777 == 0o600
    (said,) = folder.open_to_others(tmp_path)
    assert "(mode 755): chmod 700 closes it" in said
