"""The launcher as a process. INT and TERM stop it cleanly.

    python -m services.fleet DIR [--kafka-jars DIR] [--secure] [--host NAME]... [--service NAME]...
                              [--site NAME]... [--site-file FILE] [--people FILE]

Exit 3 when a server cannot be had or the folder is another launcher's; the reason is the last line it says.
"""

import argparse
import os
import sys
from pathlib import Path

from services.fleet.demo import Demo
from services.fleet.launcher import Launcher, LauncherPlan
from shared.domain.errors import AmpwardError
from shared.runtime.lifecycle import Signals, end_with_parent
from shared.runtime.places import cache_folder

CANNOT = 3


def main(arguments: list[str]) -> int:
    """Run until told to end."""
    parser = argparse.ArgumentParser(prog="python -m services.fleet")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kafka-jars", type=Path)
    parser.add_argument("--secure", action="store_true")
    parser.add_argument("--host", action="append", default=[])
    parser.add_argument("--service", action="append", default=[])
    parser.add_argument("--site", action="append", default=[])
    parser.add_argument("--site-file", type=Path)
    parser.add_argument("--people", type=Path)
    options = parser.parse_args(arguments)
    end_with_parent()
    os.umask(0o077)
    signals = Signals()
    signals.install()
    plan = LauncherPlan(
        options.folder.resolve(),
        cache_folder(os.environ),
        options.kafka_jars,
        is_secure=options.secure,
        hosts=tuple(options.host),
        services=tuple(options.service),
        demo=_demo(options.site, options.site_file, options.people),
    )
    try:
        Launcher(plan, _say).run(signals)
    except (AmpwardError, OSError) as error:
        _say(f"error: {error}")
        return CANNOT
    return 0


def _demo(sites: list[str], site_file: Path | None, people: Path | None) -> Demo | None:
    return None if site_file is None or people is None else Demo(tuple(sites), site_file.resolve(), people.resolve())


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
