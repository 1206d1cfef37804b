"""Memory of a whole running site: the share of every process, 330 modules with four values a second, no view.

The devices (simulated, in processes of their own) and the measuring are not counted.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.running import MODULES, SETTLE_S, big_site, descendants, pss_mib, running_site


def measure(say: Callable[[str], None]) -> dict[str, float]:
    """The highest of several looks, after the site has settled."""
    with (
        tempfile.TemporaryDirectory() as folder,
        big_site(Path(folder), MODULES) as site_file,
        running_site(site_file, Path(folder) / "data") as site,
    ):
        time.sleep(SETTLE_S)
        looks = []
        for _ in range(5):
            looks.append({pid: pss_mib(pid) for pid in (site.pid, *descendants(site.pid))})
            time.sleep(2)
        worst = max(looks, key=lambda look: sum(look.values()))
        for pid, mib in worst.items():
            say(f"{_name(pid)}: {mib:.1f} MiB")
    return {"pss_mib": sum(worst.values())}


def _name(pid: int) -> str:
    words = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return next((word for word in words.split() if word.startswith("services.")), words[:60] or sys.executable)
