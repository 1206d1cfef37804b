"""What a person does: acknowledge, reset, shelve, silence, take out of service, maintain, test.

Each is a command to the running site, recorded in its log with who, why and for how long, and answered with what became
of it. A refusal is exit code 1 with the reason in words.
"""

import sys
from time import monotonic, sleep
from typing import Annotated, Any
from uuid import uuid4

import typer

from services.site.command.client import RunningSite, problem_words
from services.site.command.options import DATA, Data, Json, duration_ms
from services.site.command.output import plain, write, write_json
from services.site.command.trouble import Exit, Trouble

PANEL = "Acts (recorded, with who and why)"
OUTCOME_S = 10.0
TOLD_S = 0.5
"""Nobody waits longer without a word."""


def _complete(kind: str, incomplete: str) -> list[str]:
    """Ids of the running site in ./data or AMPWARD_DATA, for the shell; nothing when it does not answer."""
    import os
    from pathlib import Path

    data = Path(os.environ.get("AMPWARD_DATA", str(DATA)))
    try:
        items = RunningSite.of_folder(data).get(f"/api/v1/{kind}")["items"]
    except (Trouble, KeyError, TypeError):
        return []
    return [item["id"] for item in items if item["id"].startswith(incomplete)]


def _alarms(incomplete: str) -> list[str]:
    return _complete("alarms", incomplete)


def _outputs(incomplete: str) -> list[str]:
    return _complete("outputs", incomplete)


