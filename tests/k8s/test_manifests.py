"""The manifests fit the schemas of Kubernetes, each other, and the services that they start.

Kinds of Kubernetes itself are checked against its own schemas, which kubernetes-validate brings.
ScaledObject (KEDA) and Cluster (CloudNativePG) are other people's kinds: here only the fields that
their documentation names are allowed.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from chassis.settings import BusSettings
from contracts.topology import DURABLES
from deploy.local.settings import AGENTS

K8S = Path(__file__).parents[2] / "deploy" / "k8s"
BASE, PRODUCTION = K8S / "base", K8S / "production"
CONTEXTS = ("registry", "task", "payment", "chat")
SERVICES = (*CONTEXTS, "gateway")
OTHER_KINDS = {"ScaledObject", "Cluster"}
KUSTOMIZE = "kustomization.yaml"

TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 1}
TRIGGER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["natsServerMonitoringEndpoint", "account", "stream", "consumer", "lagThreshold"],
    "properties": dict.fromkeys(
        (
            "natsServerMonitoringEndpoint",
            "account",
            "stream",
            "consumer",
            "lagThreshold",
            "activationLagThreshold",
            "useHttps",
        ),
        TEXT,
    ),
}
SCALED = {
    "type": "object",
    "additionalProperties": False,
    "required": ["scaleTargetRef", "triggers"],
    "properties": {
        "scaleTargetRef": {"type": "object", "required": ["name"]},
        "minReplicaCount": COUNT,
        "maxReplicaCount": COUNT,
        "pollingInterval": COUNT,
        "cooldownPeriod": COUNT,
        "triggers": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["type", "metadata"],
                "properties": {"type": {"const": "nats-jetstream"}, "metadata": TRIGGER},
            },
        },
    },
}


def documents(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.yaml")):
        if path.name != KUSTOMIZE and not path.name.endswith("-values.yaml"):
            yield from (one for one in yaml.safe_load_all(path.read_text()) if one)


ALL = [one for folder in (BASE, PRODUCTION, K8S / "operators") for one in documents(folder)]
STANDARD = [one for one in ALL if one["kind"] not in OTHER_KINDS]


def name_of(document: dict[str, Any]) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [one for one in ALL if one["kind"] in kinds]


def pod_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["spec"]["template"]
    return found


@pytest.mark.parametrize("document", STANDARD, ids=name_of)
def test_a_manifest_is_what_kubernetes_takes(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_check_sees_what_kubernetes_does_not_take() -> None:
    wrong = {**of_kind("Deployment")[0], "spec": {"replicas": "two"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_every_manifest_is_named_by_its_kustomization_once() -> None:
    for folder in (BASE, PRODUCTION):
        wanted = yaml.safe_load((folder / KUSTOMIZE).read_text())["resources"]
        here = {path.name for path in folder.glob("*.yaml")} - {KUSTOMIZE}
        assert {one for one in wanted if one.endswith(".yaml")} == here
        assert len(wanted) == len(set(wanted))
        assert all((folder / one).exists() for one in wanted)
    names = [name_of(one) for one in ALL]
    assert len(names) == len(set(names))


def test_every_durable_scales_its_own_service() -> None:
    found = set()
    for scaled in of_kind("ScaledObject"):
        jsonschema.validate(scaled["spec"], SCALED)
        for trigger in scaled["spec"]["triggers"]:
            at = trigger["metadata"]
            found.add((scaled["spec"]["scaleTargetRef"]["name"], at["stream"], at["consumer"]))
    assert found == {(d.name.split("-")[0], d.stream, d.name) for d in DURABLES}


@pytest.mark.parametrize("document", of_kind("Deployment", "Job"), ids=name_of)
def test_a_container_may_do_nothing_but_its_work(document: dict[str, Any]) -> None:
    pod = pod_of(document)["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert container["image"].split("/")[0] == "agentbazaar"


def settings_of(service: str) -> set[str]:
    package = service if service == "gateway" else f"{service}_svc"
    model: type[BusSettings] = importlib.import_module(f"{package}.settings").Settings
    return {name.upper() for name in model.model_fields}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_started_as_it_expects(service: str) -> None:
    [deployment] = [one for one in of_kind("Deployment") if one["metadata"]["name"] == service]
    pod = pod_of(deployment)
    [container] = pod["spec"]["containers"]
    shared = yaml.safe_load((BASE / KUSTOMIZE).read_text())["configMapGenerator"]
    literals = {one["name"]: dict(x.split("=", 1) for x in one["literals"]) for one in shared}
    env = {one["name"] for one in container["env"]}
    for source in container["envFrom"]:
        env |= set(literals[source["configMapRef"]["name"]])

    known = settings_of(service)
    assert {name.removesuffix("_FILE") for name in env} <= known
    assert "NATS_URL_FILE" in env
    assert ("DATABASE_URL_FILE" in env) == (service != "gateway")
    image = service if service == "gateway" else f"{service}_svc"
    assert container["image"] == f"agentbazaar/{image}"
    drain = float(literals["shared"]["DRAIN_S"])
    assert pod["spec"]["terminationGracePeriodSeconds"] >= drain + 10
    labels = pod["metadata"]["labels"]
    [budget] = [x for x in of_kind("PodDisruptionBudget") if x["metadata"]["name"] == service]
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    [mounted] = [v["secret"]["secretName"] for v in pod["spec"]["volumes"] if "secret" in v]
    assert mounted == service


def connections_of(settings: Any, given: Mapping[str, str]) -> int:
    """What one replica of a service takes of the database's connections."""
    pool, workers = (
        int(given.get(name.upper()) or settings.model_fields[name].default)
        for name in ("database_pool", "outbox_workers")
    )
    return pool + workers + 1


