"""What stands beside a log as it was released: the ledger of messages and the history of the released log.

``tests.golden.folder.write`` makes both together with the log. Every later version reads them as this one does.
"""

import sqlite3
from pathlib import Path

import msgspec

from services.history.answers import Step
from services.history.database import FILE
from services.history.kinds import Kind
from services.notifier.ledger import NAME, Ledger
from services.notifier.ledger_port import Change, Row, Stand
from services.notifier.picture import Picture
from shared.log.port import Cursor
from tests.services.history.life import ask, grow
from tests.services.notifier.lines import LOG, World, route, setting

GAS = "r1/gas1/h2_alarm"


def write_beside(folder: Path) -> None:
    """DIR/history.db of the log that is there, DIR/notify.db of a small flood."""
    grow(folder)
    world = World(setting(route("anna", by=("email", "webhook"))))
    world.settles = False
    world.take(world.event("raised", GAS, "critical", value="2.1"))
    world.take(*(world.event("raised", f"r1/bat1/2S{n}/jar_temp_warning", "warning") for n in range(4)))
    world.take(world.event("acked", GAS, "critical", state="C"))
    states = ("sent", "failed", "sending", "planned")
    rows = [
        Row(message, states[n % 4], n % 4, 1_000 * n, world.moment().wall_ms, n % 2 == 1, f"answer {n}")
        for n, message in enumerate(world.messages)
    ]
    ledger = Ledger(folder)
    ledger.open()
    stand = Stand(Cursor(LOG, world.seq, 0), Cursor(LOG, world.seq, 0), world.now_ms, world.moment().wall_ms)
    ledger.commit(Change(stand, world.picture.all(), {row.message.id: row for row in rows}))
    ledger.close()
    for name in (NAME, FILE):
        with sqlite3.connect(folder / name) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("VACUUM")
        db.close()


def said_beside(folder: Path) -> dict[str, object]:
    """What ledger and history say."""
    ledger = Ledger(folder)
    found = ledger.open()
    ledger.close()
    picture = Picture.restore(found.records)
    told = {
        "set_aside": found.set_aside,
        "stand": found.stand,
        "rows": found.rows,
        "open": sorted(picture.open.values(), key=lambda one: one.event.site_seq),
        "lanes": picture.lanes,
    }
    return {"ledger": msgspec.to_builtins(told), "history": _history(folder)}


def _history(folder: Path) -> dict[str, object]:
    queries = ask(folder)
    try:
        begin, end = queries.span_ms()
        points = queries.points()
        trends = {
            f"{point} {step}": msgspec.to_builtins(queries.trend(point, begin, end + 1, step).rows)
            for point, _ in points
            for step in (Step.MINUTE, Step.HOUR)
        }
        events = [(one.type, one.subject, one.site_seq) for one in queries.journal(tuple(Kind), 0, 1 << 60)]
    finally:
        queries.close()
    return {"span_ms": [begin, end], "points": msgspec.to_builtins(points), "trends": trends, "events": events}