Alarm = Annotated[
    str,
    typer.Argument(
        help="Alarm id: SITE/ROOM/POINT/RULE, as `ampward status` shows it.",
        autocompletion=_alarms,
        show_default=False,
    ),
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the log.")]
For = Annotated[str, typer.Option("--for", help="How long: 30min, 8h.")]
Occurrence = Annotated[str, typer.Option("--occurrence", help="The occurrence that you saw; refused if it is another.")]
Seen = Annotated[str, typer.Option("--severity-seen", help="warning, alarm or critical: refused if it is graver now.")]
CommandId = Annotated[str, typer.Option("--id", help="Id of this act; the same id again is the same act.")]


def add(app: typer.Typer) -> None:
    """Put the acts into the program."""
    here: dict[str, Any] = {"rich_help_panel": PANEL}
    app.command("ack", **here)(ack)
    app.command("reset", **here)(reset)
    app.command("shelve", **here)(shelve)
    app.command("unshelve", **here)(unshelve)
    app.command("silence", **here)(silence)
    app.command("out-of-service", **here)(out_of_service)
    app.command("in-service", **here)(in_service)
    app.command("maintenance", **here)(maintenance)
    app.command("test", **here)(test)
    app.command("hold-on", **here)(hold_on)


def ack(
    alarm: Alarm,
    occurrence: Occurrence = "",
    severity_seen: Seen = "",
    reason: Reason = "",
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Acknowledge an alarm: "I have seen it and take care of it". Outputs are never touched by it.

    Example: ampward ack demo/r1/gas1-h2/h2_prealarm
    """
    body = {"what": "ack", "subject": alarm, "occurrence": occurrence, "reason": reason}
    return act({**body, "severity_seen": severity_seen or None}, command_id, data, as_json=as_json)


def reset(
    alarm: Alarm,
    occurrence: Occurrence = "",
    reason: Reason = "",
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Reset a latched alarm whose cause has gone. Refused while the cause is there or not known to be gone.

    Example: ampward reset demo/r1/gas1-h2/h2_alarm --reason "room aired, detector checked"
    """
    body = {"what": "reset", "subject": alarm, "occurrence": occurrence, "reason": reason}
    return act(body, command_id, data, as_json=as_json)


def shelve(
    alarm: Alarm,
    for_: For,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the log.")],
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Keep an alarm quiet for a time. It goes on being watched and logged, and comes back by itself at the end.

    Example: ampward shelve demo/r1/bat1/2S4/jar_temp_warning --for 8h --reason "jar is being replaced today"
    """
    body = {"what": "shelve", "subject": alarm, "for": for_, "reason": reason}
    return act(body, command_id, data, as_json=as_json)


def unshelve(
    alarm: Alarm, reason: Reason = "", command_id: CommandId = "", data: Data = DATA, as_json: Json = False
) -> int:
    """End a shelving before its time. An alarm that is active is announced again.

    Example: ampward unshelve demo/r1/bat1/2S4/jar_temp_warning
    """
    return act({"what": "unshelve", "subject": alarm, "reason": reason}, command_id, data, as_json=as_json)


def silence(
    subject: Annotated[
        str, typer.Argument(help="Site, room (SITE/ROOM) or buzzer output; default the whole site.")
    ] = "",
    reason: Reason = "",
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Silence the buzzer until the next alarm. Nothing else changes: no fan stops, no alarm is acknowledged.

    Example: ampward silence demo/r1
    """
    subject = subject or str(RunningSite.of_folder(data).get("/api/v1/status")["site"])
    return act({"what": "silence", "subject": subject, "reason": reason}, command_id, data, as_json=as_json)


def out_of_service(
    alarm: Alarm,
    for_: For,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the log.")],
    second_person: Annotated[str, typer.Option("--second-person", help="Who agrees; needed for critical alarms.")] = "",
    measure: Annotated[str, typer.Option("--measure", help="What watches instead; needed for critical alarms.")] = "",
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Take an alarm out of service for maintenance. Its outputs are still demanded; at the end it raises again.

    Example: ampward out-of-service demo/r1/gas1-h2/h2_alarm --for 2h --reason "detector is being changed"
    --second-person Ben --measure "portable detector in the room"
    """
    body = {"what": "out_of_service", "subject": alarm, "for": for_, "reason": reason}
    return act({**body, "second_person": second_person, "measure": measure}, command_id, data, as_json=as_json)


def in_service(
    subject: Annotated[
        str,
        typer.Argument(
            help="Alarm id, as `ampward status` shows it; or the room (SITE/ROOM) or site whose maintenance ends.",
            autocompletion=_alarms,
            show_default=False,
        ),
    ],
    reason: Reason = "",
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Put an alarm back into service, or end the maintenance of a room or site, before its time.

    Example: ampward in-service demo/r1/gas1-h2/h2_alarm

    Example: ampward in-service demo/r1 --reason "inspection done"
    """
    return act({"what": "in_service", "subject": subject, "reason": reason}, command_id, data, as_json=as_json)


def maintenance(
    subject: Annotated[str, typer.Argument(help="Room (SITE/ROOM) or site.", show_default=False)],
    for_: For,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the log.")],
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Say that people work in a room for a time; it ends by itself, or before with `ampward in-service`.

    Its alarms are quiet meanwhile, and logged; no demand and no protection is switched off by it.

    Example: ampward maintenance demo/r1 --for 4h --reason "yearly inspection"

    Example: ampward in-service demo/r1 --reason "inspection done"
    """
    body = {"what": "maintenance", "subject": subject, "for": for_, "reason": reason}
    return act(body, command_id, data, as_json=as_json)


def test(
    output: Annotated[
        str,
        typer.Argument(help="Output id: SITE/ROOM/OUTPUT.", autocompletion=_outputs, show_default=False),
    ],
    for_: Annotated[str, typer.Option("--for", help="How long the output is demanded.")] = "10s",
    reason: Reason = "",
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Demand an output for a moment: it is written, read back and proven like any other demand, and recorded.

    Example: ampward test demo/r1/io1-do0 --for 30s --reason "weekly fan test"
    """
    body = {"what": "test", "subject": output, "for": for_, "reason": reason}
    return act(body, command_id, data, as_json=as_json)


def hold_on(
    output: Annotated[
        str,
        typer.Argument(help="Output id: SITE/ROOM/OUTPUT.", autocompletion=_outputs, show_default=False),
    ],
    for_: Annotated[str, typer.Option("--for", help="How long, at most 15min, from its arrival on.")] = "15min",
    reason: Reason = "",
    command_id: CommandId = "",
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Keep an output of a site on for a time, from a fleet's centre. The site may switch it on anyhow, never off.

    Example: ampward hold-on depot/r1/io1-do0 --for 10min --reason "gas alarm next door" --data data/fleet
    """
    body = {"what": "hold_on", "subject": output, "for": for_, "reason": reason}
    return act(body, command_id, data, as_json=as_json)


def act(body: dict[str, Any], command_id: str, data: Any, *, as_json: bool) -> int:
    """Send it, wait for its outcome, say it."""
    if body.get("for"):
        duration_ms(str(body["for"]))
    site = RunningSite.of_folder(data)
    given = {"id": command_id or str(uuid4()), **body}
    answer = site.post("/api/v1/commands", given)
    if answer.status == 409:
        return _refused(given["id"], answer.body, as_json=as_json)
    if answer.status != 202:
        code = Exit.USAGE if answer.status in (400, 422) else Exit.NOT_TRIED
        raise Trouble(f"the site answers {answer.status}: {problem_words(answer.body)}", code)
    outcome = _outcome(site, given)
    if as_json:
        write_json(outcome)
    elif outcome["state"] == "accepted":
        write(f"accepted: {body['what'].replace('_', ' ')} {body['subject']}{_rooms(outcome)}")
    else:
        write(
            f"{outcome['state']}: the site has not answered yet, what it decides stands in its log (id {given['id']})"
        )
    return Exit.NO if outcome["state"] in ("rejected", "expired") else Exit.DONE


def _rooms(answer: dict[str, Any]) -> str:
    """Which rooms refused, when it was not one room's matter."""
    refusals = answer.get("refusals") or []
    if len(refusals) < 2 and answer.get("state") != "accepted":
        return ""
    return "".join(f"; {plain(one['room'])} refused: {plain(one['text'] or one['reason'])}" for one in refusals)


def _outcome(site: RunningSite, given: dict[str, Any]) -> dict[str, Any]:
    """The state of the command once it is no longer pending; pending after OUTCOME_S, and said so while one waits."""
    began, is_told = monotonic(), False
    while True:
        outcome: dict[str, Any] = site.get(f"/api/v1/commands/{given['id']}")
        if outcome["state"] != "pending" or monotonic() > began + OUTCOME_S:
            return outcome
        if not is_told and monotonic() > began + TOLD_S:
            is_told = True
            sys.stderr.write(f"ampward: pending: on its way to {given['subject'].split('/')[0]}, no answer yet\n")
            sys.stderr.flush()
        sleep(0.1)


def _refused(command_id: str, problem: Any, *, as_json: bool) -> int:
    reason = str(problem.get("type", "")).rpartition(":")[2]
    if as_json:
        present = {"occurrence": problem.get("occurrence", ""), "severity": problem.get("severity", "")}
        told = {"id": command_id, "state": "rejected", "reason": reason, "text": problem_words(problem)}
        write_json({**told, **present, "refusals": problem.get("refusals", [])})
        return Exit.NO
    words = f"refused: {plain(problem_words(problem))} ({reason}){_rooms(problem)}"
    if reason in ("other-occurrence", "severity-rose") and problem.get("occurrence"):
        words += f"; now it is {problem.get('severity')}, occurrence {problem.get('occurrence')}"
    raise Trouble(words, Exit.NO)
