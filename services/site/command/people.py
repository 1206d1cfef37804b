"""About messages to people: who would be told of an alarm, and a test of a channel."""

from pathlib import Path
from typing import Annotated, Any

import typer

from services.site.command.client import RunningSite, refuse_fleet
from services.site.command.options import DATA, Data, Json
from services.site.command.output import plain, table, write, write_json
from services.site.command.trouble import Exit, Trouble

PANEL = "People"
ALARMS_MAX = 20
"""More alarms that match are counted and not shown."""
SiteOption = Annotated[
    Path | None,
    typer.Option("--site", help="A site file, instead of the plan of the data folder.", exists=True, dir_okay=False),
]


def add(app: typer.Typer) -> None:
    """Put these commands into the program."""
    here: dict[str, Any] = {"rich_help_panel": PANEL}
    app.command("route", **here)(route)
    app.command("test-channel", **here)(test_channel)


def route(
    alarm: Annotated[str, typer.Argument(help="SITE/ROOM/POINT/RULE, or the end of it.")],
    site: SiteOption = None,
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Say who would be told of an alarm if it were raised now, what, when and by what, escalation included.

    What matches more than one alarm is said for each. A way that refused its last message says so, and how often it is
    offered the alarm again. Nothing is sent. Exit 0 when somebody would be told of each now, 1 when nobody would.

    Example: ampward route demo/r1/gas1-h2/h2_alarm
    """
    from dataclasses import asdict

    from services.notifier.explain import explain
    from services.notifier.peek import lanes_in

    if site is None:
        refuse_fleet(
            data,
            "whom the centre tells stands in the file that notify: names in fleet.yaml; --site FILE asks of a site",
        )
    plan = _plan(site, data)
    setting, lanes = _setting(plan), lanes_in(data)
    events = _events(plan, alarm)
    found = [(event, explain(setting, event, _moment(), lanes)) for event in events[:ALARMS_MAX]]
    code = Exit.DONE if all(any(step.now for step in steps) for _, steps in found) else Exit.NO
    if as_json:
        told = [
            {"alarm": event.subject, "rule": event.rule, "severity": event.severity, "told": [*map(asdict, steps)]}
            for event, steps in found
        ]
        write_json({**told[0], "others": told[1:], "left_out": len(events) - len(found)})
        return code
    for event, steps in found:
        _show_route(event, steps)
    if len(events) > len(found):
        write(f"and {len(events) - len(found)} more that match: give more of the alarm's id")
    return code


def _show_route(event: Any, steps: Any) -> None:
    write(f"{event.subject} ({event.severity})")
    if not steps:
        write("  nobody is told: no rule under notify: matches, or nobody can be reached")
        return
    rows = [
        (
            f"  {'at once' if not step.after_ms else 'after ' + _time(step.after_ms)}",
            step.person,
            step.channel,
            f"every {_time(step.repeat_ms)}" if step.repeat_ms else "once",
            f"notify[{step.route - 1}]",
            plain(step.note if step.now else f"not now: {step.note or 'not in force'}"),
            step.subject,
        )
        for step in steps
    ]
    for line in table(("  when", "who", "by", "until acked", "rule", "note", "what"), rows):
        write(line)


def test_channel(
    channel: Annotated[str, typer.Argument(help="email or webhook")],
    to: Annotated[str, typer.Option("--to", help="Only this person.")] = "",
    site: SiteOption = None,
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Send a test message by a channel and say what the other side answered.

    It goes to everybody whom a rule under notify: names for this channel, or to one person. A site that runs in the
    data folder sends it itself, and its log records what became of it (the sheet counts that); without one, and with
    --site, it is sent from here and nothing is recorded. Exit 0 when every message was taken, 1 when one was not.

    Example: ampward test-channel email --to anna
    """
    import asyncio

    plan = _plan(site, data)
    setting = _setting(plan)
    if channel not in setting.plan.channels:
        allowed = ", ".join(setting.plan.channels) or "none is configured"
        raise Trouble(f"{channel}: no such channel, allowed: {allowed}", Exit.USAGE)
    people = _people(setting, channel, to)
    running = _running(data) if site is None and setting.plan.routes else None
    if running is not None:
        from services.site.command.tests_sent import send_through

        answers = [(*one,) for one in send_through(running, setting.site, channel, people)]
    else:
        answers = asyncio.run(_send(setting, channel, people))
    is_recorded = running is not None
    if as_json:
        told = [{"person": person, "result": result, "why": why} for person, result, why in answers]
        write_json([{**one, "recorded": is_recorded} for one in told])
    else:
        for person, result, why in answers:
            write(plain(f"{person}: {result}{': ' if why else ''}{why}"))
        if not is_recorded:
            write("sent from here and not recorded: the sheet counts what a running site has sent")
    return Exit.DONE if all(result == "sent" for _, result, _ in answers) else Exit.NO


def _running(data: Path) -> RunningSite | None:
    """The site that runs in the folder and answers."""
    try:
        running = RunningSite.of_folder(data)
        running.get("/api/v1/status")
    except Trouble:
        return None
    return running


def _people(setting: Any, channel: str, to: str) -> list[str]:
    from services.notifier.routing import daily_lanes

    if not to:
        found = [lane.person for lane in daily_lanes(setting) if lane.channel == channel]
        if not found:
            raise Trouble(f"no rule under notify: sends by {channel}; allowed: --to PERSON", Exit.USAGE)
        return found
    if to not in setting.people:
        raise Trouble(f"--to {to}: no such person, allowed: {', '.join(setting.people) or 'none'}", Exit.USAGE)
    if not setting.reaches(channel, to):
        raise Trouble(f"{to} has no address for {channel}", Exit.USAGE)
    return [to]


async def _send(setting: Any, channel: str, people: list[str]) -> list[tuple[str, str, str]]:
    from secrets import token_hex

    from services.notifier.compose import compose
    from services.notifier.messages import Lane, probe_message
    from services.notifier.outside import make_channels
    from services.notifier.ports import Sent
    from shared.runtime.clocks import SystemClock

    made = make_channels(setting, SystemClock())
    if channel not in made:
        raise Trouble(f"the channel {channel} cannot be opened: the line above says why", Exit.NO)
    answers = []
    try:
        for person in people:
            message = probe_message(Lane(person, channel), token_hex(8), _moment().wall_ms)
            outgoing = compose(message, setting, setting.people[person], repeat=False, fault=_raise)
            outcome = await made[channel].send(outgoing)
            said = outcome.receipt if isinstance(outcome, Sent) else outcome.why
            answers.append((person, type(outcome).__name__.lower(), said))
    finally:
        for one in made.values():
            await one.close()
    return answers


def _raise(fault: Exception) -> None:
    raise fault


def _plan(site: Path | None, data: Path) -> Any:
    import os

    from shared.runtime import places
    from shared.runtime.site_file import check_site
    from shared.wire.plans import decode_site

    if site is not None:
        checked = check_site(site, os.environ)
        if checked.plan is None:
            raise Trouble(f"{checked.errors[0]} (`ampward check {site}` shows all)", Exit.NO)
        return checked.plan
    path = places.find_file(data, places.SITE_PLAN)
    if not path.is_file():
        raise Trouble(f"{data} has no {places.SITE_PLAN}: no site has run there; allowed: --data or --site")
    return decode_site(path.read_bytes())


def _setting(plan: Any) -> Any:
    from services.site.notify import setting_of

    return setting_of(plan)


def _moment() -> Any:
    from services.notifier.moments import Moment
    from shared.runtime.clocks import SystemClock

    return Moment(0, SystemClock().wall_ms())


def _events(plan: Any, alarm: str) -> list[Any]:
    """The alarms that match what was given, as if they were raised now."""
    from services.site.notify import as_raised

    known = [(room.id, one) for room in plan.decision.rooms for one in room.alarms]
    found = [(room, one) for room, one in known if one.id == alarm or one.id.endswith(f"/{alarm}")]
    if not found:
        some = ", ".join(one.id for _, one in known[:3])
        raise Trouble(f"{alarm}: no such alarm, allowed: an alarm of this site, as in {some}", Exit.USAGE)
    return [as_raised(plan.decision.site, room, one, _moment().wall_ms) for room, one in found]


def _time(ms: int) -> str:
    from shared.runtime.durations import format_duration

    return format_duration(ms)
