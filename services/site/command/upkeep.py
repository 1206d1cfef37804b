"""Looking after the plant: parts replaced, baselines of resistance, calibrations and proof tests.

Each act goes to the running site like any other (services.site.command.acts) and stands in its log.
"""

from typing import Annotated, Any

import typer

from services.site.command.acts import PANEL, CommandId, Reason, act
from services.site.command.options import DATA, Data, Json

On = Annotated[str, typer.Option("--on", help="The day on which it was done, YYYY-MM-DD; today when not given.")]
Mohm = Annotated[str, typer.Option("--mohm", help="Resistance when new, in mOhm; measured when not given.")]
Why = Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the log.")]


def add(app: typer.Typer) -> None:
    """Put these acts into the program."""
    here: dict[str, Any] = {"rich_help_panel": PANEL}
    app.command("replace", **here)(replace)
    app.command("baseline", **here)(baseline)
    app.command("calibrated", **here)(calibrated)
    app.command("proof-tested", **here)(proof_tested)


def replace(
    part: Annotated[str, typer.Argument(help="Path of the part, as `ampward stock` lists it.", show_default=False)],
    new_serial: Annotated[str, typer.Option("--new", help="Serial of the new part.")],
    reason: Why,
    old_serial: Annotated[str, typer.Option("--old", help="Serial of the old part; refused if another is known.")] = "",
    mohm: Mohm = "",
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Record that a jar, module, sensor, gas head or device was replaced.

    A new jar gets a baseline of its own: --mohm, or the median of its next good values; until then nothing judges its
    resistance. A new gas head is due for calibration from now on, or from the day of its certificate: tell it
    afterwards with `ampward calibrated DETECTOR --on DAY`. No output is touched.

    Example: ampward replace demo/r1/bat1/4S2 --old 7731 --new 9120 --reason "leaking lid"
    """
    body = {"what": "replace", "subject": part, "reason": reason, "old_serial": old_serial, "new_serial": new_serial}
    return act({**body, "baseline_mohm": mohm.replace(",", ".")}, command_id, data, as_json=as_json)


def baseline(
    subject: Annotated[
        str,
        typer.Argument(
            help="Jar SITE/ROOM/BATTERY/2S4, string SITE/ROOM/BATTERY/STRING, or battery.", show_default=False
        ),
    ],
    mohm: Mohm = "",
    reason: Reason = "",
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Set the resistance that the limits of jars go by: a given one, or the median of the next good values.

    Without --mohm each jar is measured from now on, outside a discharge; its old limits hold until that is done.

    Example: ampward baseline demo/r1/bat1 --reason "one year in service"

    Example: ampward baseline demo/r1/bat1/4S2 --mohm 3.125
    """
    body = {"what": "baseline", "subject": subject, "reason": reason, "baseline_mohm": mohm.replace(",", ".")}
    return act(body, command_id, data, as_json=as_json)


def calibrated(
    detector: Annotated[str, typer.Argument(help="Hydrogen detector, SITE/ROOM/POINT.", show_default=False)],
    on: On = "",
    reason: Reason = "",
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Record that a hydrogen detector was calibrated; it is due again from that day.

    A day before the last calibration is refused, but for a new head: the day of its certificate counts, once.

    Example: ampward calibrated demo/r1/gas1-h2 --on 2026-11-02 --reason "test gas 2 %, sheet 118"
    """
    body = {"what": "calibrated", "subject": detector, "reason": reason, "on": on}
    return act(body, command_id, data, as_json=as_json)


def proof_tested(
    output: Annotated[str, typer.Argument(help="Output, SITE/ROOM/OUTPUT.", show_default=False)],
    on: On = "",
    reason: Reason = "",
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Record that an output was proven by hand; it is due again from that day.

    A test that the site itself has seen to work (`ampward test`) and a commissioning count by themselves.

    Example: ampward proof-tested demo/r1/io1-do2 --reason "buzzer heard in the corridor"
    """
    body = {"what": "proof_tested", "subject": output, "reason": reason, "on": on}
    return act(body, command_id, data, as_json=as_json)
