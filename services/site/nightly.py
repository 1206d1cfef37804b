"""``python -m services.site.nightly DIR``: derive the last day again and check the whole log; JSON on standard output.

{first_difference, damage}, both "" when all is well. Exit codes: 0 equal and sound, 1 different or damaged, 3 the log
cannot be read. Reads only; the site runs meanwhile.
"""

import json
import sys
from pathlib import Path

from services.processor.replay import replay
from services.processor.verify import verify
from shared.domain.errors import LogDamaged, LogError
from shared.log.sqlite_read import SqliteReader
from shared.log.store import DATABASE
from shared.runtime.lifecycle import end_with_parent

DAY_MS = 86_400_000


def main() -> int:
    """The exit code."""
    end_with_parent()
    data = Path(sys.argv[1])
    try:
        damage, difference = _damage(data), _difference(data)
    except LogError as fault:
        sys.stdout.write(json.dumps({"first_difference": str(fault), "damage": ""}) + "\n")
        return 3
    sys.stdout.write(json.dumps({"first_difference": difference, "damage": damage}) + "\n")
    return 1 if difference or damage else 0


def _damage(data: Path) -> str:
    """The first bad record of the whole log, however old it is."""
    found = verify(data)
    return "" if found.ok else f"record {found.bad_record}: {found.what}"


def _difference(data: Path) -> str:
    """The first event of the last day that comes out otherwise; none where the log is damaged, that is told anyhow."""
    reader = SqliteReader.open(data / DATABASE)
    try:
        since_ms = reader.head().tick_ms - DAY_MS
    finally:
        reader.close()
    try:
        found = replay(data, since_tick_ms=max(0, since_ms))
    except LogDamaged:
        return ""
    return "" if found.equal else json.dumps(found.data()["first_difference"])


if __name__ == "__main__":
    sys.exit(main())
