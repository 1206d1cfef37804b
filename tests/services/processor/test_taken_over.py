"""What a new log takes over from one that was set aside: answers of commands, and how far guard was heard."""

import sqlite3
from pathlib import Path

import pytest

from services.processor.opening import GUARD_POSITION, KNOWN_POSITION
from services.processor.replay import replay
from services.processor.verify import verify
from shared.domain.inputs import Command, What
from shared.log.sqlite_read import SqliteReader
from tests.contract.forgery import flip_input, run
from tests.services.processor.plant import H2_ALARM, bank, command, gas
from tests.services.processor.site import Site, on_disk

ACK = command("c1", What.ACK, H2_ALARM)
RESET = command("c2", What.RESET, "s/r1/nothing/at_all")


def _damaged(folder: Path) -> Site:
    """A site with an accepted and a refused command and readers' cursors, whose log is damaged before its end."""
    site = on_disk(folder)
    site.open()
    site.commit(gas(1, 250))
    positions = {
        GUARD_POSITION: b'["g1",7,1]',
        KNOWN_POSITION: b"known",
        "mqtt/events": b'["x",9,9]',
        "frames": b"9999",
    }
    site.runner.commit([ACK, RESET], positions)
    for n in range(2, 12):
        site.commit(gas(n, 20), bank(n))
    last = site.runner.head.site_seq
    site.kill()
    flip_input(folder, last - 3)
    return site


def _asked_again(site: Site, asked: Command) -> tuple[bool, bool, str]:
    """(answered from before, refused, with which reason)."""
    made = site.commit(asked)
    refusal = made.refusals.get(asked.id)
    return asked.id in made.repeated, refusal is not None, "" if refusal is None else refusal.reason


def test_the_same_command_gets_the_same_answer_from_the_new_log(tmp_path: Path) -> None:
    """Accepted stays accepted, refused stays refused for the same reason; neither is a second input."""
    site = _damaged(tmp_path)
    site.open()
    assert len(list(tmp_path.glob("damaged-*"))) == 1
    before = site.runner.head.site_seq
    assert _asked_again(site, ACK) == (True, False, "")
    repeated, refused, reason = _asked_again(site, RESET)
    assert (repeated, refused) == (True, True)
    assert reason
    assert site.runner.head.site_seq == before
    assert site.commit(ACK._replace(what=What.RESET)).reused == {"c1"}
    site.restart()
    assert _asked_again(site, ACK) == (True, False, "")
    site.runner.close()
    assert verify(tmp_path).ok
    assert replay(tmp_path).equal


def test_guard_is_not_heard_twice(tmp_path: Path) -> None:
    """The position by guard's own numbers goes on in the new log, and so does what the next guard is to be told."""
    site = _damaged(tmp_path)
    site.open()
    assert site.runner.position(GUARD_POSITION) == b'["g1",7,1]'
    assert site.runner.position(KNOWN_POSITION) == b"known"


def test_a_readers_cursor_stays_behind(tmp_path: Path) -> None:
    """A place in the old log is none in the new one, where nothing was told yet; the first record comes first."""
    site = _damaged(tmp_path)
    made = site.open()
    assert site.runner.position("mqtt/events") is None
    assert site.runner.position("frames") is None
    reader = site.runner.reader()
    assert reader is not None
    first = next(iter(reader.events(None, 1)))
    assert first[0] == made.cursors[0]
    reader.close()


def test_a_position_that_is_not_what_was_written_is_left_behind(tmp_path: Path) -> None:
    """One answer is unsound: that command is taken anew, the other still has its answer."""
    site = _damaged(tmp_path)
    run(tmp_path, "UPDATE positions SET value = x'0011' WHERE name = 'command/c1'")
    site.open()
    assert _asked_again(site, ACK)[0] is False
    assert _asked_again(site, RESET)[:2] == (True, True)


def test_a_broken_page_of_positions_costs_only_what_stands_on_it(tmp_path: Path) -> None:
    """With thousands of answers and one page of zeros among them most are still read, and none is invented."""
    site = on_disk(tmp_path)
    site.open()
    answers = {f"command/{n:05d}": b"%016d" % n for n in range(4_000)}
    site.runner.commit([gas(1, 20)], answers)
    site.runner.close()
    _break_a_page(tmp_path, b"command/02000")
    reader = SqliteReader.open(tmp_path / "log.db")
    found = reader.positions()
    reader.close()
    assert 3_000 < len(found.keys() & answers.keys()) < 4_000
    assert all(found[name] == answers[name] for name in found.keys() & answers.keys())
    assert "log_damaged" in str(site.open().events)
    assert site.runner.position("command/00001") == answers["command/00001"]


def _break_a_page(folder: Path, holds: bytes) -> None:
    connection = sqlite3.connect(folder / "log.db")
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray((folder / "log.db").read_bytes())
    begin = data.index(holds) // size * size
    data[begin : begin + size] = bytes(size)
    (folder / "log.db").write_bytes(data)


@pytest.mark.parametrize("cause", ["rules", "tail"])
def test_it_is_taken_over_whatever_was_damaged(tmp_path: Path, cause: str) -> None:
    """A lost body of a rule set or a torn newest record: the answers are still there."""
    site = _damaged(tmp_path)
    if cause == "tail":
        run(tmp_path, "UPDATE rows SET data = zeroblob(9) WHERE last_seq = (SELECT max(last_seq) FROM rows)")
    else:
        run(tmp_path, "DELETE FROM rulesets")
    assert "log_damaged" in str(site.open().events)
    assert _asked_again(site, ACK) == (True, False, "")
