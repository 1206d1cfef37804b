"""Prometheus' rules and Grafana's dashboards, judged by Debian's promtool and by the registry of metrics."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from shared.runtime.metrics import METRICS, Kind
from tests.testkit.prometheus import DASHBOARDS, INFRA, SHIPPED, dashboards, promtool, rules, shown, watched

NAME = re.compile(r"\b(ampward_[a-z0-9_]+|ampward:[a-z0-9_:]+)")
BUCKETS = {f"{name}_bucket" for name, metric in METRICS.items() if metric.kind is Kind.AGES}
DOCUMENT = INFRA.parent / "docs" / "observability.md"


def every_expression() -> dict[str, str]:
    return {**rules("recording.yml", "record"), **rules("alerting.yml", "alert"), **shown()}


def test_promtool_accepts_configuration_and_rules() -> None:
    """The very program that will read them."""
    checked = promtool("check", "config", SHIPPED / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "2 rule files found" in checked.stdout


def test_promtool_parses_every_expression_of_the_dashboards(tmp_path: Path) -> None:
    """Put as rules, because that is what it parses."""
    listed = [{"record": f"shown:{number}", "expr": expr} for number, expr in enumerate(shown().values())]
    file = tmp_path / "shown.yml"
    file.write_text(json.dumps({"groups": [{"name": "shown", "rules": listed}]}))
    checked = promtool("check", "rules", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(listed)} rules found" in checked.stdout


def test_alerts_fire_when_they_should_and_not_before() -> None:
    """Made-up series, real rules."""
    tested = promtool("test", "rules", Path(__file__).with_name("alerts.yml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_one_recorded_series_against_one_number() -> None:
    """So a live fleet can show that what an alert looks at is there."""
    recorded = rules("recording.yml", "record")
    assert {series.partition("{")[0] for series in watched().values()} <= set(recorded)


def test_expressions_use_only_metrics_that_a_program_has() -> None:
    """A misspelt name is an empty panel and an alert that never comes."""
    known = set(METRICS) | BUCKETS | set(rules("recording.yml", "record"))
    unknown = {f"{where}: {name}" for where, expr in every_expression().items() for name in NAME.findall(expr)} - {
        f"{where}: {name}" for where in every_expression() for name in known
    }
    assert not unknown


def test_everything_that_is_measured_or_recorded_is_shown() -> None:
    """What nobody looks at need not be measured."""
    used = {name.removesuffix("_bucket") for expr in every_expression().values() for name in NAME.findall(expr)}
    assert set(METRICS) - used == set()
    told = {name for expr in [*shown().values(), *watched().values()] for name in NAME.findall(expr)}
    assert set(rules("recording.yml", "record")) - told == set()


def test_the_document_lists_every_metric_as_the_registry_has_it() -> None:
    """Name, kind, labels and meaning, a line each."""
    lines = [
        f"| `{name}` | {metric.kind} | {', '.join(metric.labels) or '-'} | {metric.help} |"
        for name, metric in METRICS.items()
    ]
    text = DOCUMENT.read_text()
    assert [line for line in lines if line not in text] == []
    assert text.count("\n| `ampward_") == len(METRICS)


@pytest.mark.parametrize("name", sorted(path.name for path in DASHBOARDS.glob("*.json")))
def test_a_dashboard_asks_the_provisioned_source_and_its_panels_do_not_overlap(name: str) -> None:
    """What Grafana would show as an error or put over one another."""
    board: dict[str, Any] = dashboards()[name]
    source = YAML(typ="safe").load(INFRA / "grafana" / "provisioning" / "datasources" / "prometheus.yaml")
    uid = source["datasources"][0]["uid"]
    asked = {target["datasource"]["uid"] for panel in board["panels"] for target in panel["targets"]}
    assert asked == {uid}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    cells = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_a_cluster_is_asked_for_the_same_by_the_same_rules() -> None:
    """Debian's Prometheus knows no Kubernetes, so this file is held to the other one."""
    one, other = (YAML(typ="safe").load(SHIPPED / name) for name in ("prometheus.yml", "kubernetes.yml"))
    assert (one["global"], one["rule_files"]) == (other["global"], other["rule_files"])
    assert [job["job_name"] for job in one["scrape_configs"]] == [job["job_name"] for job in other["scrape_configs"]]
    relabelled = {step.get("target_label") for step in other["scrape_configs"][0]["relabel_configs"]}
    assert "service" in relabelled
