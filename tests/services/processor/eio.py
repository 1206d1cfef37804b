"""A process whose disk fails at fsync for a while (strace makes it): ``python -m tests.services.processor.eio DIR``.

Prints for each group whether it was durable, then what verify and replay say.
"""

import sys
from pathlib import Path

from services.processor.replay import replay
from services.processor.runner import Runner
from services.processor.verify import verify
from shared.devices.plan import LogLimits
from shared.log.store import SqliteStore
from shared.runtime.clocks import ManualClock
from tests.services.processor.plant import decision, gas


def main(folder: Path) -> None:
    """Thirty scans a second apart, then a sound end."""
    clock = ManualClock()
    runner = Runner(SqliteStore(folder, ballast_bytes=0), decision(), clock, limits=LogLimits(disk_low_mib=0))
    runner.open("boot")
    for number in range(1, 31):
        clock.advance(1_500)
        made = runner.commit([gas(number, 250 if number > 12 else 20)])
        print(number, "durable" if made.durable else "undurable", *(event.type for event in made.events))
    clock.advance(1_500)
    runner.tick()
    print("end", "undurable" if runner.undurable else "durable")
    runner.close()
    print("sound", verify(folder).ok, replay(folder).equal)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
