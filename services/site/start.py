"""The last good plan as the parent sees it: DIR/start.json, and whether the site file still has the same bytes.

Import-light on purpose: the parent must start guard before anything heavy is loaded.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from shared.runtime import places

START = "start.json"


@dataclass(frozen=True, slots=True)
class Start:
    """What the parent needs of the plan."""

    hash: str
    source: str
    sources: dict[str, str]
    site: str
    http: str
    mqtt: str
    simulate: str
    demo: bool

    def unchanged(self, source: Path) -> bool:
        """True when this plan was made from ``source`` and no file behind it has changed since."""
        if self.source != str(source.resolve()):
            return False
        return all(file_hash(Path(path)) == known for path, known in self.sources.items())


def read_start(data: Path) -> Start | None:
    """The record of the last good check, with its plan; None when there is none or it is not readable."""
    try:
        record = json.loads(places.find_file(data, START).read_bytes())
        made = Start(**record)
    except (OSError, ValueError, TypeError):
        return None
    return made if places.find_file(data, places.GUARD_PLAN).exists() else None


def file_hash(path: Path) -> str:
    """SHA-256 of the file as it is now; "" when it cannot be read."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
