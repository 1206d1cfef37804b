"""Memory of a whole running site with history, notifier and gateway on: what tests.bench.memory measures, and a look at
the history and the event stream from outside meanwhile.
"""

import json
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.bench.running import MODULES, SETTLE_S, big_site, descendants, pss_mib, running_site

ASKED = ("api/v1/kpis", "api/v1/history/alarms", "api/v1/history/points/bench/r1/bat1/1S1/voltage?step=minute")


def measure(say: Callable[[str], None]) -> dict[str, float]:
    """The highest of several looks, after the site has settled, while its past is asked for again and again."""
    with (
        tempfile.TemporaryDirectory() as folder,
        big_site(Path(folder), MODULES) as site_file,
        running_site(site_file, Path(folder) / "data") as site,
    ):
        over = threading.Event()
        asking = threading.Thread(target=_ask, args=(Path(folder) / "data", over))
        asking.start()
        time.sleep(2 * SETTLE_S)
        looks = []
        for _ in range(5):
            looks.append({pid: pss_mib(pid) for pid in (site.pid, *descendants(site.pid))})
            time.sleep(2)
        over.set()
        asking.join()
        worst = max(looks, key=lambda look: sum(look.values()))
        say(", ".join(f"{mib:.0f}" for mib in worst.values()) + " MiB a process")
    return {"pss_full_mib": sum(worst.values())}


def _ask(data: Path, over: threading.Event) -> None:
    record = json.loads((data / "run.json").read_text())
    token = (data / "token").read_text().strip()
    while not over.wait(0.5):
        for path in ASKED:
            address = f"http://{record['http']}/{path}" if "//" not in record["http"] else f"{record['http']}/{path}"
            request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    answer.read()
            except OSError:
                continue
