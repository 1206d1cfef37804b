"""The uplink's two files: what it writes of itself, and who it is."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from services.uplink.identity import read_identity
from services.uplink.place import FILE, Keeper, Place, read_place, write_place
from shared.domain.errors import ConfigError
from tests.services.uplink.centre import KEY

PLACE = Place(7, "l" * 32, 41, bytes(range(32)), needs_states=True, marks=((1, 2), (3_600_001, 41)), orders=5)
GOOD = {"v": 1, "site": "s", "partition": 3, "kafka_user": "", "mqtt_user": "", "topics": ""}


def test_a_place_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Every field, and the file is its owner's alone."""
    write_place(tmp_path, PLACE)
    assert read_place(tmp_path) == PLACE
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


BAD = {
    "empty": "",
    "torn": '{"v": 1, "epoch": 3',
    "a later form": '{"v": 2}',
    "a list": "[]",
    "nothing in it": "{}",
    "no number": json.dumps({"v": 1, "epoch": "x", "log_id": "", "site_seq": 0, "hash": "00" * 32, "marks": []}),
    "an epoch of 0": json.dumps({"v": 1, "epoch": 0, "log_id": "", "site_seq": 0, "hash": "00" * 32, "marks": []}),
    "a short hash": json.dumps({"v": 1, "epoch": 1, "log_id": "", "site_seq": 0, "hash": "00", "marks": []}),
    "bytes": "\x00" * 100,
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_file_that_is_no_place_counts_as_none(tmp_path: Path, text: str) -> None:
    """The uplink begins again, which costs repeats."""
    (tmp_path / FILE).write_text(text)
    assert read_place(tmp_path) is None


def test_the_place_is_due_once_a_second(tmp_path: Path) -> None:
    """When it is another; it is written at any time."""
    keeper = Keeper(tmp_path)
    assert keeper.keep(PLACE, 10.0)
    later = replace(PLACE, site_seq=42)
    assert [keeper.is_due(*each) for each in ((later, 10.5), (PLACE, 11.0), (later, 11.0))] == [False, False, True]
    assert read_place(tmp_path) == PLACE
    assert keeper.keep(later, 10.6)
    assert read_place(tmp_path) == later


def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    """Nothing is raised, nothing claimed."""
    keeper = Keeper(tmp_path / "nothing")
    assert not keeper.keep(PLACE, 1.0)
    assert keeper.trouble == os.strerror(2)


def identity(folder: Path, **changes: object) -> Path:
    (folder / "identity.json").write_text(json.dumps(GOOD | changes))
    (folder / "signing.key").write_bytes(KEY.pem())
    return folder


def test_an_identity_is_read(tmp_path: Path) -> None:
    """Without a user nothing is hidden; with one the CA and the password are needed."""
    made = read_identity(identity(tmp_path), "s")
    assert (made.partition, made.key.id, made.access("k:1").security) == (3, KEY.id, None)
    hidden = read_identity(identity(tmp_path, kafka_user="site-s"), "s")
    with pytest.raises(ConfigError, match=r"ca\.pem is not there"):
        hidden.access("k:1")
    (tmp_path / "ca.pem").write_text("x")
    with pytest.raises(ConfigError, match=r"kafka\.password"):
        hidden.access("k:1")
    (tmp_path / "kafka.password").write_text("geheim\n")
    security = hidden.access("k:1").security
    assert security is not None
    assert (security.user, security.password) == ("site-s", "geheim")
    assert "geheim" not in repr(security)


WRONG = {
    "of another site": ({"site": "t"}, "is the identity of t"),
    "of another form": ({"v": 2}, "not an identity of form 1"),
    "without a partition": ({"partition": None}, "not an identity"),
    "with a partition below 0": ({"partition": -1}, "not an identity"),
}


@pytest.mark.parametrize(("changes", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_identity_is_refused(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    """With the file and what is wrong in it."""
    with pytest.raises(ConfigError, match=words):
        read_identity(identity(tmp_path, **changes), "s")


def test_a_missing_or_foreign_key_is_refused(tmp_path: Path) -> None:
    """What is in the file is never quoted."""
    with pytest.raises(ConfigError, match="ampward enroll"):
        read_identity(tmp_path, "s")
    identity(tmp_path)
    (tmp_path / "signing.key").write_text("SECRET")
    with pytest.raises(ConfigError) as caught:
        read_identity(tmp_path, "s")
    assert "SECRET" not in str(caught.value)
