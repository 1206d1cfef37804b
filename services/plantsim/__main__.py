"""`python -m services.plantsim DEVICES.yaml`: simulated devices on loopback ports and pseudo-terminals.

Prints one address a line, then `ready`, then what the script says, until INT or TERM. Exit codes: 0 ended by a signal,
1 the file has faults (one line each), 2 wrong usage, 3 a port or path is taken.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from services.plantsim.devices_file import load_devices
from services.plantsim.plant import simulate
from shared.domain.errors import AmpwardError, Busy
from shared.runtime.lifecycle import end_with_parent

USAGE = "usage: python -m services.plantsim DEVICES.yaml"


def main(arguments: list[str]) -> int:
    """The exit code."""
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        sys.stderr.write(f"{USAGE}\n")
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    try:
        end_with_parent()
    except AmpwardError:
        return 0
    spec, faults = load_devices(Path(arguments[0]), os.environ)
    if spec is None:
        sys.stdout.writelines(f"{fault}\n" for fault in faults)
        return 1

    def tell(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    async def run() -> int:
        task = asyncio.ensure_future(simulate(spec, tell))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return 0
        except Busy as error:
            sys.stderr.write(f"{error}\n")
            return 3
        return 0

    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
