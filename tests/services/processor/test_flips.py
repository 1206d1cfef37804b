"""One changed byte anywhere: verify names the record, or the table that the byte is in."""

import random
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from shutil import copytree

import pytest

from services.processor import keeping, runner
from services.processor.runner import Unreadable
from services.processor.verify import verify
from shared.devices.plan import LogLimits
from shared.domain.errors import LogError, LogNewer
from shared.domain.inputs import What
from shared.log import sqlite
from shared.wire.packing import Packed
from tests.contract.forgery import change
from tests.services.processor.plant import H2_ALARM, bank, command, decision, gas
from tests.services.processor.site import on_disk

SEED = 20_261_122
TABLES = ("log_ids", "rows", "snapshots", "rulesets", "positions", "dead_letters")
FLIPS_A_COLUMN = 4
FLIPS_A_FILE = 60
MINUTE = 60_000


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed log that has everything: folded, packed and young rows, two starts, a command, a dead letter."""
    folder = tmp_path_factory.mktemp("lived")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "DAY_MS", 4 * MINUTE)
        patch.setattr(runner, "SNAPSHOT_MS", MINUTE)
        patch.setattr(keeping, "AGE_CHECK_MS", MINUTE)
        patch.setattr(sqlite, "YOUNG_INPUTS", 32)
        site = on_disk(folder, limits=LogLimits(frames_days=1, disk_low_mib=0, keep_around_alarm_ms=30_000))
        site.open()
        for n in range(1, 151):
            site.commit(gas(n, 250 if n in (20, 140) else 20), bank(n, low=frozenset(range(n % 3))), after_ms=2_000)
            site.tick(2_000)
            if n == 70:
                site.commit(command("c1", What.ACK, H2_ALARM), Unreadable(b"\xff", "gas9", "no frame"))  # type: ignore[arg-type]
                site.runner.change_rules(decision(limit_2=21_000), "cli:anna")
                site.plan = decision(limit_2=21_000)
            if n == 100:
                site.restart()
        site.runner.close()
    forms = _query(folder, "SELECT form FROM rows GROUP BY form")
    assert forms == [(0,), (1,), (2,)]
    assert verify(folder).ok
    return folder


def _query(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "log.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def _content(folder: Path) -> object:
    """All that the log says, or why it cannot be read."""
    try:
        return [_query(folder, f"SELECT * FROM {table} ORDER BY 1") for table in TABLES]
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as fault:
        return str(fault)


def _flipped(data: object, draw: random.Random) -> object:
    """The value with one bit of it changed."""
    if isinstance(data, int):
        return data ^ (1 << draw.randrange(max(1, data.bit_length())))
    raw = bytearray(data if isinstance(data, bytes) else str(data).encode())
    raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(3)
    return bytes(raw) if isinstance(data, bytes) else raw.decode()


def _columns(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(table, key, column) of everything that is stored; a dead letter's number only orders them."""
    for table in TABLES:
        columns = [str(row[1]) for row in _query(folder, f"PRAGMA table_info({table})")]
        for column in columns:
            if column != "number":
                yield table, columns[0], column


def test_a_changed_value_in_any_column_is_found(lived: Path, tmp_path: Path) -> None:
    """Numbers, names, hashes, bodies, states, positions: verify says no, and to a row's which row it is."""
    draw, number = random.Random(SEED), count()
    for table, key, column in _columns(lived):
        for _ in range(FLIPS_A_COLUMN):
            folder = tmp_path / str(next(number))
            copytree(lived, folder)
            of, value = draw.choice(_query(folder, f"SELECT {key}, {column} FROM {table} WHERE length({column}) > 0"))
            changed = _flipped(value, draw)
            connection = sqlite3.connect(folder / "log.db")
            with connection:
                connection.execute(f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {key} = ?", (changed, of))
            connection.close()
            found = verify(folder)
            assert not found.ok, f"{table}.{column} of {of!r}: {value!r} became {changed!r}"
            if (table, column) in {("rows", "hash"), ("rows", "data")}:
                first = _query(lived, f"SELECT first_seq FROM rows WHERE last_seq = {of}")[0][0]
                assert isinstance(first, int) and isinstance(of, int)
                assert first <= found.bad_record <= of
            elif table != "rows":
                assert table in found.what or found.bad_record > 0


@pytest.mark.parametrize(
    "column", ["seqs", "kinds", "sums", "inputs", "event_seqs", "ordinals", "event_sums", "events"]
)
def test_a_changed_byte_within_a_row_is_found_at_its_record(lived: Path, tmp_path: Path, column: str) -> None:
    """In folded, packed and young rows alike, for the record's bytes and for what is stored beside them."""
    draw = random.Random(f"{SEED} {column}")
    numbers = "event_seqs" if column.startswith("event") or column == "ordinals" else "seqs"
    rows = _query(lived, "SELECT last_seq FROM rows ORDER BY form, last_seq")
    for turn in range(12):
        folder = tmp_path / str(turn)
        copytree(lived, folder)
        hit: list[int] = []

        def edit(packed: Packed, hit: list[int] = hit) -> Packed:
            values = list(getattr(packed, column))
            if not values:
                return packed
            at = draw.randrange(len(values))
            values[at] = _flipped(values[at], draw)
            hit.append(getattr(packed, numbers)[at])
            return packed._replace(**{column: values})

        change(folder, int(str(draw.choice(rows)[0])), edit)
        if hit:
            found = verify(folder)
            assert (found.ok, found.bad_record) == (False, hit[0]), found


def test_a_changed_byte_anywhere_in_the_file_is_found_or_was_nothing(lived: Path, tmp_path: Path) -> None:
    """Whatever byte of the file: either the log still says the same, or verify says no, or it cannot be read."""
    draw, before = random.Random(SEED), _content(lived)
    original = (lived / "log.db").read_bytes()
    found_ones = 0
    for turn in range(FLIPS_A_FILE):
        folder = tmp_path / str(turn)
        folder.mkdir()
        data = bytearray(original)
        at = draw.randrange(len(data))
        data[at] ^= 1 << draw.randrange(8)
        (folder / "log.db").write_bytes(data)
        try:
            is_ok = verify(folder).ok
        except LogError as fault:
            assert not isinstance(fault, LogNewer)
            is_ok = False
        found_ones += not is_ok
        assert not is_ok or _content(folder) == before, f"byte {at} of {len(data)}"
    assert found_ones > FLIPS_A_FILE // 3
