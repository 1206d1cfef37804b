"""The commands as one program: names, help, completion, and what becomes of trouble.

Each command's module loads what it needs when it runs, so that ``ampward --help`` and completion stay quick.
"""

import os
import sys
from importlib import metadata
from typing import Annotated

import typer
from typer.exceptions import Exit as TyperExit
from typer.exceptions import TyperException

from services.site.command import (
    acts,
    boxes,
    enroll,
    files,
    fleet,
    imports,
    logs,
    past,
    people,
    service,
    sheet,
    sites,
    stock,
    upkeep,
    users,
)
from services.site.command.output import plain
from services.site.command.trouble import Exit, Trouble
from shared.domain.errors import AmpwardError, LogDamaged
from shared.domain.version import CORE_VERSION

HELP = """Watch battery rooms and act: field bus to alarm, fan relay and provable event log.

Ampward supplements a listed gas detector and its hard-wired ventilation interlock; it does not replace them.

Begin with `ampward run` (a demo site with simulated devices), then write a site file of your own,
`ampward check` it, look at each device with `ampward probe`, and arm the outputs with
`ampward commission`. Commands that ask a running site find it by its data folder (--data, default ./data).
"""

EPILOG = "Exit codes: 0 done; 1 the answer is no; 2 wrong usage; 3 could not be tried; 4 a fault of the program."


def build() -> typer.Typer:
    """The program with all its commands."""
    app = typer.Typer(
        name="ampward",
        help=HELP,
        epilog=EPILOG,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_program)
    for room in (
        sites,
        files,
        imports,
        sheet,
        logs,
        past,
        acts,
        upkeep,
        stock,
        people,
        users,
        boxes,
        fleet,
        enroll,
        service,
    ):
        room.add(app)
    return app


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"ampward {metadata.version('ampward')}, core version {CORE_VERSION}")
        raise TyperExit


def _program(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of the program itself; what is asked of it is said by their callbacks."""


def call(arguments: list[str]) -> int:
    """Run one command line; gives the exit code. Raises BrokenPipeError when nobody reads the output."""
    command = typer.main.get_command(build())
    try:
        code = command.main(arguments, prog_name="ampward", standalone_mode=False)
        return code if isinstance(code, int) else Exit.DONE
    except TyperExit as ended:
        return ended.exit_code
    except TyperException as wrong:
        return _say(_usage(wrong), wrong.exit_code) if wrong.format_message() else Exit.USAGE
    except Trouble as trouble:
        return _say(str(trouble), trouble.code)
    except LogDamaged as damage:
        return _say(f"the log is damaged: {damage}", Exit.NO)
    except AmpwardError as error:
        return _say(str(error), Exit.NOT_TRIED)
    except BrokenPipeError:
        raise
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        return _say(f"{named}{error.strerror or error}", Exit.NOT_TRIED)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as fault:
        if os.environ.get("AMPWARD_DEBUG"):
            raise
        words = f"{type(fault).__name__}: {fault}".splitlines()[0]
        return _say(f"a fault of this program: {words} (AMPWARD_DEBUG=1 shows where)", Exit.FAULT)


def _usage(wrong: TyperException) -> str:
    """The library's message as one line with the way out."""
    context = getattr(wrong, "ctx", None)
    path = context.command_path if context is not None else "ampward"
    text = " ".join(wrong.format_message().split())
    return f"{text} (see {path} --help)"


def _say(sentence: str, code: int) -> int:
    sys.stderr.write(f"ampward: {plain(' '.join(sentence.splitlines()))}\n")
    return int(code)