OTHERS = 20
"""Connections that provision, migrations, the operator and people take at once."""


def test_all_replicas_together_fit_into_the_database() -> None:
    most = {
        scaled["spec"]["scaleTargetRef"]["name"]: scaled["spec"]["maxReplicaCount"]
        for scaled in of_kind("ScaledObject")
    }
    wanted = OTHERS
    for deployment in of_kind("Deployment"):
        name = deployment["metadata"]["name"]
        if name in CONTEXTS:
            [container] = pod_of(deployment)["spec"]["containers"]
            given = {one["name"]: one.get("value", "") for one in container["env"]}
            at_once = most[name] + deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
            settings = importlib.import_module(f"{name}_svc.settings").Settings
            wanted += at_once * connections_of(settings, given)
    [cluster] = of_kind("Cluster")
    assert wanted <= int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])


def test_two_replicas_of_each_fit_into_the_databases_of_compose_and_make_up() -> None:
    wanted = OTHERS + sum(
        2 * connections_of(importlib.import_module(f"{name}_svc.settings").Settings, {})
        for name in CONTEXTS
    )
    compose = yaml.safe_load((K8S.parents[1] / "docker-compose.yml").read_text())
    asked = " ".join(compose["services"]["postgres"]["command"])
    embedded = (K8S.parents[1] / "deploy/local/postgres.py").read_text()
    for page in (asked, embedded):
        [most] = re.findall(r"max_connections=(\d+)", page)
        assert wanted <= int(most)


def test_the_streams_fit_onto_their_disks() -> None:
    [keeper] = [one for one in of_kind("Deployment") if one["metadata"]["name"] == "keeper"]
    given = {one["name"]: one["value"] for one in pod_of(keeper)["spec"]["containers"][0]["env"]}
    values = yaml.safe_load((K8S / "operators/nats-values.yaml").read_text())
    disk = values["config"]["jetstream"]["fileStore"]["pvc"]["size"]
    assert int(given["STREAM_BYTES"]) <= int(disk.removesuffix("Gi")) * 1024**3 * 0.8


def test_secrets_are_only_named() -> None:
    assert not of_kind("Secret")
    for document in of_kind("Deployment", "Job"):
        for variable in pod_of(document)["spec"]["containers"][0]["env"]:
            secret = variable["name"].endswith(("_URL", "_KEY", "_SECRET", "_PASSWORD"))
            assert not (secret and "value" in variable), variable["name"]


def test_agents_are_found_where_the_registry_looks() -> None:
    [urls] = [
        one["literals"]
        for one in yaml.safe_load((BASE / KUSTOMIZE).read_text())["configMapGenerator"]
        if one["name"] == "agent-urls"
    ]
    services = {one["metadata"]["name"]: one for one in of_kind("Service")}
    assert len(urls) == len(AGENTS)
    for agent in AGENTS:
        host = agent.replace("_", "-")
        assert f"{agent.upper()}_URL=http://{host}:8000" in urls
        assert services[host]["spec"]["ports"][0]["port"] == 8000


def test_agents_inside_may_be_called_and_no_one_else_inside() -> None:
    [hosts] = [
        one["literals"]
        for one in yaml.safe_load((BASE / KUSTOMIZE).read_text())["configMapGenerator"]
        if one["name"] == "agent-hosts"
    ]
    assert hosts == [f"AGENT_HOSTS={','.join(name.replace('_', '-') for name in AGENTS)}"]


def test_policies_name_labels_that_pods_have() -> None:
    labels = [pod_of(one)["metadata"]["labels"] for one in of_kind("Deployment", "Job")]
    others = ({"app.kubernetes.io/name": "nats"}, {"cnpg.io/cluster": "postgres"})
    for policy in of_kind("NetworkPolicy"):
        for selector in _selectors(policy["spec"]):
            wanted = selector.get("matchLabels", {}).items()
            assert any(wanted <= one.items() for one in (*labels, *others)), policy["metadata"]


def _selectors(spec: Any) -> Iterator[dict[str, Any]]:
    if isinstance(spec, dict):
        for key, value in spec.items():
            if key == "podSelector":
                yield value
            else:
                yield from _selectors(value)
    elif isinstance(spec, list):
        for one in spec:
            yield from _selectors(one)


def test_everybody_has_secrets_of_their_own() -> None:
    mounted = {
        volume["secret"]["secretName"]
        for document in of_kind("Deployment", "Job")
        for volume in pod_of(document)["spec"]["volumes"]
        if "secret" in volume
    }
    owners = {f"{context}-owner" for context in CONTEXTS}
    assert mounted == {*CONTEXTS, *owners, "gateway", "provision", "keeper"}


def test_the_page_says_which_secrets_to_make() -> None:
    page = (K8S.parents[1] / "docs" / "operations" / "deploy.md").read_text("utf-8")
    table = page.partition("| secret | keys |")[2].partition("\n\n")[0]
    told = {
        name
        for row in table.splitlines()[2:]
        for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])
    }
    of_the_server = {"nats-users"}
    assert told - of_the_server == {
        volume["secret"]["secretName"]
        for document in of_kind("Deployment", "Job")
        for volume in pod_of(document)["spec"]["volumes"]
        if "secret" in volume
    } | {"agents"}


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_service_cannot_log_in_as_the_owner_of_its_tables(context: str) -> None:
    mounted = {
        (document["kind"], document["metadata"]["name"]): volume["secret"]["secretName"]
        for document in of_kind("Deployment", "Job")
        for volume in pod_of(document)["spec"]["volumes"]
        if "secret" in volume
    }
    assert mounted["Deployment", context] == context
    assert mounted["Job", f"migrate-{context}"] == f"{context}-owner"
    assert list(mounted.values()).count(f"{context}-owner") == 1
