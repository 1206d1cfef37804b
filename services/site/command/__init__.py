"""``ampward``: the one command. This module decides only how much has to be loaded.

``ampward run`` with plain arguments starts the parent at once, without the library that parses and explains: it lives
for years and must be trip-ready soon. Everything else goes through services.site.command.app. Never a traceback: a
fault is one line that says what is wrong and what is allowed.

Exit codes, the same for every command: 0 done; 1 the answer is no (faults in a file, a log that does not verify, a
replay that differs, a refused command); 2 wrong usage; 3 it could not be tried (cannot start, no site runs, nothing to
read); 4 a fault of this program.
"""

import io
import os
import sys
from pathlib import Path


def main() -> None:
    """Entry point of the program ``ampward``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be any bytes
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        from services.site.command.start import parse_plain, start

        plain = parse_plain(arguments[1:])
        if plain is not None:
            sys.exit(start(plain))
    sys.exit(_parsed(arguments))


def _parsed(arguments: list[str]) -> int:
    from services.site.command.app import call

    try:
        return call(arguments)
    except BrokenPipeError:
        # The reader of our output has gone (``| head``): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def repository_file(path: str) -> Path:
    """A file named by its place in the repository: from here, or from where the program is installed."""
    here = Path(path)
    return here if here.exists() else Path(__file__).resolve().parents[3] / path
