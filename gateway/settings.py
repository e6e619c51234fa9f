"""The gateway's environment."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from chassis.settings import BusSettings
from contracts.base import Id
from contracts.envelope import DEFAULT_ACCOUNT


class Settings(BusSettings):
    """What the gateway reads beside the bus's settings; an empty variable counts as not set.

    Attributes:
        host: where HTTP is served.
        port: where HTTP is served; 0 takes any free port.
        cors_origins: other origins whose pages may call the API, comma-separated.
        ui_dist: a folder with a built client to serve at /; it must hold index.html.
        chat_wait_s: how long POST /api/hubchat/message waits for the assistant's message.
        body_limit: bytes that a request's body may have.
        body_wait_s: how long a request's body may take to arrive.
        default_account: whose money and data requests concern.
        event_streams: open event streams that one account may have at each gateway.
        event_streams_in_all: open event streams that each gateway serves.
        event_buffer: events that may wait for a reader that is slow; with more it is cut off.
        event_heartbeat_s: a quiet event stream shows that it lives so often.
        event_send_s: a reader that takes nothing for so long is cut off.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    cors_origins: Annotated[tuple[str, ...], NoDecode] = (
        "http://localhost:5000",
        "http://localhost:3000",
    )
    ui_dist: Path | None = None
    chat_wait_s: float = Field(default=25.0, ge=0)
    body_limit: int = Field(default=1_048_576, ge=0)
    body_wait_s: float = Field(default=30.0, gt=0)
    default_account: Id = DEFAULT_ACCOUNT
    event_streams: int = Field(default=20, ge=1)
    event_streams_in_all: int = Field(default=2000, ge=1)
    event_buffer: int = Field(default=1000, ge=1)
    event_heartbeat_s: float = Field(default=15.0, gt=0)
    event_send_s: float = Field(default=30.0, gt=0)

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(origin for part in value.split(",") if (origin := part.strip().rstrip("/")))

    @field_validator("cors_origins")
    @classmethod
    def _named(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in origins:
            raise ValueError("name each origin; with credentials, * would let every page in")
        return origins

    @field_validator("ui_dist")
    @classmethod
    def _holds_a_client(cls, folder: Path | None) -> Path | None:
        if folder is not None and not (folder / "index.html").is_file():
            raise ValueError(f"there is no index.html in {folder}; build the client first")
        return folder
