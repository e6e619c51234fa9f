"""Dashboards and alerts are about what the services count, and alerts say what to do."""

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

import chassis.observability.metrics
import chat_svc.measures
import payment_svc.measures
import registry_svc.measures
import task_svc.measures
from tests.docs.test_docs import OPERATIONS, PROJECT, anchors

FOLDER = PROJECT / "deploy/observability"
DASHBOARDS = sorted((FOLDER / "grafana/dashboards").glob("*.json"))
KINDS = (Counter, Gauge, Histogram)
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
COUNTING = (
    chassis.observability.metrics,
    chat_svc.measures,
    payment_svc.measures,
    registry_svc.measures,
    task_svc.measures,
)
DECLARED = {
    f"{family.name}{suffix}"
    for module in COUNTING
    for metric in vars(module).values()
    if isinstance(metric, KINDS)
    for family in metric.describe()
    for suffix in SUFFIXES[family.type]
}

LABELS = {
    f"{family.name}{suffix}": {*metric._labelnames, *(["le"] if suffix == "_bucket" else [])}
    for module in COUNTING
    for metric in vars(module).values()
    if isinstance(metric, KINDS)
    for family in metric.describe()
    for suffix in SUFFIXES[family.type]
}
"""What each series is told apart by."""


RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_for_what_is_counted(path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    named = {name for expr in asked for name in re.findall(r"bazaar_\w+", expr)}
    assert len(named) > 5
    assert named - DECLARED == set()
    for expr in asked:
        labels = {one for by in re.findall(r"\bby \(([^)]*)\)", expr) for one in by.split(", ")}
        for name in re.findall(r"bazaar_\w+", expr):
            assert labels <= LABELS[name], f"{expr}: {name} has {LABELS[name]}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_is_about_what_is_counted_and_says_what_to_do(rule: dict[str, Any]) -> None:
    named = set(re.findall(r"bazaar_\w+", rule["expr"]))
    assert named or re.search(r"\bup\{", rule["expr"])
    assert named - DECLARED == set()
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor in anchors(PROJECT / page)


def names(metric: Counter | Gauge | Histogram) -> list[str]:
    """What a page calls a metric: a histogram by its family."""
    return [
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in metric.describe()
    ]


@pytest.mark.parametrize("module", COUNTING, ids=lambda module: module.__name__)
def test_every_metric_is_in_operations(module: ModuleType) -> None:
    for name in (n for m in vars(module).values() if isinstance(m, KINDS) for n in names(m)):
        assert f"`{name}`" in OPERATIONS


def test_prometheus_finds_its_rules_in_compose() -> None:
    settings = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    mounted = {volume.split(":")[1] for volume in compose["prometheus"]["volumes"]}
    assert {f"/etc/prometheus/{name}" for name in settings["rule_files"]} <= mounted


def test_prometheus_reads_every_service_of_compose() -> None:
    job = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"][0]
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    on_the_bus = {
        name for name in compose if name in {"gateway", "keeper"} or name.endswith("_svc")
    }
    found = {name: one["port"] for one in job["dns_sd_configs"] for name in one["names"]}
    asked_of_gateway = f"${{METRICS_PORT:-{found.pop('gateway')}}}"
    assert compose["gateway"]["environment"]["METRICS_PORT"] == asked_of_gateway
    assert found == dict.fromkeys(on_the_bus - {"gateway"}, 8000)
    assert {name for name in on_the_bus if "bus" in compose[name]["networks"]} == on_the_bus
    assert "bus" in compose["prometheus"]["networks"]


def test_what_grafana_reads_is_beside_it_in_compose() -> None:
    compose = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    sources = [
        source
        for file in (FOLDER / "grafana/datasources").iterdir()
        for source in yaml.safe_load(file.read_text())["datasources"]
    ]
    hosts = {httpx.URL(source["url"]).host for source in sources}
    assert hosts == {"prometheus", "jaeger"}
    for host in hosts:
        assert compose[host]["profiles"] == ["observability"]
        assert set(compose[host]["networks"]) & set(compose["grafana"]["networks"])
    assert "bus" in compose["jaeger"]["networks"], "services have to reach it"
