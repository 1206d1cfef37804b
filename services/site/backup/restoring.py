"""A backup into an empty folder on a new box.

    read the archive once: every member against the manifest, the passphrase tried; nothing is written
    read it again into DIR/.restoring -> settle the ledger -> verify the log's chain and head -> move into place

Promises: DIR is empty before, and after a refusal; log.db is moved last, so a folder in which a restore was cut off is
no site's (``run`` refuses it). What was planned or sent to people at the time of the backup is not sent again. The
commissioning record is kept beside under another name: a new box proves its outputs itself.
Raises CannotBackUp, Unsound, LogNewer.
Limits: members and sizes are those of the manifest, nothing is unpacked beyond them.
"""

import base64
import gzip
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import IO

from services.notifier.restored import settle_ledger
from services.processor.verify import verify
from services.site.backup.copying import Tell
from services.site.backup.making import CHUNK, LEDGER, LOG, Bars
from services.site.backup.manifest import (
    BYTES_MAX,
    NAME,
    SEALED,
    CannotBackUp,
    Manifest,
    Member,
    Unsound,
    decode_manifest,
    is_safe,
)
from services.site.backup.mark import MARK, RestoredFrom, encode_mark
from services.site.backup.sealing import BYTES_MAX as SEALED_MAX
from services.site.backup.sealing import unseal
from services.site.backup.words import MIB, in_words, need_room
from services.site.folder import RESTORING as STAGING
from services.site.loss_mark import MARK as LOSS_MARK
from services.site.loss_mark import LossMark
from shared.runtime import places

