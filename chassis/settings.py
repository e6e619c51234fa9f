"""The environment that every service reads; a service adds its own in its settings.py.

Any variable X may be given as a file: X_FILE names it (`chassis.secrets`).
"""

from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from chassis.secrets import FileSettings


class WrongSetting(ValueError):
    """A setting that cannot be; the text names its variable and holds no value."""


def what_is_wrong(error: ValidationError) -> str:
    """The first of the settings that are wrong as a sentence: one variable, or several together."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    place[:1] = [name.upper() for name in place[:1]]
    return ": ".join([*place, first["msg"].removeprefix("Value error, ")])


class BusSettings(FileSettings):
    """How to reach NATS, where probes are answered, how to log.

    Attributes:
        nats_url: one or several servers, comma-separated.
        nats_lost_after_s: without a connection for this long, the process exits, so that
            whatever supervises it starts it afresh.
        health_port: where /health and /ready are served; 0 takes any free port.
        drain_s: how long work in hand may take after SIGTERM.
        otel_exporter_otlp_endpoint: where traces go (/v1/traces is added); empty: none.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,  # It may be a password.
    )

    nats_url: str = Field(default="nats://127.0.0.1:4222", repr=False)
    nats_lost_after_s: float = 60.0
    host: str = "127.0.0.1"
    health_port: int = Field(default=0, ge=0, le=65_535)
    drain_s: float = 10.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "text"] = "json"
    otel_exporter_otlp_endpoint: str = ""


class ServiceSettings(BusSettings):
    """The environment of a service that keeps data.

    Attributes:
        database_url: PostgreSQL with this service's own role.
        database_pool: connections for messages in work; the outbox relay takes its own.
        outbox_workers: rows being relayed at once that did not leave from memory.
    """

    database_url: str = Field(default="postgresql://127.0.0.1:5432/bazaar", repr=False)
    database_pool: int = Field(default=16, ge=1)
    outbox_workers: int = Field(default=2, ge=1)
