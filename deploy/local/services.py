"""The table of the whole system: what runs, after what, and with which environment."""

import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from urllib.parse import quote, urlsplit, urlunsplit

from dotenv import dotenv_values

from chassis.secrets import SUFFIX, secret
from contracts.users import CONTEXTS, GATEWAY, KEEPER
from deploy.local import nats, postgres
from deploy.local.home import CREDENTIALS_KEY, ID_SECRET, SIGNING_KEY, WEBHOOK_KEY
from deploy.local.ports import Claim
from deploy.local.process import Process
from deploy.local.settings import AGENTS, ENV_FILE, PROJECT, Settings

OWNERS = tuple(f"{context}_owner" for context in CONTEXTS)
"""The roles of the migration step; all other roles are those of the services."""
# The stores are stage 0: they are stopped last.
AGENT_STAGE, SERVICE_STAGE, GATEWAY_STAGE = 1, 2, 3
OF_PAYMENT = ("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET", "MACHINE_SECRET", "MACHINE_PAYER_KEY")
"""What money can be taken or made with, where it is given."""
SECRETS = (
    *OF_PAYMENT,
    "DATABASE_URL",
    "_PASSWORD",
    "ID_SECRET",
    "SIGNING_KEY",
    "CREDENTIALS_KEY",
    "WEBHOOK_KEY",
)
"""Ends of the names of what no process gets but the one that it is for."""


def claims(settings: Settings) -> list[Claim]:
    """Every port that the table is going to open."""
    wanted = [
        Claim(settings.gateway_port, "gateway", "GATEWAY_PORT"),
        Claim(settings.gateway_metrics_port, "gateway's metrics", "GATEWAY_METRICS_PORT"),
    ]
    if settings.database_url is None:
        wanted.append(Claim(settings.postgres_port, "PostgreSQL", "POSTGRES_PORT"))
    if settings.nats_url is None:
        wanted.append(Claim(settings.nats_port, "NATS", "NATS_PORT"))
        wanted.append(Claim(settings.nats_monitor_port, "NATS monitor", "NATS_MONITOR_PORT"))
    wanted += [
        Claim(_health_port(settings, name), name, f"{name.upper()}_HEALTH_PORT")
        for name in (*CONTEXTS, KEEPER)
    ]
    wanted += [
        Claim(settings.agent_port(name), name, f"{name.upper()}_URL")
        for name in settings.bazaar_agents
    ]
    return wanted


def table(settings: Settings, passwords: Mapping[str, str]) -> list[Process]:
    """The processes to run; `passwords` are the generated ones, by role."""
    stores = []
    if settings.database_url is None:
        stores.append(
            postgres.process(settings.bazaar_home, settings.postgres_port, passwords["postgres"])
        )
    if settings.nats_url is None:
        stores.append(
            nats.process(
                settings.bazaar_home, settings.nats_port, settings.nats_monitor_port, passwords
            )
        )
    given = {name: value for name, value in dotenv_values(ENV_FILE).items() if value} | os.environ
    env = _shared_environment(settings, given)
    admin = settings.database_url or postgres.dsn(settings.postgres_port, passwords["postgres"])
    roles = {
        name: secret(f"{name.upper()}_DB_PASSWORD", given) or passwords[name]
        for name in (*CONTEXTS, *OWNERS)
    }
    dsns = {name: role_dsn(admin, name, password) for name, password in roles.items()}
    buses = {
        user: settings.nats_url or nats.url(settings.nats_port, user, passwords[f"nats_{user}"])
        for user in (*CONTEXTS, GATEWAY, KEEPER)
    }
    # Who is told is on this machine, as a rule, while it is made.
    hosts = f"localhost,127.0.0.1,{given.get('WEBHOOK_HOSTS', '')}".rstrip(",")
    own = {
        "gateway": {"ID_SECRET": secret("ID_SECRET", given) or passwords[ID_SECRET]},
        "task": {
            "CALL_SIGNING_KEY": secret("CALL_SIGNING_KEY", given) or passwords[SIGNING_KEY],
            "CREDENTIALS_KEY": secret("CREDENTIALS_KEY", given) or passwords[CREDENTIALS_KEY],
        },
        "payment": {
            "WEBHOOK_KEY": secret("WEBHOOK_KEY", given) or passwords[WEBHOOK_KEY],
            "WEBHOOK_HOSTS": hosts,
            **{name: given[name] for name in given if name.removesuffix(SUFFIX) in OF_PAYMENT},
            **_after_checkout(settings, given),
        },
    }
    return [
        *stores,
        *_agents(settings, env),
        *_one_shots(env, admin, roles, dsns, {store.name for store in stores}),
        _keeper(settings, env, buses, {store.name for store in stores}),
        *_services(settings, env, dsns, buses, own),
    ]


def _after_checkout(settings: Settings, given: Mapping[str, str]) -> dict[str, str]:
    """Where who has topped up is sent: to the client's page, or to the gateway's own wallet."""
    page = "payments?top_up={}" if given.get("UI_DIST") else "console?top_up={}#/wallet"
    at = f"http://localhost:{settings.gateway_port}/{page}"
    ends = {"CHECKOUT_SUCCESS_URL": "done", "CHECKOUT_CANCEL_URL": "cancelled"}
    return {name: given.get(name) or at.format(end) for name, end in ends.items()}


