"""Writes the golden records of the fleet's topics: ``python -m tests.golden.records``.

tests/golden/records/FORM/NAME.bin is one record of each kind as a program of that form writes it. Files of a released
form are never edited: a new form adds its own folder. Packed ones are there as some version of Zstandard packs them:
they are read, and not compared with what is written now. The folder ``next`` holds records as a later program may write
them: the next form, with fields that this one does not know.
"""

import json
from pathlib import Path

from shared.wire.live import SIGNED
from tests.wire.chained import KEY
from tests.wire.fleet_samples import PACKED, SAMPLES

FOLDER = Path(__file__).parent / "records"
NEWEST = "1"
_MORE = {"later": {"list": [1, "two", None], "text": "not known to this program"}}


def from_the_next_program(name: str, data: bytes) -> bytes:
    """The same record with a form one higher and a field more; a block and a live record are signed again."""
    if name == "block":
        header, _, rest = data.partition(b"\n")
        line = _newer(header) + b"\n"
        return line + KEY.sign(line) + rest[64:]
    if name == "live":
        line = _newer(data.partition(b"\n")[0])
        return line + b"\n" + KEY.sign(SIGNED + line)
    if name in ("batch", "dead_letter", "state"):
        header = data.partition(b"\n")[0]
        return _newer(header) + data[len(header) :]
    return _newer(data)


def _newer(line: bytes) -> bytes:
    fields = json.loads(line)
    return json.dumps(fields | {"v": fields["v"] + 1} | _MORE, ensure_ascii=False, separators=(",", ":")).encode()


def write_packed(folder: Path) -> None:
    """Those of the newest form, as they travel mostly."""
    for sample in PACKED:
        (folder / NEWEST / f"{sample.name}.bin").write_bytes(sample.data)


def write(folder: Path) -> None:
    """One file a kind, of the newest form and of the next."""
    for part in (NEWEST, "next"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for sample in SAMPLES:
        (folder / NEWEST / f"{sample.name}.bin").write_bytes(sample.data)
        (folder / "next" / f"{sample.name}.bin").write_bytes(from_the_next_program(sample.name, sample.data))


if __name__ == "__main__":
    write(FOLDER)
    write_packed(FOLDER)
