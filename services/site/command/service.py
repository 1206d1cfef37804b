"""One service of the fleet's centre as a process: `ampward service NAME --config FILE`."""

import asyncio
import importlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.site.command.fleet import PANEL
from services.site.command.output import plain, write
from services.site.command.trouble import Exit, Trouble
from shared.domain.errors import ConfigError

if TYPE_CHECKING:
    from shared.runtime.fleet_file import FleetPlan

SERVICES = {
    "processor": "services.processor.app",
    "kpi": "services.processor.kpi",
    "gateway": "services.site.centre_gateway",
    "notifier": "services.notifier.centre.app",
    "history": "services.history.centre.app",
    "supervisor": "services.fleet.supervise",
    "bridge": "services.site.hosting",
}
"""Module by service; each has TOPICS, which it waits for, and ``main(plan: FleetPlan) -> int``, until INT or TERM."""
ON_POSTGRES = frozenset({"notifier", "history", "supervisor", "bridge"})
"""Services that cannot begin without the database."""
EXTRA = "the extra ampward[fleet] is not installed"


def add(app: typer.Typer) -> None:
    """Put these commands into the program."""
    app.command("service", rich_help_panel=PANEL)(service)


def service(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.", show_default=False)],
    config: Annotated[
        Path, typer.Option("--config", help="Fleet file (YAML).", exists=True, dir_okay=False, readable=True)
    ],
    only_check: Annotated[bool, typer.Option("--check", help="Check the file for this service and end.")] = False,
) -> int:
    """Run one service of the fleet's centre until INT or TERM.

    The file is checked first: every fault at once, one a line, as FILE:LINE:COL: KEY: what is wrong, what is allowed.
    Then it waits for its servers: Kafka, its topics, PostgreSQL.
    Exit 1 when the file has faults, 3 when the service cannot start.

    Example: ampward service processor --config fleet.yaml
    """
    from shared.runtime.fleet_file import check_fleet

    if name not in SERVICES:
        raise Trouble(f"{name}: no such service, allowed: {', '.join(SERVICES)}", Exit.USAGE)
    checked = check_fleet(config, os.environ, name)
    for fault in checked.faults:
        write(plain(str(fault) if fault.severity == "error" else f"{fault} [{fault.severity}]"))
    if checked.plan is None:
        return Exit.NO
    if only_check:
        return Exit.DONE
    if importlib.util.find_spec("aiokafka") is None:
        raise Trouble(f"{name} cannot start: {EXTRA}")
    return _run(name, checked.plan)


def _run(name: str, plan: "FleetPlan") -> int:
    from services.site.command.waiting import wait_for_servers
    from shared.runtime.logging import configure, logger

    module = importlib.import_module(SERVICES[name])
    configure(name)
    try:
        is_there = asyncio.run(
            wait_for_servers(plan, module.TOPICS, database=name in ON_POSTGRES, log=logger(part="waiting"))
        )
    except ConfigError as fault:
        raise Trouble(f"{name} cannot start: {fault}") from fault
    return int(module.main(plan)) if is_there else Exit.DONE
