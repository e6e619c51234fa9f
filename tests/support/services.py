"""The services as tests run them: in this process, on the shared servers."""

from typing import Any

from chassis.service import Service
from chat_svc.app import build as build_chat
from chat_svc.settings import Settings as ChatSettings
from payment_svc.app import build as build_payment
from payment_svc.settings import Settings as PaymentSettings
from registry_svc.app import build as build_registry
from registry_svc.settings import Settings as RegistrySettings
from task_svc.app import build as build_task
from task_svc.settings import Settings as TaskSettings
from tests.support.stack import Stack

FEW: dict[str, Any] = {"outbox_workers": 1}
"""Connections: to open one takes as long as many a test."""
SELDOM_S = 600.0
NOWHERE = "http://127.0.0.1:9"
"""Where nobody listens."""


def task_settings(stack: Stack, **settings: Any) -> TaskSettings:
    """Quick to retry and quick to look for work; the leases of a test are its own choice.

    Agents have as much time as in production: a machine that is busy makes none too slow.
    """
    return TaskSettings.model_validate(
        FEW
        | {
            "nats_url": stack.nats_url,
            "database_url": stack.database_url("task"),
            "default_budget": "10",
            "agent_hosts": "127.0.0.1",
            "agent_retry_s": 0.01,
            "lease_s": 30,
            "sweep_s": 0.2,
        }
        | settings
    )


def payment_service(stack: Stack, **settings: Any) -> Service:
    stores = {"nats_url": stack.nats_url, "database_url": stack.database_url("payment")}
    return build_payment(PaymentSettings.model_validate({**FEW, **stores, **settings}))


def registry_service(stack: Stack, agent_url: str = NOWHERE, **settings: Any) -> Service:
    """A registry that hardly asks again: many agents of earlier tests are gone.

    The six agents that it lists by itself are all at `agent_url`.
    """
    urls = {name: agent_url for name in RegistrySettings.model_fields if name.endswith("_url")}
    stores = {"nats_url": stack.nats_url, "database_url": stack.database_url("registry")}
    return build_registry(
        RegistrySettings.model_validate(
            {
                **FEW,
                **urls,
                **stores,
                "agent_hosts": "127.0.0.1",
                "probe_every_s": SELDOM_S,
                **settings,
            }
        )
    )


def task_service(stack: Stack, **settings: Any) -> Service:
    return build_task(task_settings(stack, **settings))


def chat_settings(stack: Stack, **settings: Any) -> ChatSettings:
    """As in production, but quick to look after overdue turns."""
    stores = {"nats_url": stack.nats_url, "database_url": stack.database_url("chat")}
    return ChatSettings.model_validate({**FEW, **stores, "watch_s": 0.25} | settings)


def chat_service(stack: Stack, **settings: Any) -> Service:
    return build_chat(chat_settings(stack, **settings))
