"""The dashboards draw what the services count."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

import chassis.metrics
from tests.docs.test_docs import PROJECT

FOLDER = PROJECT / "deploy/observability"
DASHBOARDS = sorted((FOLDER / "grafana/dashboards").glob("*.json"))
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
DECLARED = {
    f"{family.name}{suffix}"
    for metric in vars(chassis.metrics).values()
    if isinstance(metric, Counter | Gauge | Histogram)
    for family in metric.describe()
    for suffix in SUFFIXES[family.type]
}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_for_what_is_counted(path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    named = {name for expr in asked for name in re.findall(r"bazaar_\w+", expr)}
    assert len(named) > 5
    assert named - DECLARED == set()


def test_prometheus_reads_every_service_of_compose() -> None:
    job = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"][0]
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    on_the_bus = {
        name for name, one in compose.items() if name == "gateway" or name.endswith("_svc")
    }
    assert set(job["dns_sd_configs"][0]["names"]) == on_the_bus
    assert {name for name in on_the_bus if "bus" in compose[name]["networks"]} == on_the_bus
    assert "bus" in compose["prometheus"]["networks"]
