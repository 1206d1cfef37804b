"""Checkers that exist only for Node: installed once from a lock, into the cache folder, and run as programs.

tests/testkit/node has the lock (without the address of any registry) and the scripts. A folder in the cache is complete
or not there; another lock or script is another folder.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from shared.runtime.places import cache_folder

SOURCE = Path(__file__).parent / "node"
INSTALL_S = 600.0
RUN_S = 120.0


def run_node(script: str, *arguments: str) -> Any:
    """What a script of tests/testkit/node prints, as JSON."""
    command = [_found("node"), str(_installed() / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _installed() -> Path:
    cache = cache_folder(os.environ)
    sources = sorted(SOURCE.iterdir())
    pinned = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    folder = cache / f"node-{pinned[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=cache, prefix="node-") as made:
                inside = Path(made) / "checks"
                shutil.copytree(SOURCE, inside)
                command = [_found("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
                done = subprocess.run(
                    command, cwd=inside, capture_output=True, text=True, timeout=INSTALL_S, check=False
                )
                assert done.returncode == 0, f"npm could not install the checkers: {done.stderr}"
                inside.rename(folder)
    return folder


def _found(program: str) -> str:
    path = shutil.which(program)
    assert path is not None, f"{program} is needed (Debian: apt-get install npm)"
    return path
