"""Files of the data folder, and what stands in for them when the folder cannot be written."""

import os
from pathlib import Path

import pytest

from shared.domain.errors import Busy
from shared.runtime import places
from tests.testkit.disk import filled, read_only, small_disk


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """What is read is the old or the new content, and nothing is left lying about."""
    places.write_file(tmp_path, "a.json", b"one")
    places.write_file(tmp_path, "a.json", b"two", 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == b"two"
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("trouble", [filled, read_only])
def test_a_disk_that_refuses_is_stood_in_for_by_memory(tmp_path: Path, trouble: object) -> None:
    """The file is found under the same name, and goes back to the disk when that can be written again."""
    assert callable(trouble)
    with small_disk(tmp_path / "disk", 1) as data:
        with trouble(data):
            where = places.write_file(data, "guard.json", b"x" * 10_000)
            assert where.parent == places.memory_folder(data)
            assert places.find_file(data, "guard.json").read_bytes() == b"x" * 10_000
            assert (data / "guard.json").exists() == (trouble is filled), (
                "a full disk takes a link, a read-only one not"
            )
        assert places.write_file(data, "guard.json", b"y") == data / "guard.json"
        assert places.find_file(data, "guard.json") == data / "guard.json"
        places.memory_folder(data).rmdir()


def test_guard_is_found_under_a_long_path(tmp_path: Path) -> None:
    """A unix socket's address is short; a data folder's path may be long."""
    data = tmp_path / ("d" * 120)
    data.mkdir()
    with places.listen_guard(data) as listening:
        reached = places.connect_guard(data)
        assert reached is not None
        accepted, _ = listening.accept()
        accepted.send(b"!")
        assert reached.recv(1) == b"!"
        accepted.close()
        reached.close()
        assert (data / places.GUARD_SOCKET).stat().st_mode & 0o777 == 0o600


def test_a_second_guard_of_one_folder_is_refused(tmp_path: Path) -> None:
    """A living socket is not taken over."""
    with places.listen_guard(tmp_path), pytest.raises(Busy):
        places.listen_guard(tmp_path)


def test_the_socket_of_a_dead_guard_is_taken_over(tmp_path: Path) -> None:
    """What a killed guard leaves behind is not in the way of the next."""
    places.listen_guard(tmp_path).close()
    assert places.connect_guard(tmp_path) is None
    places.listen_guard(tmp_path).close()


def test_guard_listens_in_memory_when_the_folder_is_read_only(tmp_path: Path) -> None:
    """A read-only disk does not keep guard from being found."""
    with small_disk(tmp_path / "disk", 1) as data, read_only(data), places.listen_guard(data):
        reached = places.connect_guard(data)
        assert reached is not None
        reached.close()
        (places.memory_folder(data) / places.GUARD_SOCKET).unlink()
        places.memory_folder(data).rmdir()


def test_the_folder_in_memory_is_its_users_alone(tmp_path: Path) -> None:
    """Nobody else reads the token that may stand there."""
    made = places.make_memory_folder(tmp_path)
    assert made.stat().st_mode & 0o777 == 0o700
    assert made.stat().st_uid == os.getuid()
    made.rmdir()
