"""The real Prometheus and its promtool on the shipped rules and dashboards."""

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.testkit.ports import free_port
from tests.testkit.process import Running, is_alive, wait_for

INFRA = Path(__file__).parents[2] / "infra"
SHIPPED = INFRA / "prometheus"
DASHBOARDS = INFRA / "grafana" / "dashboards"
WITHIN_S = 90.0
_COMPARED = re.compile(r"(?P<series>[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^}]*\})?) [<>] [0-9.]+")


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60, check=False)


def rules(file: str, kind: str) -> dict[str, str]:
    """Expressions by name of a shipped file; ``kind`` is record or alert."""
    from ruamel.yaml import YAML

    groups = YAML(typ="safe").load((SHIPPED / "rules" / file).read_text())["groups"]
    return {rule[kind]: rule["expr"] for group in groups for rule in group["rules"]}


def dashboards() -> dict[str, dict[str, Any]]:
    """By file name."""
    return {path.name: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def shown() -> dict[str, str]:
    """Every expression of the dashboards, by where it stands."""
    return {
        f"{name}: {panel['title']} {target['refId']}": target["expr"]
        for name, board in dashboards().items()
        for panel in board["panels"]
        for target in panel["targets"]
    }


def watched() -> dict[str, str]:
    """What each alert compares with its number, by its name."""
    found = {}
    for name, expression in rules("alerting.yml", "alert").items():
        match = _COMPARED.fullmatch(expression)
        assert match is not None, f"{name}: {expression} is not one series against one number"
        found[name] = match["series"]
    return found


class Prometheus:
    """One that runs."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1/query?query="

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that there are now."""
        with urllib.request.urlopen(self._url + urllib.parse.quote(expression), timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def is_ready(self) -> bool:
        try:
            self.ask("1")
        except OSError:
            return False
        return True

    def see(self, expressions: dict[str, str]) -> None:
        """Wait until each gives something; AssertionError with those that give nothing."""
        end = time.monotonic() + WITHIN_S
        while empty := self.empty(expressions):
            assert time.monotonic() < end, "empty:\n" + "\n".join(empty)
            time.sleep(1)

    def empty(self, expressions: dict[str, str]) -> list[str]:
        """Those that give nothing."""
        return [f"{where}: {expression}" for where, expression in expressions.items() if not self.ask(expression)]


@contextmanager
def prometheus(folder: Path, targets: Path) -> Iterator[Prometheus]:
    """A Prometheus by the shipped files, once a second instead of every fifteen, asking what ``targets`` lists."""
    shutil.copytree(SHIPPED, folder)
    config = folder / "prometheus.yml"
    config.write_text(config.read_text().replace("15s", "1s").replace("30s", "1s"))
    (folder / "targets.json").unlink()
    (folder / "targets.json").symlink_to(targets)
    port = free_port()
    words = [
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with Running(["prometheus", *words, "--storage.tsdb.min-block-duration=2h", "--log.level=warn"]) as running:
        made = Prometheus(port)
        wait_for(made.is_ready, within_s=WITHIN_S, name="Prometheus")
        yield made
        assert is_alive(running.pid), running.output
