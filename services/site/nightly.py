"""``python -m services.site.nightly DIR``: derive the last day of the log again; JSON on standard output.

Exit codes: 0 equal, 1 different, 3 the log cannot be read. Reads only; the site runs meanwhile.
"""

import json
import sys
from pathlib import Path

from services.processor.replay import replay
from shared.domain.errors import LogError
from shared.log.sqlite_read import SqliteReader
from shared.log.store import DATABASE
from shared.runtime.lifecycle import end_with_parent

DAY_MS = 86_400_000


def main() -> int:
    """The exit code."""
    end_with_parent()
    data = Path(sys.argv[1])
    try:
        reader = SqliteReader.open(data / DATABASE)
        try:
            since_ms = reader.head().tick_ms - DAY_MS
        finally:
            reader.close()
        found = replay(data, since_tick_ms=max(0, since_ms))
    except LogError as fault:
        sys.stdout.write(json.dumps({"first_difference": str(fault)}) + "\n")
        return 3
    sys.stdout.write(json.dumps(found.data()) + "\n")
    return 0 if found.equal else 1


if __name__ == "__main__":
    sys.exit(main())
