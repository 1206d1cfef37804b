"""What the history knows: export, kpi, history rebuild. They read DIR/history.db; the site may run meanwhile."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.site.command.client import refuse_fleet
from services.site.command.options import DATA, Data, Json
from services.site.command.output import plain, progress_bar, table, write, write_json
from services.site.command.trouble import Exit, Trouble

if TYPE_CHECKING:
    from services.history.centre.exporting import FleetTrends
    from shared.runtime.fleet_file import FleetPlan

PANEL = "The history"
DAY_MS = 86_400_000
DAYS_MAX = 3_660
_INSTANT = "RFC 3339 with an offset, or a date: 2026-11-22T12:00:00Z, 2026-11-22"


def add(app: typer.Typer) -> None:
    """Put these commands into the program."""
    here: dict[str, Any] = {"rich_help_panel": PANEL}
    app.command("export", **here)(export)
    app.command("kpi", **here)(kpi)
    history = typer.Typer(no_args_is_help=True, help="The history as a whole.")
    history.callback()(_history)
    history.command("rebuild")(rebuild)
    app.add_typer(history, name="history", **here)


def _history() -> None:
    """The history as a whole: what is grown from the log."""


def export(
    file: Annotated[Path, typer.Argument(help="FILE.csv or FILE.parquet")],
    point: Annotated[list[str], typer.Option("--point", help="Id of a point; may be given several times.")],
    begin: Annotated[str, typer.Option("--from", help=f"Begin: {_INSTANT}. Without it a week before the end.")] = "",
    end: Annotated[str, typer.Option("--to", help="End, not included. Without it now.")] = "",
    step: Annotated[str, typer.Option("--step", help="auto, raw, minute or hour")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    data: Data = DATA,
    config: Annotated[
        Path | None, typer.Option("--config", help="The centre's configuration: points of any site of the fleet.")
    ] = None,
) -> int:
    """Write the trend of one or more points as CSV or Parquet, for other programs.

    A row is a minute, an hour or a reading, with its least, greatest, mean and last value and how many readings were
    good, uncertain and bad. A time without readings has no row. No file is written over without --force. Parquet needs
    the extra: pip install ampward[export]. With --config it is the fleet's history in PostgreSQL; readings are there
    for the last days only.

    Example: ampward export gas.csv --point demo/r1/gas1-h2 --from 2026-11-01 --to 2026-12-01 --step hour
    """
    from services.history.answers import Step
    from services.history.export import KINDS
    from services.history.export import export as run
    from services.history.queries import Queries

    if step not in {each.value for each in Step}:
        raise Trouble(f"--step {step}: not a step, allowed: {', '.join(Step)}", Exit.USAGE)
    if file.suffix not in KINDS:
        raise Trouble(f"{file}: not a kind of file that is written, allowed: {', '.join(KINDS)}", Exit.USAGE)
    if config is None:
        refuse_fleet(data, f"points of a fleet's sites: --config {data / 'fleet.yaml'}")
    span_ms = _span(begin, end, days=7)
    with progress_bar("exporting") as tell:
        source = Queries(data) if config is None else _fleet_trends(config)
        count = run(source, file, list(dict.fromkeys(point)), span_ms, Step(step), tell, force=force)
    write(f"{file}: {count} {'row' if count == 1 else 'rows'}")
    if not count:
        write(f"no readings from {_at(span_ms[0])} to {_at(span_ms[1])}: allowed: another time with --from and --to")
    return Exit.DONE


def kpi(
    days: Annotated[int, typer.Option("--days", min=1, max=DAYS_MAX, help="So many days up to now.")] = 7,
    operators: Annotated[int, typer.Option("--operators", min=1, max=100, help="Who share the alarms.")] = 1,
    data: Data = DATA,
    as_json: Json = False,
) -> int:
    """Show how many alarms people had to bear: rate, floods, stale and chattering alarms, top ten, time to ack.

    Of the site, and of each person who was told of alarms or acted on them. Where the history begins later than what is
    asked for, the figures count from there, and say so. Targets: about one alarm in ten minutes and operator, at most
    150 a day, none stale for more than a day.

    Example: ampward kpi --days 30 --json
    """
    from zoneinfo import ZoneInfo

    from services.history.queries import Queries
    from services.site.past import figures
    from shared.runtime import places
    from shared.wire.plans import decode_site

    refuse_fleet(data, "figures of a fleet's sites: GET /api/v1/kpis of its gateway")
    begin_ms, end_ms = _span("", "", days=days)
    plan = places.find_file(data, places.SITE_PLAN)
    zone = ZoneInfo(decode_site(plan.read_bytes()).time_zone) if plan.exists() else UTC
    with Queries(data) as queries:
        found = figures(queries, begin_ms, end_ms, operators, zone)
    if as_json:
        write_json(found)
    else:
        _show(found)
    return Exit.DONE


def _show(found: dict[str, Any]) -> None:
    since = f"since {_at(found['known_since_at_ms'])}"
    if found["known_since_at_ms"] > found["begin_at_ms"]:
        since += ", when the history begins"
    write(f"{found['announced']} alarms announced {since}: {found['per_day']} a day (target: at most 150)")
    write(f"{found['rate_per_operator_10min']} in 10 min and operator (target: about 1), at most {found['peak_10min']}")
    if found["worst_day"]:
        write(f"worst day {found['worst_day']}: {found['worst_day_announced']}")
    shares = found["percent_by_severity"]
    write(f"critical / alarm / warning: {shares['critical']} / {shares['alarm']} / {shares['warning']} % (5 / 15 / 80)")
    ack = found["time_to_ack"]
    write(f"acked {ack['count']}, median {_time(ack['median_ms'])}, longest {_time(ack['worst_ms'])}")
    write(f"not acked {found['unacked']}")
    for name, person in found["persons"].items():
        told = f"told of {person['told']} (a group counts once), {person['per_day']} a day, "
        told += f"at most {person['peak_10min']} in 10 min"
        ack = person["time_to_ack"]
        acked = f"acked {person['acked']} (median {_time(ack['median_ms'])}, longest {_time(ack['worst_ms'])})"
        write(f"  {plain(name)}: {told}; {acked}, reset {person['reset']}, shelved {person['shelved']}")
        marks = [f"{word} {len(person[word])}" for word in ("floods", "stale", "chattering") if person[word]]
        if marks:
            write(f"    with {', '.join(marks)}")
    for flood in found["floods"]:
        write(f"flood at {_at(flood['begin_at_ms'])}: {flood['alarms']} alarms until {_at(flood['end_at_ms'])}")
    for one in found["stale"]:
        write(f"stale: {plain(one['alarm'])} for {_time(one['active_ms'])}{' (over)' if one['is_over'] else ''}")
    for one in found["chattering"]:
        write(f"chattering: {plain(one['alarm'])}, {one['most_in_a_minute']} times in a minute")
    if found["top_ten"]:
        rows = [(one["alarm"], str(one["announced"]), f"{one['percent']} %") for one in found["top_ten"]]
        for line in table(("Most often", "Times", "Share"), rows):
            write(line)


def rebuild(
    data: Annotated[Path, typer.Argument(help="Data folder.")] = DATA,
    config: Annotated[
        Path | None, typer.Option("--config", help="The centre's configuration: the fleet's history, from Kafka.")
    ] = None,
) -> int:
    """Grow DIR/history.db anew from the log; sends nothing, and the site may run meanwhile.

    The old history stays in use until the new one is complete. Roll-ups of days whose frames the log has deleted are
    taken over from it. With --config it is the fleet's history in PostgreSQL, grown from what Kafka has, while the
    history's replicas may run; what Kafka has no longer is taken over. Ended in the middle it goes on when run again.

    Example: ampward history rebuild /var/lib/ampward
    """
    from services.history.rebuild import rebuild as run

    if config is not None:
        return _rebuild_fleet(config)
    with progress_bar("rebuilding") as tell:
        made = run(data, tell)
    kept = f", {made.kept_days} older days kept" if made.kept_days else ""
    write(f"the history reaches to record {made.site_seq}{kept}")
    return Exit.DONE


def _fleet_trends(config: Path) -> "FleetTrends":
    from services.history.centre.exporting import FleetTrends

    return FleetTrends(_fleet_plan(config).postgres_url())


def _fleet_plan(config: Path) -> "FleetPlan":
    from shared.runtime.fleet_file import read_fleet

    return read_fleet(config, os.environ, "history")


def _rebuild_fleet(config: Path) -> int:
    from services.history.centre.rebuild import RebuildPlan
    from services.history.centre.rebuild import rebuild as run

    plan = _fleet_plan(config)
    with progress_bar("rebuilding") as tell:
        what = RebuildPlan(plan.access(), plan.shape, plan.postgres_url(), plan.prefix,
                           readings_days=plan.history.readings_days)  # fmt: skip
        made = asyncio.run(run(what, tell))
    kept = f", of {made.kept} sites what Kafka has no longer was kept" if made.kept else ""
    write(f"the fleet's history is grown from {made.records} records{kept}")
    return Exit.DONE


def _span(begin: str, end: str, *, days: int) -> tuple[int, int]:
    end_ms = _instant("--to", end) if end else round(datetime.now(UTC).timestamp() * 1000)
    begin_ms = _instant("--from", begin) if begin else end_ms - days * DAY_MS
    if begin_ms >= end_ms:
        raise Trouble("--from is not before --to", Exit.USAGE)
    if end_ms - begin_ms > DAYS_MAX * DAY_MS:
        raise Trouble(f"--from and --to are more than {DAYS_MAX} days apart", Exit.USAGE)
    return begin_ms, end_ms


def _instant(name: str, text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
        if len(text) == len("2026-11-22"):
            at = at.replace(tzinfo=UTC)
        if at.tzinfo is None or at.year < 1970:
            raise ValueError
        return round(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Trouble(f"{name} {plain(text)}: not an instant, allowed: {_INSTANT}", Exit.USAGE) from None


def _time(ms: int) -> str:
    return str(timedelta(seconds=ms // 1000))


def _at(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
