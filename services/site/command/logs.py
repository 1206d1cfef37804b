"""What was: events, verify, replay. They read the log on its own; the site may run meanwhile."""

import sys
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Annotated, Any

import typer

from services.site.command.client import RunningSite, Told, find_fleet, refuse_fleet
from services.site.command.options import DATA, Json
from services.site.command.output import plain, progress_bar, write, write_json
from services.site.command.trouble import Exit, Trouble

PANEL = "The log"
AGAIN_S = 1.0
BEGINNING = (0, 0)
END = (1 << 62, 0)
_PREFIX = "ampward."
CENTRE_CHECKS = (
    "the centre checks and derives every block again, and says what came of it in GET /api/v1/sites of its gateway"
    " (different, last_verdict)"
)


def add(app: typer.Typer) -> None:
    """Put these commands into the program."""
    here: dict[str, Any] = {"rich_help_panel": PANEL}
    app.command("events", **here)(events)
    app.command("verify", **here)(verify)
    app.command("replay", **here)(replay)


def events(
    source: Annotated[str, typer.Argument(help="Data folder, or http://HOST:PORT of a running site.")] = str(DATA),
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes; needs a running site.")
    ] = False,
    since: Annotated[str, typer.Option("--since", help="Cursor of the last event you have.")] = "",
    type_prefix: Annotated[str, typer.Option("--type", help="Only types that begin so: ampward.alarm")] = "",
    as_json: Json = False,
) -> int:
    """Print events, oldest first: CloudEvents, one a line.

    On a terminal each line is a sentence; with --json, and when the output goes elsewhere, it is the CloudEvent with
    the cursor behind it.

    Example: ampward events -f

    Example: ampward events data --type ampward.alarm --json | jq .data.alarm
    """
    from shared.domain.events import FAMILIES, is_type_prefix

    if "://" not in source and not is_type_prefix(type_prefix):  # A running site knows its own types, and says so.
        raise Trouble(
            f"--type {type_prefix[:80]}: no event's type begins so, allowed: {', '.join(FAMILIES)}", Exit.USAGE
        )
    as_json = as_json or not sys.stdout.isatty()
    for told in _told(source, since, type_prefix, follow=follow):
        if told.event == "reset":
            sys.stderr.write("ampward: the cursor is older than what is kept; going on from the oldest event\n")
        elif as_json:
            write_json({**told.data, "cursor": told.cursor})
        else:
            write(event_line(told.data))
        if follow:
            sys.stdout.flush()
    return Exit.DONE


def event_line(cloud: dict[str, Any]) -> str:
    """One event for people."""
    data = cloud.get("data", {})
    kind = str(cloud["type"]).removeprefix(_PREFIX).rpartition(".v")[0]
    parts = [str(cloud["time"]), kind, str(cloud["subject"])]
    parts += [str(data[name]) for name in ("severity", "state") if data.get(name)]
    if data.get("value"):
        parts.append(f"{data['value']} {data.get('unit', '')}".strip())
    parts += [f"by {data['actor']}"] if data.get("actor") else []
    parts += [f"({data['reason']})"] if data.get("reason") else []
    return plain("  ".join(parts))


def _told(source: str, since: str, type_prefix: str, *, follow: bool) -> Iterator[Told]:
    is_url = "://" in source
    if not is_url and not follow and find_fleet(Path(source)) is None:
        yield from _of_log(Path(source), since, type_prefix)
        return
    while True:
        site = RunningSite.of_url(source) if is_url else RunningSite.of_folder(Path(source))
        try:
            for told in site.events(since=since, type=type_prefix, follow="" if follow else "false"):
                since = told.cursor or since
                yield told
            if not follow:
                return
        except Trouble as trouble:
            if not follow or not since or trouble.code is Exit.USAGE:
                raise
            sys.stderr.write(f"ampward: {trouble}; trying again\n")
        sleep(AGAIN_S)


def _of_log(data: Path, since: str, type_prefix: str) -> Iterator[Told]:
    """Every event of DIR/log.db behind the cursor, the chain checked on the way. Raises LogDamaged with the record."""
    from services.gateway.cursors import ALLOWED, decode_cursor, encode_cursor
    from services.processor.restore import check_links
    from services.processor.verify import placed
    from shared.domain.errors import LogDamaged
    from shared.log.port import Cursor
    from shared.log.sqlite_read import SqliteReader
    from shared.log.store import DATABASE
    from shared.wire.events import cloud_event, decode_event

    cursor = decode_cursor(since) if since else None
    if since and cursor is None:
        raise Trouble(f"--since {since[:40]}: not a cursor, allowed: {ALLOWED}", Exit.USAGE)
    if not (data / DATABASE).exists():
        raise Trouble(f"there is no log in {data}: allowed: the folder of a site that has run, of a fleet that runs")
    reader = SqliteReader.open(data / DATABASE)
    try:
        place, known = _place(reader, cursor)
        if not known:
            yield Told("", "reset", {})
        last = reader.head().site_seq
        digest = reader.genesis() if place == BEGINNING else b""
        with progress_bar("reading events") as tell:
            for stretch in reader.stretches(max(place[0] - 1, 0)):
                if stretch.bad:
                    raise LogDamaged(stretch.bad, "the record's bytes are not its checksum's")
                if digest and not stretch.folded:
                    check_links(stretch, digest)
                digest = stretch.hash
                for row in stretch.events:
                    if (row.site_seq, row.ordinal) >= place and row.type.startswith(type_prefix):
                        event = decode_event(row.data)
                        here = Cursor(event.log_id, row.site_seq, row.ordinal)
                        yield Told(encode_cursor(here), row.type, cloud_event(event))
                tell(stretch.last_seq, last)
    except LogDamaged as damage:
        raise placed(damage, data) from damage
    finally:
        reader.close()


