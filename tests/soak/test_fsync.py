"""What "durable on return" means to the kernel."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.testkit import kernel

COMMITS = 20
_CODE = """import sys
from pathlib import Path
from tests.contract.rows import frames, start
from shared.log.store import SqliteStore
store = SqliteStore(Path(sys.argv[1]), ballast_bytes=0)
log = store.open().log
log.commit(start())
for n in range(int(sys.argv[2])):
    log.commit(frames(2 + n, 1))
    print("accepted", n, flush=True)
"""


def test_each_commit_waits_for_its_own_fsync(tmp_path: Path) -> None:
    """Between two accepted groups the log's file is synced at least once."""
    kernel.need(kernel.Feature.TRACE)
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as trace:
        command = ["strace", "-f", "-qq", "-o", trace.name, "-e", "trace=fsync,fdatasync,write", "-e", "signal=none"]
        subprocess.run(
            [*command, sys.executable, "-c", _CODE, str(tmp_path), str(COMMITS)], check=True, capture_output=True
        )
        calls = trace.read().splitlines()
    synced = 0
    accepted = 0
    for call in calls:
        if "sync(" in call and call.endswith("= 0"):
            synced += 1
        elif '"accepted' in call:
            assert synced > 0, f"group {accepted} was accepted without a sync"
            synced, accepted = 0, accepted + 1
    assert accepted == COMMITS
