"""Disks that are small, full, read-only or broken."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.testkit import kernel


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    """Mount a tmpfs of ``mib`` MiB at ``folder`` (made when absent) and take it away again at the end."""
    kernel.need(kernel.Feature.MOUNT)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def filled(disk: Path, *, leave_bytes: int = 0) -> Iterator[Path]:
    """Fill the disk but for ``leave_bytes`` with one file, and free it again at the end."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as out:
            while (room := _free(disk) - leave_bytes) > 0:
                try:
                    out.write(bytes(min(room, 1 << 20)))
                except OSError:
                    break
        yield filler
    finally:
        filler.unlink(missing_ok=True)


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Remount a mounted disk read-only, and writable again at the end. Files open for writing must be closed first."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


def _free(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize
