"""The folder of a run: gone when the run held, left and named when it did not.

The processes' output, the sites' logs and the servers' data are then there to be read. Folders are made where the
system has its temporary files, or under DIR by `python -m tests.soak --keep DIR`. Nobody removes what was left.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from tests.soak.outcome import Outcome

_parent: ContextVar[Path | None] = ContextVar("parent", default=None)


@contextmanager
def kept_under(parent: Path) -> Iterator[None]:
    """Folders of runs are made here, for the length of the block."""
    parent.mkdir(parents=True, exist_ok=True)
    token = _parent.set(parent)
    try:
        yield
    finally:
        _parent.reset(token)


@contextmanager
def run_folder(prefix: str, outcome: Outcome) -> Iterator[Path]:
    """A new folder; it stays when the block ends with an error, or with something in ``outcome`` that did not hold.

    A run that was interrupted, or skipped for what this machine has not, leaves nothing.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_parent.get()))
    is_left = False
    try:
        yield folder
        is_left = not outcome.is_clean
    except Exception:
        is_left = True
        raise
    finally:
        if is_left:
            print(f"did not hold; its folder is left: {folder}", flush=True)
        else:
            shutil.rmtree(folder)
