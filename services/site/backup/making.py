"""A backup of a site that runs, or does not: one new file.

    open a moment of each database -> copy -> verify the copy's chain -> hash -> write the archive -> fsync -> name it

Promises: the site is not stopped and not slowed but by reading; the log is as of one moment and verified, the ledger is
not older than it, the history not newer; FILE appears complete and synced, or not at all, and never in the place of
another. Secrets go in with a passphrase only; without one they are named as left out.
Raises CannotBackUp in words, Unsound when the log does not verify, LogNewer.
Limits: beside FILE there must be room for twice the databases.
"""

import base64
import errno
import gzip
import io
import json
import os
import secrets
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from services.processor.verify import Verified, verify
from services.site.backup.collecting import Collected, Found, collect
from services.site.backup.copying import Tell, copy, moment
from services.site.backup.manifest import NAME, SEALED, CannotBackUp, Manifest, Member, Unsound, encode_manifest
from services.site.backup.sealing import seal
from services.site.backup.words import MIB, in_words, need_room
from services.site.formats import FORMATS, refuse_newer
from shared.log.sqlite_read import SqliteReader
from shared.runtime import places

Bars = Callable[[str], AbstractContextManager[Tell]]
"""Takes what is done, gives what takes the progress."""
LOG, LEDGER, HISTORY = "log.db", "notify.db", "history.db"
BESIDE = ("tokens.json", "commission.json", "undurable.mark")
CHUNK = 1 << 20
LEVEL = 3
"""Old records are packed already: a higher level takes longer for next to nothing."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was backed up."""

    manifest: Manifest
    bytes: int
    """Size of the file."""
    missing: tuple[str, ...]
    """Files that the plan names and that were not there."""
    urls: tuple[str, ...]
    """Keys of the site file whose URL may be a secret: it is in the backup, in clear."""


@dataclass(frozen=True, slots=True)
class _Staged:
    member: Member
    path: Path


def make_backup(data: Path, target: Path, bars: Bars, *, passphrase: bytes = b"", history: bool = False) -> Made:
    """See the module. ``passphrase`` empty: no secrets; ``history``: its tables too."""
    _check(data, target)
    staging = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        staging.mkdir(mode=0o700)
        try:
            return _make(data, target, staging, bars, passphrase, history=history)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as fault:
        raise in_words(fault, target.parent) from fault


def _check(data: Path, target: Path) -> None:
    if not (data / LOG).exists():
        raise CannotBackUp(f"there is no log in {data}")
    if target.exists() or target.is_symlink():
        raise CannotBackUp(f"{target} exists: a backup never takes the place of another file, choose another name")
    if not target.parent.is_dir():
        raise CannotBackUp(f"{target.parent}: there is no such folder")
    refuse_newer(data)


def _make(data: Path, target: Path, staging: Path, bars: Bars, passphrase: bytes, *, history: bool) -> Made:
    names = [LOG, LEDGER, *([HISTORY] if history else [])]
    sizes = sum((data / name).stat().st_size for name in names if (data / name).exists())
    need_room(target.parent, 2 * sizes + MIB, "the backup")
    staged = _copy_databases(data, staging, bars, [name for name in names if (data / name).exists()])
    with bars("checking the copy") as tell:
        checked = verify(staging, tell)
    if not checked.ok:
        raise Unsound(f"the log does not verify, so it is not backed up: record {checked.bad_record}: {checked.what}")
    collected = collect(data)
    manifest = _manifest(collected, checked, staging / LOG, sealed=bool(passphrase))
    staged += _copy_files(data, staging, collected)
    if passphrase:
        _write(staging / SEALED, seal(_bundle(collected.secrets), passphrase, manifest.bound()))
        staged.append((SEALED, staging / SEALED, ""))
    whole = [_Staged(Member(name, path.stat().st_size, _hash(path), was), path) for name, path, was in staged]
    manifest = replace(manifest, members=tuple(each.member for each in whole))
    part = staging / "archive"
    with bars("writing") as tell:
        _write_archive(part, manifest, whole, tell)
    size = part.stat().st_size
    _name(part, target)
    return Made(manifest, size, collected.missing, collected.urls)


def _copy_databases(data: Path, staging: Path, bars: Bars, names: list[str]) -> list[tuple[str, Path, str]]:
    """The history is never newer than the log, the ledger never older: so each can go on from the log's head."""
    order = [name for name in (HISTORY, LOG, LEDGER) if name in names]
    with ExitStack() as moments:
        opened = {name: moments.enter_context(moment(data / name)) for name in order}
        for name in order:
            with bars(f"copying {name}") as tell:
                copy(opened[name], staging / name, tell)
    return [(name, staging / name, "") for name in (LOG, LEDGER, HISTORY) if name in order]


def _copy_files(data: Path, staging: Path, collected: Collected) -> list[tuple[str, Path, str]]:
    """Small files, copied so that what is hashed is what is written."""
    made = []
    beside = [Found(name, places.find_file(data, name), "") for name in BESIDE]
    for found in (*(each for each in beside if each.path.exists()), *collected.files):
        copied = staging / found.name
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found.path, copied)
        made.append((found.name, copied, found.was))
    return made


def _manifest(collected: Collected, checked: Verified, log: Path, *, sealed: bool) -> Manifest:
    return Manifest(
        id=secrets.token_hex(8),
        made_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        program=version("ampward"),
        formats={name: form for name, form in FORMATS.items() if name != "backup"},
        site=collected.site,
        log_id=_log_id(log),
        head_seq=checked.site_seq,
        head_hash=checked.head,
        source=collected.source,
        left_out=() if sealed else tuple(found.was or found.name for found in collected.secrets),
        members=(),
    )


def _bundle(found: tuple[Found, ...]) -> bytes:
    """The secrets as one document."""
    files = [{"name": each.name, "was": each.was, "data": base64.b64encode(each.path.read_bytes()).decode()}
             for each in found]  # fmt: skip
    return json.dumps(files).encode()


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(data)


def _hash(path: Path) -> str:
    digest = sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _write_archive(part: Path, manifest: Manifest, staged: list[_Staged], tell: Tell) -> None:
    done, whole = 0, max(1, manifest.size)

    class Told(io.BufferedReader):
        """A member as it is read into the archive."""

        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal done
            chunk = super().read(size)
            done += len(chunk)
            tell(done, whole)
            return chunk

    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=stream, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK) as archive,
        ):
            body = encode_manifest(manifest)
            archive.addfile(_info(NAME, len(body)), io.BytesIO(body))
            for each in staged:
                with Told(io.FileIO(each.path)) as source:
                    archive.addfile(_info(each.member.name, each.member.size), source)
        stream.flush()
        os.fsync(stream.fileno())


def _info(name: str, size: int) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.mode = size, 0o600
    return made


def _name(part: Path, target: Path) -> None:
    """Give the finished file its name, never over another; a disk without hard links (a stick) gets it by renaming."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise CannotBackUp(f"{target} exists: somebody has made it meanwhile, choose another name") from None
    except OSError as fault:
        if fault.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        part.rename(target)
    with suppress(OSError), _opened(target.parent) as folder:
        os.fsync(folder)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _log_id(log: Path) -> str:
    reader = SqliteReader.open(log)
    try:
        return reader.head().log_id
    finally:
        reader.close()
