"""What commands print: lines for people, JSON for machines, a progress bar for the impatient."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

import orjson

SHOW_AFTER_S = 1.0
LINE_EVERY_S = 10.0
_DIRECTION = [0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
"""Marks that turn the direction of what follows: a name could make another one of a line. And line separators."""
_CONTROL = dict.fromkeys([*range(32), *range(127, 160), *_DIRECTION], "�")

Progress = Callable[[int, int], None]


def write(line: str = "") -> None:
    """One line of output."""
    sys.stdout.write(f"{line}\n")


def write_json(value: Any) -> None:
    """One JSON document on one line."""
    sys.stdout.write(orjson.dumps(value).decode() + "\n")


def plain(text: str) -> str:
    """Text from outside as it may stand on a terminal: control characters and marks of direction are replaced."""
    return text.translate(_CONTROL)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a table; each column as wide as its widest cell."""
    cells = [tuple(head), *(tuple(plain(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _lines(what: str) -> Progress:
    last = monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal last
        if monotonic() - last >= LINE_EVERY_S:
            last = monotonic()
            sys.stderr.write(f"ampward: {what}: {f'{100 * done // of} %' if of else done}\n")
            sys.stderr.flush()

    return tell


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Gives a function (done, of all). On a terminal it draws a bar on standard error once a second has passed; into a
    file or a journal it writes a line there every ten seconds."""
    if not sys.stderr.isatty():
        yield _lines(what)
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    bar = Bar(console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=None)
    begun = monotonic()

    def tell(done: int, of: int) -> None:
        if not bar.live.is_started:
            if monotonic() - begun < SHOW_AFTER_S:
                return
            bar.start()
        bar.update(task, completed=done, total=of or None)

    try:
        yield tell
    finally:
        if bar.live.is_started:
            bar.stop()