COMMISSION = "commission.json"
COMMISSION_BEFORE = "commission.before-restore.json"
_DAMAGE = (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error)


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands in the folder now."""

    manifest: Manifest
    files: tuple[tuple[str, str], ...]
    """(name in the folder, where it stood) of everything that did not stand in the data folder."""
    has_secrets: bool


@dataclass(frozen=True, slots=True)
class _Secret:
    name: str
    was: str
    data: bytes


def read_manifest(file: Path) -> Manifest:
    """What a backup says of itself; nothing else of it is checked."""
    with _archive(file) as archive:
        return _manifest(archive)


def restore(file: Path, data: Path, bars: Bars, *, passphrase: bytes = b"", life: str = "") -> Restored:
    """See the module. ``passphrase`` empty: secrets stay in the backup. ``life``: hexadecimal id of this restore, by
    chance when not given."""
    _check_folder(data)
    with bars("checking") as tell:
        manifest, sealed = _check(file, tell)
    found = _open_secrets(sealed, manifest, passphrase) if passphrase else ()
    if passphrase and not manifest.is_sealed:
        raise CannotBackUp(f"{file} has no secrets: it was made without a passphrase")
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        need_room(data, manifest.size + MIB, "the restore")
        staging = data / STAGING
        staging.mkdir(mode=0o700)
        try:
            with bars("unpacking") as tell:
                _unpack(file, manifest, staging, tell)
            _settle(staging, manifest, bars, life or token_hex(8))
            _put_secrets(staging, found)
            _move(staging, data)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    except OSError as fault:
        raise in_words(fault, data) from fault
    files = tuple((member.name, member.was) for member in manifest.members if member.was)
    return Restored(manifest, (*files, *((each.name, each.was) for each in found if each.was)), bool(found))


def _check_folder(data: Path) -> None:
    if data.exists() and not data.is_dir():
        raise CannotBackUp(f"{data} is no folder")
    there = next(data.iterdir(), None) if data.exists() else None
    if there is not None:
        raise CannotBackUp(f"{data} is not empty (it has {there.name}): a backup is restored into an empty folder only")


@contextmanager
def _archive(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with file.open("rb") as stream, gzip.GzipFile(fileobj=stream) as packed:
            with tarfile.open(fileobj=packed, mode="r|", bufsize=CHUNK) as archive:
                yield archive
            while packed.read(CHUNK):
                """To its end: the checksum of the whole stands there."""
    except _DAMAGE as fault:
        raise Unsound(f"{file} is no backup, or is damaged or cut off: {fault}") from fault
    except OSError as fault:
        raise in_words(fault, file.parent) from fault


def _manifest(archive: tarfile.TarFile) -> Manifest:
    first = archive.next()
    if first is None or first.name != NAME or not first.isreg() or first.size > BYTES_MAX:
        raise Unsound(f"it does not begin with {NAME}: this is no backup of ampward")
    return decode_manifest(_stream(archive, first).read())


def _stream(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(info)
    if stream is None:
        raise Unsound(f"{info.name} is no plain file")
    return stream


def _members(archive: tarfile.TarFile, manifest: Manifest) -> Iterator[tuple[Member, IO[bytes]]]:
    """Each member with its bytes; Unsound for one that the manifest does not name so, or that is missing."""
    known = {member.name: member for member in manifest.members}
    while (info := archive.next()) is not None:
        member = known.pop(info.name, None)
        if member is None or not info.isreg() or not is_safe(info.name) or info.size != member.size:
            raise Unsound(f"{info.name[:80]} is not what the manifest says")
        yield member, _stream(archive, info)
    if known:
        raise Unsound(f"{next(iter(known))} is missing")


def _check(file: Path, tell: Tell) -> tuple[Manifest, bytes]:
    """The manifest and the sealed secrets of a backup that is what was written."""
    done, sealed = 0, b""
    with _archive(file) as archive:
        manifest = _manifest(archive)
        for member, stream in _members(archive, manifest):
            if member.name == SEALED and member.size > SEALED_MAX + CHUNK:
                raise Unsound(f"{SEALED} has {member.size} bytes, allowed: {SEALED_MAX}")
            digest = sha256()
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                done += len(chunk)
                sealed += chunk if member.name == SEALED else b""
                tell(done, manifest.size)
            if digest.hexdigest() != member.sha256:
                raise Unsound(f"{member.name} in {file} is not what was backed up")
    return manifest, sealed


def _open_secrets(sealed: bytes, manifest: Manifest, passphrase: bytes) -> tuple[_Secret, ...]:
    if not sealed:
        return ()
    try:
        said = json.loads(unseal(sealed, passphrase, manifest.bound()))
        found = tuple(_Secret(one["name"], one["was"], base64.b64decode(one["data"])) for one in said)
    except (ValueError, KeyError, TypeError) as fault:
        raise Unsound("the secrets are not readable") from fault
    if not all(one.name == places.TOKEN or is_safe(one.name) for one in found):
        raise Unsound("the secrets name a place outside the folder")
    return found


def _unpack(file: Path, manifest: Manifest, staging: Path, tell: Tell) -> None:
    done = 0
    with _archive(file) as archive:
        _manifest(archive)
        for member, stream in _members(archive, manifest):
            if member.name == SEALED:
                continue
            digest = sha256()
            with _new_file(staging / member.name) as out:
                while chunk := stream.read(CHUNK):
                    digest.update(chunk)
                    out.write(chunk)
                    done += len(chunk)
                    tell(done, manifest.size)
            if digest.hexdigest() != member.sha256:
                raise Unsound(f"{file} was changed while it was read")


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file for this user alone, synced at the end."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        yield out
        out.flush()
        os.fsync(out.fileno())


def _settle(staging: Path, manifest: Manifest, bars: Bars, life: str) -> None:
    """What is another box's here: the ledger's open messages, the record of commissioning; and the mark."""
    with bars("verifying the log") as tell:
        checked = verify(staging, tell)
    if not checked.ok or (checked.site_seq, checked.head) != (manifest.head_seq, manifest.head_hash):
        raise Unsound(f"the log in the backup does not verify: {checked.what or 'it ends at another record'}")
    for side in ("-wal", "-shm"):
        (staging / (LOG + side)).unlink(missing_ok=True)
    if (staging / LEDGER).exists():
        settle_ledger(staging / LEDGER, manifest.id, life)
    if (staging / COMMISSION).exists():
        (staging / COMMISSION).rename(staging / COMMISSION_BEFORE)
    if not (staging / LOSS_MARK).exists():
        LossMark(staging).clear()
    mark = RestoredFrom(manifest.id, manifest.made_at, manifest.program, manifest.log_id, manifest.head_seq)
    with _new_file(staging / MARK) as out:
        out.write(encode_mark(mark))


def _put_secrets(staging: Path, found: tuple[_Secret, ...]) -> None:
    for secret in found:
        with _new_file(staging / secret.name) as out:
            out.write(secret.data)


def _move(staging: Path, data: Path) -> None:
    """The log last: until it is there this is no site's folder."""
    for path in sorted(staging.iterdir(), key=lambda path: path.name == LOG):
        path.rename(data / path.name)
        _sync(data)
    staging.rmdir()
    _sync(data)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
