"""``python -m services.site.compile SITE.yaml DIR``: check a site file in a process of its own and leave the plans.

The parent stays small because the checker's libraries end with this process. After a good check DIR/site.json (the
SitePlan) and DIR/guard.json ({hash, plan}) are replaced in one step each, guard's first; DIR/start.json says from
which files they came and what the parent needs. After a bad one nothing is touched. Standard output is one JSON object
{ok, hash, faults: [lines]}. ``--candidate`` writes site.next.json in place of all three: a reload that is not in force.
"""

import json
import os
import sys
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from services.site.start import START, Start, file_hash
from shared.devices.plan import SitePlan
from shared.runtime import places
from shared.runtime.site_file import check_site
from shared.wire.plans import encode_site

CANDIDATE = "site.next.json"


def compile_site(source: Path, data: Path, *, candidate: bool = False) -> dict[str, object]:
    """Check and write; gives what is printed."""
    checked = check_site(source, dict(os.environ))
    lines = [str(fault) for fault in checked.faults]
    if checked.plan is None:
        return {"ok": False, "hash": "", "faults": lines}
    body = encode_site(checked.plan)
    version = sha256(body).hexdigest()
    if candidate:
        places.write_file(data, CANDIDATE, body)
    else:
        adopt(data, checked.plan, source, checked.sources)
    return {"ok": True, "hash": version, "faults": lines}


def adopt(data: Path, plan: SitePlan, source: Path, sources: tuple[Path, ...]) -> None:
    """Put a checked plan in force for the next start of every process."""
    body = encode_site(plan)
    version = sha256(body).hexdigest()
    start = Start(
        hash=version,
        source=str(source.resolve()),
        sources={str(path.resolve()): file_hash(path) for path in sources},
        site=plan.decision.site,
        http=plan.http,
        mqtt=plan.mqtt.url,
        simulate=plan.simulate,
        demo=plan.demo,
    )
    places.write_file(data, places.GUARD_PLAN, b'{"hash":"%s","plan":%s}' % (version.encode(), body))
    places.write_file(data, places.SITE_PLAN, body)
    places.write_file(data, START, json.dumps(asdict(start), indent=1).encode() + b"\n")


def main() -> int:
    source, data = Path(sys.argv[1]), Path(sys.argv[2])
    answer = compile_site(source, data, candidate="--candidate" in sys.argv[3:])
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0 if answer["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