def role_dsn(admin: str, name: str, password: str) -> str:
    """The DSN of role `bazaar_<name>`, on the administrator's server and database."""
    parts = urlsplit(admin)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"bazaar_{name}:{quote(password, safe='')}@{host}"
    return urlunsplit(parts._replace(netloc=netloc))


def _shared_environment(settings: Settings, given: Mapping[str, str]) -> dict[str, str]:
    """What every process gets: all that was given, without the stores' and gateways' secrets."""
    shared = {
        name: value
        for name, value in given.items()
        if not name.removesuffix(SUFFIX).endswith(SECRETS)
        and name not in {f"NATS_URL{SUFFIX}", f"AGENT_HOSTS{SUFFIX}"}
    }
    return shared | {
        "PYTHONUNBUFFERED": "1",
        "HOST": "127.0.0.1",
        "AGENT_HOSTS": _agent_hosts(settings, given),
        **{f"{name.upper()}_URL": settings.agent_url(name) for name in AGENTS},
    }


def _agent_hosts(settings: Settings, given: Mapping[str, str]) -> str:
    """Whose addresses may be private: this machine, where the six are, and what was given."""
    urls = (urlsplit(settings.agent_url(name)) for name in AGENTS)
    six = (url.netloc.rpartition("@")[2].removesuffix(f":{url.port}") for url in urls)
    named = (secret("AGENT_HOSTS", given) or "").split(",")
    return ",".join(dict.fromkeys(["localhost", "127.0.0.1", *six, *filter(None, named)]))


def _agents(settings: Settings, env: Mapping[str, str]) -> list[Process]:
    """They need nobody, so they start at once."""
    ports = {name: settings.agent_port(name) for name in settings.bazaar_agents}
    return [
        Process(
            name=name,
            argv=["agents", name, "--port", str(port)],
            module=True,
            env=env,
            cwd=PROJECT,
            ready=f"http://127.0.0.1:{port}/health",
            stage=AGENT_STAGE,
        )
        for name, port in ports.items()
    ]


def _one_shots(
    env: Mapping[str, str],
    admin: str,
    roles: Mapping[str, str],
    dsns: Mapping[str, str],
    stores: AbstractSet[str],
) -> list[Process]:
    """Roles and schemas, then the tables. `stores` are the embedded."""
    role_passwords = {f"{name.upper()}_DB_PASSWORD": value for name, value in roles.items()}
    owner_dsns = {f"{name.upper()}_DATABASE_URL": dsns[f"{name}_owner"] for name in CONTEXTS}
    return [
        Process(
            name="provision",
            argv=["chassis.provision"],
            module=True,
            env={**env, "DATABASE_URL": admin, **role_passwords},
            cwd=PROJECT,
            after=sorted({"postgres"} & stores),
            one_shot=True,
        ),
        Process(
            name="migrate",
            argv=["chassis.migrate", *(f"{name}_svc" for name in CONTEXTS)],
            module=True,
            env={**env, **owner_dsns},
            cwd=PROJECT,
            after=["provision"],
            one_shot=True,
        ),
    ]


def _keeper(
    settings: Settings, env: Mapping[str, str], buses: Mapping[str, str], stores: AbstractSet[str]
) -> Process:
    """Who declares the streams, before anybody uses them, and looks after them."""
    port = _health_port(settings, KEEPER)
    return Process(
        name=KEEPER,
        argv=["chassis.keeper"],
        module=True,
        env={**env, "NATS_URL": buses[KEEPER], "HEALTH_PORT": str(port)},
        cwd=PROJECT,
        after=sorted({"nats"} & stores),
        ready=f"http://127.0.0.1:{port}/ready",
        stage=AGENT_STAGE,
    )


def _services(
    settings: Settings,
    env: Mapping[str, str],
    dsns: Mapping[str, str],
    buses: Mapping[str, str],
    own: Mapping[str, Mapping[str, str]],
) -> list[Process]:
    """The gateway starts beside the services (it needs the bus alone) and stops before them."""
    ports = {name: _health_port(settings, name) for name in CONTEXTS}
    services = [
        Process(
            name=f"{name}_svc",
            argv=[f"{name}_svc"],
            module=True,
            env={
                "OUTBOX_WORKERS": "1",  # Each keeps a connection, and so a process of PostgreSQL.
                **env,
                "DATABASE_URL": dsns[name],
                "NATS_URL": buses[name],
                "HEALTH_PORT": str(port),
                **own.get(name, {}),
            },
            cwd=PROJECT,
            after=["migrate", KEEPER],
            ready=f"http://127.0.0.1:{port}/ready",
            stage=SERVICE_STAGE,
        )
        for name, port in ports.items()
    ]
    monitor = {"NATS_MONITOR_URL": f"http://127.0.0.1:{settings.nats_monitor_port}"}
    gateway = Process(
        name="gateway",
        argv=["gateway"],
        module=True,
        env={
            **(monitor if settings.nats_url is None else {}),
            **env,
            "NATS_URL": buses[GATEWAY],
            "PORT": str(settings.gateway_port),
            "METRICS_PORT": str(settings.gateway_metrics_port),
            **own["gateway"],
        },
        cwd=PROJECT,
        after=[KEEPER],
        ready=f"http://127.0.0.1:{settings.gateway_port}/ready",
        stage=GATEWAY_STAGE,
    )
    return [*services, gateway]


def _health_port(settings: Settings, context: str) -> int:
    port: int = getattr(settings, f"{context}_health_port")
    return port
