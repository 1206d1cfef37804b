"""Changes the stored bytes of a log behind its back, as a bad disk or a bad person would."""

import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

from shared.log.chain import checksum
from shared.log.segments import Form
from shared.wire.packing import Packed, decode_packed, encode_packed


def run(folder: Path, statement: str, *values: object) -> None:
    """One statement on the file."""
    connection = sqlite3.connect(folder / "log.db")
    with connection:
        connection.execute(statement, values)
    connection.close()


def change(folder: Path, site_seq: int, edit: Callable[[Packed], Packed], *, cover_up: bool = False) -> None:
    """Rewrites the row that holds ``site_seq``; ``cover_up`` makes its checksums fit again."""
    connection = sqlite3.connect(folder / "log.db")
    query = "SELECT last_seq, form, data FROM rows WHERE last_seq >= ? ORDER BY last_seq LIMIT 1"
    last, form, data = connection.execute(query, (site_seq,)).fetchone()
    is_plain = form == Form.YOUNG
    packed = edit(decode_packed(data if is_plain else zlib.decompress(data)))
    if cover_up:
        packed = packed._replace(
            sums=[checksum(each) for each in packed.inputs], event_sums=[checksum(each) for each in packed.events]
        )
    made = encode_packed(packed)
    with connection:
        stored = made if is_plain else zlib.compress(made)
        connection.execute("UPDATE rows SET data = ? WHERE last_seq = ?", (stored, last))
    connection.close()


def flip_input(folder: Path, site_seq: int, *, cover_up: bool = False) -> None:
    """One bit near the end of one input changes."""

    def edit(packed: Packed) -> Packed:
        at = packed.seqs.index(site_seq)
        data = bytearray(packed.inputs[at])
        data[-2] ^= 1
        return packed._replace(inputs=[*packed.inputs[:at], bytes(data), *packed.inputs[at + 1 :]])

    change(folder, site_seq, edit, cover_up=cover_up)


def replace_event(folder: Path, site_seq: int, data: bytes, *, cover_up: bool = False) -> None:
    """Other bytes for the first event of an input."""

    def edit(packed: Packed) -> Packed:
        at = packed.event_seqs.index(site_seq)
        return packed._replace(events=[*packed.events[:at], data, *packed.events[at + 1 :]])

    change(folder, site_seq, edit, cover_up=cover_up)


def drop_input(folder: Path, site_seq: int) -> None:
    """One input is gone, with its checksum."""

    def edit(packed: Packed) -> Packed:
        at = packed.seqs.index(site_seq)
        return packed._replace(
            seqs=[*packed.seqs[:at], *packed.seqs[at + 1 :]],
            kinds=[*packed.kinds[:at], *packed.kinds[at + 1 :]],
            sums=[*packed.sums[:at], *packed.sums[at + 1 :]],
            inputs=[*packed.inputs[:at], *packed.inputs[at + 1 :]],
        )

    change(folder, site_seq, edit)
