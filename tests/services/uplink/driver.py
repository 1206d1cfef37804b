"""An uplink to be killed: ``python -m tests.services.uplink.driver DIR FLEET [FROM_SEQ]`` drains DIR's log into FLEET.

The fleet is a file of blocks, each behind its length, and what is in it is taken: a kill changes nothing of it. With
FROM_SEQ the fleet asks again from there. Ends when everything is acknowledged.
"""

import os
import sys
from pathlib import Path

from services.uplink import cutting
from services.uplink.fake import FakeFleet
from services.uplink.lane import LABELS, Again
from shared.runtime.crashpoints import crash_step
from tests.services.uplink.running import drain

FRAMES = 8
"""Of a block: a short log makes many."""


def read_fleet(path: Path) -> list[bytes]:
    data = path.read_bytes() if path.exists() else b""
    found = []
    while data:
        size = int.from_bytes(data[:4])
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def main(folder: Path, path: Path, from_seq: int) -> None:
    cutting.FRAMES_MAX = FRAMES
    fleet = FakeFleet()
    with path.open("ab", buffering=0) as file:

        def take(_count: int) -> None:
            file.write(len(fleet.blocks[-1]).to_bytes(4) + fleet.blocks[-1])

        fleet.after_block = take
        asked = Again(from_seq, state=False, epoch=0) if from_seq else None
        drain(folder, fleet, asked=asked, step=crash_step(os.environ, LABELS))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
