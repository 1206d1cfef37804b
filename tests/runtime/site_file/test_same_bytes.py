"""The plan's bytes depend on the file alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.runtime.site_file import check_site, site_checks

HERE = Path(__file__).parent
PROGRAM = """
import sys
from hashlib import sha256
from pathlib import Path
from shared.runtime.site_file import check_site
from shared.wire.plans import encode_site
plan = check_site(Path(sys.argv[1]), {}).plan
print(sha256(encode_site(plan)).hexdigest())
"""


def test_processes_with_other_hash_seeds_make_the_same_bytes() -> None:
    """No set and no dictionary order of a process reaches the plan, so its hash is the same everywhere."""
    found = set()
    for seed in ("1", "2"):
        answer = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(HERE / "good" / "full.yaml")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=HERE.parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(answer.stdout)
    assert len(found) == 1


def test_a_machine_without_time_zones_still_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no zone is installed the name cannot be checked: a warning, not a fault."""

    def none_there(_key: str) -> None:
        raise KeyError

    monkeypatch.setattr(site_checks, "ZoneInfo", none_there)
    monkeypatch.setattr(site_checks, "available_timezones", set)
    checked = check_site(HERE / "good" / "base.yaml", {})
    assert checked.plan is not None
    assert [(fault.key, fault.severity) for fault in checked.faults] == [("site.time_zone", "warning")]
