"""The API documents: `make specs` writes contracts/specs from the code; a test compares them."""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fast_depends.pydantic import PydanticSerializer
from faststream.specification import AsyncAPI

from chassis.service import Service
from chat_svc.app import build as chat
from chat_svc.settings import Settings as ChatSettings
from contracts.base import PASSING, Command, Event
from contracts.catalogue import EVENTS
from contracts.permissions import ORDERS
from deploy import nats_users
from gateway.app import create_app
from gateway.settings import Settings as GatewaySettings
from payment_svc.app import build as payment
from payment_svc.settings import Settings as PaymentSettings
from registry_svc.app import build as registry
from registry_svc.settings import Settings as RegistrySettings
from task_svc.app import build as task
from task_svc.settings import Settings as TaskSettings

FOLDER = Path(__file__).resolve().parents[2] / "contracts" / "specs"
VERSION = "0.1.0"


def documents() -> Iterator[tuple[str, str]]:
    """Each document's file name and text; the same at every call, on every machine."""
    for service in (
        registry(RegistrySettings(_env_file=None)),
        task(TaskSettings(_env_file=None)),
        payment(PaymentSettings(_env_file=None)),
        chat(ChatSettings(_env_file=None)),
    ):
        yield f"{service.name}.asyncapi.json", _text(_asyncapi(service))
    # As where callers are asked who they are; without, there is no bearer, no 401 and no 403.
    app = create_app(GatewaySettings(_env_file=None, auth_mode="token", id_secret="-" * 32))
    yield (
        "gateway.openapi.json",
        _text({**app.openapi(), "info": {**app.openapi()["info"], "version": VERSION}}),
    )


def _asyncapi(service: Service) -> dict[str, Any]:
    # A service needs no models of its handlers, and does without (`chassis.service`).
    service.broker.config.broker_config.fd_config.serializer = PydanticSerializer()
    spec = AsyncAPI(service.broker, title=f"AgentBazaar {service.name}", version=VERSION)
    found: dict[str, Any] = json.loads(spec.to_specification().to_json())
    sent: list[type[Event | Command]] = [*EVENTS[service.name], *ORDERS[service.name]]
    for message in sent:
        _add_sent(found, message)
    return found


def _add_sent(document: dict[str, Any], message: type[Event] | type[Command]) -> None:
    """A message that the service sends: by way of the outbox, so the broker knows none of them."""
    kept = "" if getattr(message, "kept", True) else f".{PASSING}"
    kind = "evt" if issubclass(message, Event) else "cmd"
    address = f"bazaar.{kind}.{message.type}{kept}.*"
    name = f"{address}:{message.__name__}"
    at = name.replace("*", "%2A")
    schema = message.model_json_schema(
        by_alias=True, mode="serialization", ref_template="#/components/schemas/{model}"
    )
    parts = document["components"]
    for title, one in {**schema.pop("$defs", {}), f"{message.__name__}Sent": schema}.items():
        parts["schemas"].setdefault(title, one)
    parts["messages"][name] = {
        "title": name,
        "payload": {"$ref": f"#/components/schemas/{message.__name__}Sent"},
    }
    document["channels"][name] = {
        "address": address,
        "description": inspect.getdoc(message),
        "messages": {"Message": {"$ref": f"#/components/messages/{at}"}},
        "servers": [{"$ref": "#/servers/development"}],
    }
    document["operations"][f"{name}Send"] = {
        "action": "send",
        "channel": {"$ref": f"#/channels/{at}"},
        "messages": [{"$ref": f"#/channels/{at}/messages/Message"}],
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write them all, and the bus's users."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in documents():
        (FOLDER / name).write_text(text)
    nats_users.main()


if __name__ == "__main__":
    main()
