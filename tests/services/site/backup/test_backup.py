"""A backup holds what it says, and a restore takes nothing that is not what was backed up."""

import gzip
import io
import json
import random
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.processor.replay import replay
from services.processor.verify import verify
from services.site.backup.manifest import CannotBackUp, Unsound
from services.site.backup.mark import RestoredMark
from services.site.backup.restoring import read_manifest, restore
from services.site.backup.sealing import seal, unseal
from services.site.folder import refuse_unfinished
from shared.domain.errors import Busy, LogNewer
from tests.services.site.backup.folder import PASSPHRASE, RELEASED, SECRETS, back_up, make_folder, quiet
from tests.testkit.disk import read_only, small_disk


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rewritten(file: Path, target: Path, change: Callable[[dict[str, Any]], None], more: dict[str, bytes]) -> Path:
    """The same backup with another manifest and more members, as somebody would make it by hand."""
    with tarfile.open(file) as archive:
        held = {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]
    manifest = json.loads(held.pop("manifest.json"))
    change(manifest)
    with tarfile.open(target, "w:gz") as archive:
        for name, body in {"manifest.json": json.dumps(manifest).encode(), **held, **more}.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return target


def setter(values: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Puts these into a manifest."""
    return lambda said: said.update(values)


def test_a_restored_folder_verifies_and_replays_as_the_old_one(data: Path, tmp_path: Path) -> None:
    """Record for record; the site files stand to each other as they did."""
    made = back_up(data, tmp_path / "b")
    new = tmp_path / "new"
    restore(tmp_path / "b", new, quiet)
    assert verify(new).head == verify(data).head == made.manifest.head_hash
    assert replay(new).equal
    assert (new / "site" / "io.yaml").read_bytes() == (tmp_path / "etc" / "io.yaml").read_bytes()
    assert made.manifest.source == "site/first-site.yaml"
    assert (new / "commission.before-restore.json").exists()
    assert not (new / "commission.json").exists()
    mark = RestoredMark(new).read()
    assert mark is not None
    assert mark.sentence().startswith(f"restored from backup {made.manifest.id}")


def test_the_copy_is_of_one_moment_while_somebody_writes(data: Path, tmp_path: Path) -> None:
    """A writer that is in the middle of a transaction is not in it, and is not held up."""
    writer = sqlite3.connect(data / "log.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO meta VALUES('half', 'done')")
    back_up(data, tmp_path / "b")
    writer.execute("COMMIT")
    writer.close()
    restore(tmp_path / "b", tmp_path / "new", quiet)
    copied = sqlite3.connect(tmp_path / "new" / "log.db")
    assert copied.execute("SELECT count(*) FROM meta WHERE key = 'half'").fetchone() == (0,)
    copied.close()


def test_without_a_passphrase_no_secret_is_in_the_file(data: Path, tmp_path: Path) -> None:
    """They are named as left out; a URL that stands in the site file itself, and may be one, is named too."""
    made = back_up(data, tmp_path / "b")
    body = gzip.decompress((tmp_path / "b").read_bytes())
    assert not [name for name, secret in SECRETS.items() if secret.encode() in body]
    assert {Path(where).name for where in made.manifest.left_out} == set(SECRETS)
    assert made.urls == ("channels.webhook.url",)
    with pytest.raises(CannotBackUp, match="has no secrets"):
        restore(tmp_path / "b", tmp_path / "new", quiet, passphrase=PASSPHRASE)


def test_sealed_secrets_come_back_with_the_passphrase_only(data: Path, tmp_path: Path) -> None:
    """And not in clear; another passphrase writes nothing."""
    back_up(data, tmp_path / "b", PASSPHRASE)
    body = gzip.decompress((tmp_path / "b").read_bytes())
    assert not [name for name, secret in SECRETS.items() if secret.encode() in body]
    with pytest.raises(Unsound, match="passphrase is another one"):
        restore(tmp_path / "b", tmp_path / "new", quiet, passphrase=b"another horse battery")
    assert not (tmp_path / "new").exists()
    restore(tmp_path / "b", tmp_path / "new", quiet, passphrase=PASSPHRASE)
    assert (tmp_path / "new" / "token").read_text() == SECRETS["token"]
    assert (tmp_path / "new" / "token").stat().st_mode & 0o077 == 0
    assert (tmp_path / "new" / "site" / "smtp.secret").read_text() == SECRETS["smtp.secret"]


def test_secrets_of_one_backup_do_not_open_in_another() -> None:
    """What they are bound to is authenticated with them, and so is how they were sealed."""
    sealed = seal(b"secret", PASSPHRASE, b"one")
    assert unseal(sealed, PASSPHRASE, b"one") == b"secret"
    dear = sealed.replace(b'"n": 65536', b'"n": 1073741824')
    assert dear != sealed
    for changed in (sealed.replace(b'"p": 1', b'"p":  1'), dear, sealed[:-1], b""):
        with pytest.raises(Unsound):
            unseal(changed, PASSPHRASE, b"one")
    for changed, bound in ((sealed, b"two"), (sealed, b"")):
        with pytest.raises(Unsound):
            unseal(changed, PASSPHRASE, bound)


def test_a_file_is_never_overwritten(data: Path, tmp_path: Path) -> None:
    """Whatever it is."""
    (tmp_path / "b").write_text("dear")
    with pytest.raises(CannotBackUp, match="never takes the place of another file"):
        back_up(data, tmp_path / "b")
    assert (tmp_path / "b").read_text() == "dear"


def test_a_folder_with_anything_in_it_is_not_restored_into(data: Path, tmp_path: Path) -> None:
    """It is named, and stays."""
    back_up(data, tmp_path / "b")
    before = files(data)
    with pytest.raises(CannotBackUp, match="is not empty"):
        restore(tmp_path / "b", data, quiet)
    assert files(data) == before


def test_a_damaged_log_is_not_backed_up(data: Path, tmp_path: Path) -> None:
    """A backup that cannot be restored is none; no file is left behind."""
    db = sqlite3.connect(data / "log.db")
    last, row = db.execute("SELECT last_seq, data FROM rows ORDER BY last_seq DESC LIMIT 1").fetchone()
    db.execute("UPDATE rows SET data = ? WHERE last_seq = ?", (row[:-1] + bytes([row[-1] ^ 1]), last))
    db.commit()
    db.close()
    with pytest.raises(Unsound, match="does not verify"):
        back_up(data, tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "etc"]


def test_a_changed_byte_anywhere_is_refused_or_changes_nothing(data: Path, tmp_path: Path) -> None:
    """Each of 150 flips: the restore refuses and leaves no file, or gives the same files."""
    back_up(data, tmp_path / "b", PASSPHRASE)
    restore(tmp_path / "b", tmp_path / "good", quiet, passphrase=PASSPHRASE, life="1")
    good, whole = files(tmp_path / "good"), (tmp_path / "b").read_bytes()
    chance = random.Random(1)
    refused = 0
    for number in range(150):
        place = number if number < 20 else chance.randrange(len(whole))
        body = bytearray(whole)
        body[place] ^= 1 << chance.randrange(8)
        (tmp_path / "c").write_bytes(body)
        new = tmp_path / f"new{number}"
        try:
            restore(tmp_path / "c", new, quiet, passphrase=PASSPHRASE, life="1")
        except Unsound:
            refused += 1
            assert not new.exists(), place
        else:
            assert files(new) == good, place
            shutil.rmtree(new)
    assert refused > 100


@pytest.mark.parametrize("part", [0, 1, 10, 0.5, -9, -1])
def test_a_cut_off_backup_is_refused(data: Path, tmp_path: Path, part: float) -> None:
    """At its beginning, in its middle, at its last byte."""
    back_up(data, tmp_path / "b")
    body = (tmp_path / "b").read_bytes()
    (tmp_path / "c").write_bytes(body[: int(len(body) * part) if isinstance(part, float) else part])
    with pytest.raises(Unsound):
        restore(tmp_path / "c", tmp_path / "new", quiet)
    assert not (tmp_path / "new").exists()


def test_a_backup_of_a_newer_program_is_refused_with_its_version(data: Path, tmp_path: Path) -> None:
    """Its own format, and that of each file in it."""
    back_up(data, tmp_path / "b")
    version = {"program": "9.1.0"}
    newer = rewritten(tmp_path / "b", tmp_path / "c", lambda said: said.update({"format": 2, **version}), {})
    with pytest.raises(LogNewer, match=r"format 2 \(made by ampward 9\.1\.0\), this program reads up to 1"):
        restore(newer, tmp_path / "new", quiet)
    for name in ("log.db", "notify.db", "history.db", "tokens.json", "core", "unheard-of.db"):
        formats: dict[str, Any] = {"formats": {name: 7}, **version}
        newer = rewritten(tmp_path / "b", tmp_path / "c", setter(formats), {})
        with pytest.raises(LogNewer, match=rf"{name} in the backup has format 7 \(made by ampward 9\.1\.0\)"):
            restore(newer, tmp_path / "new", quiet)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["../out", "/etc/out", "site/../../out", "site//x", "site", "other", "site/./x"])
def test_no_member_leaves_the_folder(data: Path, tmp_path: Path, name: str) -> None:
    """Nor goes where no member of ours does."""
    back_up(data, tmp_path / "b")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    member = {"name": name, "size": 0, "sha256": empty, "was": ""}
    bad = rewritten(tmp_path / "b", tmp_path / "c", lambda said: said["members"].append(member), {name: b""})
    with pytest.raises(Unsound):
        restore(bad, tmp_path / "new", quiet)
    bad = rewritten(tmp_path / "b", tmp_path / "d", lambda _said: None, {name: b""})
    with pytest.raises(Unsound, match="is not what the manifest says"):
        restore(bad, tmp_path / "new", quiet)


def test_a_member_that_is_a_link_is_refused(data: Path, tmp_path: Path) -> None:
    """Whatever it points to."""
    back_up(data, tmp_path / "b")
    with tarfile.open(tmp_path / "b") as old, tarfile.open(tmp_path / "c", "w:gz") as new:
        for info in old:
            if info.name == "site/io.yaml":
                info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0
            new.addfile(info, old.extractfile(info) if info.isreg() else None)
    with pytest.raises(Unsound):
        restore(tmp_path / "c", tmp_path / "new", quiet)


def test_other_files_are_no_backup(tmp_path: Path) -> None:
    """A text, a tar of something else, an empty file."""
    (tmp_path / "text").write_text("no backup")
    with tarfile.open(tmp_path / "tar", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    (tmp_path / "empty").touch()
    for name in ("text", "tar", "empty"):
        with pytest.raises(Unsound):
            read_manifest(tmp_path / name)


def test_a_full_disk_is_said_in_words(data: Path, tmp_path: Path) -> None:
    """Before anything is copied when it can be known, and no part stays."""
    with small_disk(tmp_path / "stick", 1) as stick:
        (stick / "filler").write_bytes(bytes(700 << 10))
        with pytest.raises(CannotBackUp, match=r"needs about \d+ MiB in .*stick, 0 MiB are free: take another disk"):
            back_up(data, stick / "b")
        back_up(data, tmp_path / "b")
        with pytest.raises(CannotBackUp, match="the restore needs about"):
            restore(tmp_path / "b", stick / "new", quiet)
        assert sorted(path.name for path in stick.rglob("*") if path.is_file()) == ["filler"]


def test_a_read_only_disk_is_said_in_words(data: Path, tmp_path: Path) -> None:
    """As the target, and for the folder that is backed up it is no hindrance."""
    with small_disk(tmp_path / "stick", 4) as stick:
        shutil.copytree(data, stick / "data")
        with read_only(stick):
            with pytest.raises(CannotBackUp, match="is read-only: take another folder"):
                back_up(data, stick / "b")
            back_up(stick / "data", tmp_path / "b")
    restore(tmp_path / "b", tmp_path / "new", quiet)
    assert verify(tmp_path / "new").ok


def test_a_restore_that_was_cut_off_is_no_site(tmp_path: Path) -> None:
    """`run` refuses the folder in words instead of beginning a new log in it."""
    (tmp_path / ".restoring").mkdir()
    with pytest.raises(Busy, match="was not finished"):
        refuse_unfinished(tmp_path)


def test_a_folder_without_a_plan_is_backed_up_too(tmp_path: Path) -> None:
    """An old folder of which only the log is left."""
    data = tmp_path / "data"
    data.mkdir()
    shutil.copyfile(RELEASED / "log.db", data / "log.db")
    made = back_up(data, tmp_path / "b")
    assert [member.name for member in made.manifest.members] == ["log.db"]
