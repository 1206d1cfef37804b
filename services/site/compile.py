"""``python -m services.site.compile SITE.yaml DIR``: check a site file in a process of its own and leave the plans.

The parent stays small because the checker's libraries end with this process. After a good check DIR/site.json (the
SitePlan) and DIR/guard.json ({hash, plan}) are replaced in one step each, guard's first; DIR/start.json says from
which files they came and what the parent needs. After a bad one nothing is touched. Standard output is one JSON object
{ok, faults: [lines], sources: {path: hash}}. ``--candidate`` writes site.next.json in place of all three: a reload that
is not in force. ``--instead PATH OTHER`` writes nothing: what would be if PATH had the content of OTHER.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from services.site.adopt import CANDIDATE, adopt
from services.site.start import file_hash
from shared.runtime import places
from shared.runtime.documents import reading_instead
from shared.runtime.site_file import Checked, check_site
from shared.wire.plans import encode_site


def _lines(checked: Checked) -> list[str]:
    """What was found. With errors nothing else: who is told has to mend them, and little room to read it in."""
    return [str(fault) for fault in checked.errors or checked.faults]


def check_instead(source: Path, path: Path, other: Path) -> dict[str, Any]:
    """Check only, with the content of ``other`` in the place of ``path``; gives what is printed."""
    with reading_instead(path, other):
        checked = check_site(source, dict(os.environ))
    return {"ok": checked.plan is not None, "faults": _lines(checked)}


def compile_site(source: Path, data: Path, *, candidate: bool = False) -> dict[str, Any]:
    """Check and write; gives what is printed."""
    checked = check_site(source, dict(os.environ))
    lines = _lines(checked)
    if checked.plan is None:
        return {"ok": False, "faults": lines}
    sources = {str(path.resolve()): file_hash(path) for path in checked.sources}
    if candidate:
        places.write_file(data, CANDIDATE, encode_site(checked.plan))
    else:
        adopt(data, checked.plan, source, sources)
    return {"ok": True, "faults": lines, "sources": sources}


def main() -> int:
    source, data = Path(sys.argv[1]), Path(sys.argv[2])
    if sys.argv[3:4] == ["--instead"]:
        answer = check_instead(source, *map(Path, sys.argv[4:6]))
    else:
        answer = compile_site(source, data, candidate="--candidate" in sys.argv[3:])
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0 if answer["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
