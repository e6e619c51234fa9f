"""The variables are told in full: in .env.example, and handed on by docker-compose.yml."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.users import ADMIN, GATEWAY, KEEPER, USERS, variable
from deploy.local.settings import AGENTS
from tests.docs.test_docs import PROJECT, SETTINGS

EXAMPLE = (PROJECT / ".env.example").read_text("utf-8")
COMPOSE_TEXT = (PROJECT / "docker-compose.yml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)

NAMED = re.findall(r"^([A-Z][A-Z0-9_]*)=", EXAMPLE, re.MULTILINE)
CONTEXT_SERVICES = ("registry_svc", "task_svc", "payment_svc", "chat_svc")
USED = set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE_TEXT))
READ_ELSEWHERE = {"BAZAAR_VERSION", "ANTHROPIC_BASE_URL"}
"""By chassis/release.py, and by the Anthropic library itself."""
DB_PASSWORDS = {
    f"{name}{owner}_DB_PASSWORD"
    for name in ("REGISTRY", "TASK", "PAYMENT", "CHAT")
    for owner in ("", "_OWNER")
}
OF_THE_IMAGE = {"HOST", "PORT", "HEALTH_PORT", "UI_DIST", "SEARCH_CORPUS"}
"""Where a container listens and what lies in it: the image says it, or a profile."""
AGENTS_READ = {
    "ANTHROPIC_API_KEY": ("summarizer", "translator"),
    "ANTHROPIC_MODEL": ("summarizer", "translator"),
    "SEARCH_ENGINE": ("search",),
    "BUSY_RATE": ("mock_busy",),
}


def readers(module: str, name: str) -> tuple[str, ...]:
    """The containers that have to be given a variable of a settings module."""
    package = module.split(".", 1)[0]
    if package == "agents":
        return AGENTS_READ.get(name, ())
    if module == "chassis.settings":
        kept = name in {"DATABASE_URL", "DATABASE_POOL", "OUTBOX_WORKERS"}
        return CONTEXT_SERVICES if kept else ("gateway", *CONTEXT_SERVICES)
    return () if package == "deploy" else (package,)


def test_every_variable_is_named_once() -> None:
    assert len(NAMED) == len(set(NAMED))


@pytest.mark.parametrize("name", sorted({name for _, name, _ in SETTINGS} | USED | READ_ELSEWHERE))
def test_every_variable_is_in_the_example(name: str) -> None:
    assert name in NAMED, f"add {name} to .env.example"


def test_the_example_names_nothing_that_nobody_reads() -> None:
    read = {name for _, name, _ in SETTINGS} | USED | READ_ELSEWHERE | DB_PASSWORDS
    assert set(NAMED) - read == set()


def test_the_example_sets_nothing() -> None:
    assert [line for line in EXAMPLE.splitlines() if re.match(r"[A-Z0-9_]+=.", line)] == []


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, name, _ in SETTINGS])
def test_compose_hands_every_setting_to_who_reads_it(module: str, name: str) -> None:
    for reader in readers(module, name):
        handed = COMPOSE["services"][reader]["environment"]
        ours = OF_THE_IMAGE | {f"{name}_FILE"}
        assert name in handed or name in ours, f"{name} is missing in docker-compose.yml: {reader}"


def test_compose_permits_the_hosts_of_its_agents_and_no_others_inside() -> None:
    for reader in ("registry_svc", "task_svc"):
        asked = COMPOSE["services"][reader]["environment"]["AGENT_HOSTS"]
        assert asked.split(",") == [*AGENTS, "host.docker.internal", "${AGENT_HOSTS:-}"]
        assert set(AGENTS) <= COMPOSE["services"].keys()


def test_compose_publishes_on_this_machine_alone() -> None:
    published = [port for one in COMPOSE["services"].values() for port in one.get("ports", [])]
    assert len(published) >= 3
    assert [port for port in published if not str(port).startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_container_is_locked_and_limited(name: str) -> None:
    one = COMPOSE["services"][name]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["mem_limit"]
    assert one["restart"] in {"unless-stopped", "on-failure:5"}
    once = one["restart"].startswith("on-failure")
    assert once or "stop_grace_period" in one


def test_a_service_gets_nobody_elses_password() -> None:
    for name, one in COMPOSE["services"].items():
        text = str(one.get("environment", {}))
        found = set(re.findall(r"\$\{([A-Z_]+)_DB_PASSWORD", text))
        context, _, what = name.upper().partition("_")
        own = {"SVC": {context}, "MIGRATE": {f"{context}_OWNER"}}.get(what, set())
        assert name == "provision" or found == own, name


def test_a_container_is_one_user_of_the_bus() -> None:
    users = {"keeper": KEEPER, "admin": ADMIN, "gateway": GATEWAY, "ui": GATEWAY}
    users |= {name: name.removesuffix("_svc") for name in CONTEXT_SERVICES}
    found = {
        name: re.findall(r"NATS_([A-Z]+)_PASSWORD", str(one.get("environment", {})))
        for name, one in COMPOSE["services"].items()
        if name != "nats"
    }
    assert {name: named for name, named in found.items() if named} == {
        name: [user.upper()] for name, user in users.items()
    }
    for name, user in users.items():
        word = f"${{{variable(user)}:?make secrets}}"
        asked = COMPOSE["services"][name]["environment"]["NATS_URL"]
        assert asked == f"nats://{user}:{word}@nats:4222"


def test_the_bus_knows_every_user_by_a_quoted_password() -> None:
    assert COMPOSE["services"]["nats"]["environment"] == {
        variable(user): f'"${{{variable(user)}:?make secrets}}"' for user in USERS
    }


def locked(path: Path) -> set[tuple[str, str, frozenset[str]]]:
    """Each package of a lock: its name, its version, and the hashes that it may have."""
    text = path.read_text("utf-8").replace("\\\n", "")
    packages = re.findall(r"^([\w.-]+)==([^\s;]+)(.*)$", text, re.MULTILINE)
    return {(name, at, frozenset(re.findall(r"sha256:\w+", how))) for name, at, how in packages}


@pytest.mark.parametrize("service", ["agents", "gateway", *CONTEXT_SERVICES])
def test_an_image_installs_what_was_tested(service: str) -> None:
    found = locked(PROJECT / f"deploy/images/{service}.lock")
    assert {"pydantic", "uvicorn"} <= {name for name, _, _ in found}
    assert all(hashes for _, _, hashes in found)
    assert found - locked(PROJECT / "requirements.lock") == set(), "run `make lock`"


def test_no_password_is_known() -> None:
    """What compose makes up for want of a better is no secret, and its ports are published."""
    used = re.findall(r"\$\{([A-Z0-9_]*(?:PASSWORD|SECRET))(:?[-?]?)([^}]*)\}", COMPOSE_TEXT)
    assert len({name for name, _, _ in used}) > len(USERS)
    optional = {"MACHINE_SECRET", "STRIPE_WEBHOOK_SECRET"}
    for name, how, otherwise in used:
        assert (how, otherwise) == ((":-", "") if name in optional else (":?", "make secrets")), (
            name
        )
