"""A data folder as it was released: every later version opens, verifies and replays it.

``tests/golden/folder/released`` is never written again once it is released. A change of the core that alters its events
raises the core's version, and the folder's own events are then not comparable instead of different.
"""

import json
import sqlite3
from pathlib import Path
from shutil import copytree

from services.processor.replay import replay
from services.processor.verify import verify
from shared.domain import core
from shared.domain.inputs import What
from shared.log.sqlite_read import SqliteReader
from shared.log.store import SqliteStore
from shared.wire.inputs import decode_input
from tests.golden.folder.beside import said_beside
from tests.golden.folder.write import EXPECTED, EXPECTED_BESIDE, FOLDER, JARS, LIMITS, said
from tests.services.processor.plant import H2_ALARM, command, decision, gas
from tests.services.processor.site import Site


def _copy(tmp_path: Path) -> Path:
    return Path(copytree(FOLDER, tmp_path / "data"))


def test_a_released_folder_verifies_and_replays_as_it_did(tmp_path: Path) -> None:
    """Records, head, place and counts are those of the version that wrote it."""
    expected = json.loads(EXPECTED.read_text())
    assert json.loads(json.dumps(said(_copy(tmp_path)))) == expected
    assert expected["verify"]["ok"] and expected["replay"]["equal"]


def test_what_stands_beside_a_released_log_reads_as_it_did(tmp_path: Path) -> None:
    """The ledger with a message in every state, the history with its trends and journal: nothing of it is set aside."""
    expected = json.loads(EXPECTED_BESIDE.read_text())
    assert json.loads(json.dumps(said_beside(_copy(tmp_path)))) == expected
    assert expected["ledger"]["set_aside"] == ""
    assert {row["state"] for row in expected["ledger"]["rows"]} >= {"planned", "sending", "failed"}
    assert expected["history"]["events"]


def test_a_released_folder_has_all_that_a_log_can_hold() -> None:
    """Folded, packed and young rows, each kind of input, a hole, a dead letter: else it would guard little."""
    connection = sqlite3.connect(f"file:{FOLDER / 'log.db'}?immutable=1", uri=True)
    assert connection.execute("SELECT form FROM rows GROUP BY form").fetchall() == [(0,), (1,), (2,)]
    assert connection.execute("SELECT count(*) FROM dead_letters").fetchone() == (1,)
    connection.close()


def test_a_site_goes_on_from_a_released_folder(tmp_path: Path) -> None:
    """State, open alarms, answers and numbers go on; afterwards the whole log verifies and replays."""
    folder = _copy(tmp_path)
    site = Site(SqliteStore(folder, ballast_bytes=0), plan=decision(jars=JARS, limit_2=21_000), limits=LIMITS)
    last = verify(folder).site_seq
    reader = SqliteReader.open(folder / "log.db")
    rows = list(reader.inputs(0, 10_000))
    reader.close()
    kinds = {row.kind for row in rows}
    assert {"frame", "command", "ruleset", "start", "tick", "report", "resync", "undecodable"} <= kinds
    stamp = decode_input(rows[-1].data)
    site.clock.wall = stamp.at_ms + 5_000
    site.clock.boot_id = "boot-3"
    made = site.open()
    assert made.first_seq == last + 1
    assert "log_damaged" not in str(made.events)
    assert H2_ALARM in {view.id for view in core.alarms(site.runner.states["r1"])}
    asked = command("c2", What.RESET, H2_ALARM, reason="seen"), command("c3", What.RESET, H2_ALARM, reason="again")
    again = site.commit(*asked)
    assert (again.last_seq, again.repeated, set(again.refusals)) == (0, frozenset({"c2", "c3"}), {"c3"})
    site.commit(gas(1, 250, boot="g2"))
    site.runner.close()
    assert verify(folder).ok
    found = replay(folder)
    assert found.equal, found.first_difference
