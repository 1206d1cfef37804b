"""DIR/restored.json: this folder was restored from a backup, and its log has not said so yet.

The first start after a restore puts it into the log as a Report and takes the mark away once that is durable. A crash
between the two tells it twice, which is harmless; never tells it not at all.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.runtime import places

MARK = "restored.json"


@dataclass(frozen=True, slots=True)
class RestoredFrom:
    """Which backup, and where its log ended."""

    backup: str
    made_at: str
    program: str
    log_id: str
    head_seq: int

    def sentence(self) -> str:
        """What the log says of it."""
        return (
            f"restored from backup {self.backup} of {self.made_at} (ampward {self.program}): the log ended at "
            f"{self.head_seq} as {self.log_id}; what the box it was made on has recorded since is not here, and its "
            f"numbers from {self.head_seq + 1} on are given again here under another log_id"
        )


def encode_mark(restored: RestoredFrom) -> bytes:
    return json.dumps(asdict(restored), indent=1).encode() + b"\n"


class RestoredMark:
    """The file in one data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def read(self) -> RestoredFrom | None:
        """None when the folder was not restored, or the log has said so already."""
        try:
            return RestoredFrom(**json.loads((self._data / MARK).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def remove(self) -> None:
        """The log has it."""
        places.remove_file(self._data, MARK)
