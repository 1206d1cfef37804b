"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from services.site.command.trouble import Exit, Trouble
from shared.runtime.durations import ALLOWED, parse_duration

Data = Annotated[
    Path, typer.Option("--data", help="Data folder of the running site.", envvar="AMPWARD_DATA", show_default=True)
]
Json = Annotated[bool, typer.Option("--json", help="For machines: JSON on standard output.")]

DATA = Path("data")


def duration_ms(text: str, name: str = "--for") -> int:
    """Milliseconds of an option. Raises Trouble with what is allowed."""
    ms = parse_duration(text)
    if not ms:
        what = "not a duration" if ms is None else "that is no time at all"
        raise Trouble(f"{name} {text}: {what}, allowed: {ALLOWED}", Exit.USAGE)
    return ms