def _place(reader: Any, cursor: Any) -> tuple[tuple[int, int], bool]:
    """Where the first event behind the cursor stands, and whether this log knows the cursor at all."""
    from shared.domain.errors import CursorUnknown

    if cursor is None:
        return BEGINNING, True
    try:
        found = next(reader.events(cursor, 1), None)
    except CursorUnknown:
        return BEGINNING, False
    return ((found[1].site_seq, found[1].ordinal) if found else END), True


def verify(
    data: Annotated[Path, typer.Argument(help="Data folder.")] = DATA,
    as_json: Json = False,
) -> int:
    """Check every byte of the log against its chain. Exit 0 sound, 1 not; the first bad record is named (null: none).

    Example: ampward verify data --json
    """
    from services.processor.verify import verify as run

    refuse_fleet(data, CENTRE_CHECKS)
    with progress_bar("verifying") as tell:
        found = run(data, tell)
    if as_json:
        gone = [each._asdict() for each in found.gone]
        write_json({**found._asdict(), "bad_record": None if found.ok else found.bad_record, "gone": gone})
    elif found.ok:
        write(f"sound: {found.records} records up to {found.site_seq}, head {found.head}")
        for each in found.gone:
            write(f"frames and Ticks of records {each.first} to {each.last} are gone ({each.why})")
        write(f"every event can be derived again from record {found.replay_from} on")
    else:
        is_placed = found.what.startswith("record ") or not found.records
        write(f"not sound: {found.what}" if is_placed else f"not sound at record {found.bad_record}: {found.what}")
    return Exit.DONE if found.ok else Exit.NO


def replay(
    data: Annotated[Path, typer.Argument(help="Data folder.")] = DATA,
    rules: Annotated[Path | None, typer.Option("--rules", help="Another site file: what would it have done?")] = None,
    as_json: Json = False,
) -> int:
    """Derive every event again from the inputs and compare byte for byte. Nothing is sent, nothing moves.

    With --rules the log's inputs are decided by another site file, and the differences are shown: alarms gained, lost,
    earlier or later, messages and relay cycles. Exit 0 equal, 1 different.

    Example: ampward replay data

    Example: ampward replay data --rules site-with-lower-limits.yaml
    """
    from services.processor.replay import replay as run

    refuse_fleet(data, CENTRE_CHECKS)
    decision = None if rules is None else _decision(rules)
    with progress_bar("replaying") as tell:
        found = run(data, decision, progress=tell)
    if as_json:
        write_json(found.data())
        return Exit.DONE if found.equal else Exit.NO
    write(f"{found.inputs} inputs, {found.events} events: {'equal' if found.equal else 'different'}")
    if found.begins_after:
        write(f"derived from record {found.begins_after + 1} on: older frames are gone (ampward verify says why)")
    if found.not_comparable:
        write(f"{found.not_comparable} inputs were decided by another version of the core and are not comparable")
    if found.first_difference is not None:
        at = found.first_difference
        write(f"first difference at record {at.site_seq}, event {at.ordinal}:")
        write(f"  stored  {plain(at.stored) or '(none)'}")
        write(f"  derived {plain(at.derived) or '(none)'}")
    for change in found.alarms:
        told = change.data()
        write(f"  {told['change']:8} {told['alarm']}  at {told['at'] or '-'}  was at {told['was_at'] or '-'}")
    if rules is not None:
        write(f"alarm messages {found.messages[0]} -> {found.messages[1]}")
        write(f"relay cycles {found.relay_cycles[0]} -> {found.relay_cycles[1]}")
    return Exit.DONE if found.equal else Exit.NO


def _decision(rules: Path) -> Any:
    """The decision plan of a good site file. Raises Trouble with its first fault."""
    import os

    from shared.runtime.site_file import check_site

    checked = check_site(rules, os.environ)
    if checked.plan is None:
        first = checked.errors[0] if checked.errors else rules
        raise Trouble(f"{first} (`ampward check {rules}` shows all)", Exit.USAGE)
    return checked.plan.decision
