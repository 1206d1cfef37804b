"""What a disk answers, in words for who asked for a backup."""

import errno
from pathlib import Path

from services.site.backup.manifest import CannotBackUp
from shared.log.ballast import free_bytes

MIB = 1 << 20


def in_words(fault: OSError, where: Path) -> CannotBackUp:
    """The fault as a sentence that says what to do."""
    match fault.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return CannotBackUp(f"no space is left in {where} ({free_mib(where)} MiB free): take another disk")
        case errno.EROFS:
            return CannotBackUp(f"{where} is read-only: take another folder")
        case errno.EACCES | errno.EPERM:
            return CannotBackUp(f"{fault.filename or where}: not allowed for this user")
        case errno.EFBIG:
            return CannotBackUp(f"the file system of {where} takes no file of this size: take another disk")
        case errno.ENOENT | errno.ENOTDIR:
            return CannotBackUp(f"{fault.filename or where}: there is no such file or folder")
    return CannotBackUp(f"{fault.filename or where}: {fault.strerror or fault}")


def need_room(folder: Path, needed: int, what: str) -> None:
    """Raises CannotBackUp when so many bytes are not free."""
    if free_bytes(folder) < needed:
        wanted, free = needed // MIB + 1, free_mib(folder)
        raise CannotBackUp(f"{what} needs about {wanted} MiB in {folder}, {free} MiB are free: take another disk")


def free_mib(folder: Path) -> int:
    return free_bytes(folder) // MIB
