"""`make bench`: measure everything that tests.bench.targets names and write bench/site.json.

    {machine: {...}, results: [{name, value, unit, target, holds}], peers: [{name, value, unit}]}

`make bench ARGS="core site"` measures only these modules and prints, without writing. Exit code 0 when all was measured
(whether or not each target holds), 1 when something could not be.
"""

import importlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from tests.bench import peers
from tests.bench.targets import MODULES, TARGETS

OUTPUT = Path("bench") / "site.json"


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory_kib = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": memory_kib // 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def _measure_here(module: str) -> None:
    """In the process of its own: progress to stderr, the figures as one line of JSON to stdout."""
    measure = importlib.import_module(f"tests.bench.{module}").measure
    figures = measure(lambda text: print(f"  {module}: {text}", file=sys.stderr, flush=True))
    print(json.dumps({name: float(value) for name, value in figures.items()}))


def _measure(module: str) -> dict[str, float] | None:
    print(f"{module} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "tests.bench", "--measure", module]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f"{module}: could not be measured (exit code {done.returncode})", file=sys.stderr)
        return None
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main(arguments: list[str]) -> int:
    """Measure, print a table, write the file."""
    if arguments[:1] == ["--measure"]:
        _measure_here(arguments[1])
        return 0
    chosen = arguments or [*MODULES, "peers"]
    measured = {module: _measure(module) for module in chosen}
    figures = {name: value for found in measured.values() if found for name, value in found.items()}
    results = [
        {"name": name, "value": figures[name], "unit": t.unit, "target": t.target, "holds": t.holds(figures[name])}
        for name, t in TARGETS.items()
        if name in figures
    ]
    beside = [
        {"name": name, "value": figures[name], "unit": unit} for name, unit in peers.WHAT.items() if name in figures
    ]
    for row in results:
        sign = "at least" if TARGETS[str(row["name"])].at_least else "at most"
        verdict = "holds" if row["holds"] else "DOES NOT HOLD"
        print(f"{row['name']:34} {row['value']:>14,.1f} {row['unit']:12} {sign} {row['target']:,}: {verdict}")
    for row in beside:
        print(f"{'peer ' + str(row['name']):34} {row['value']:>14,.1f} {row['unit']}")
    if not arguments:
        OUTPUT.parent.mkdir(exist_ok=True)
        document = {"machine": machine(), "results": results, "peers": beside}
        OUTPUT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        print(f"written: {OUTPUT}")
    missing = [name for name, t in TARGETS.items() if t.module in chosen and name not in figures]
    if missing:
        print(f"not measured: {', '.join(missing)}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
