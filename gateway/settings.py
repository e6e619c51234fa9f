"""The gateway's environment."""

from pathlib import Path
from typing import Annotated, Literal, Self

from limits import parse
from pydantic import AfterValidator, Field, HttpUrl, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from chassis.settings import BusSettings
from contracts.base import Id
from contracts.envelope import DEFAULT_ACCOUNT

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]


def _rate(text: str) -> str:
    parse(text)
    return text


Rate = Annotated[str, AfterValidator(_rate)]
"""How often something may happen: `10/second`, `600/minute`, `1000/hour`."""


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
        default_account: whose money and data requests concern while there is no authentication.
        auth_mode: who may ask. none: everybody on this machine; token: who has an API key
            (`make key`); jwt: who has a token of the issuer below.
        auth_none_public: without authentication, listen where HOST says and not on 127.0.0.1
            alone. For containers whose port is published on 127.0.0.1, and for nothing else.
        jwks_url: where the issuer publishes its keys.
        jwt_issuer: the issuer (`iss`) whose tokens are trusted.
        jwt_audience: what a token must be for (`aud`).
        jwt_algorithms: signatures that are accepted, comma-separated; only with public keys.
        jwt_account_claim: the claim that names the account.
        jwt_leeway_s: how far clocks may be apart.
        jwks_cache_s: how long the issuer's keys are used before they are fetched again.
        rate_limit_address: requests to /api that one address may make at each gateway, such as
            `600/minute`.
        rate_limit_account: the same for an account, once callers are authenticated.
        rate_limit_webhook: the same for the webhook, per address.
        trusted_proxies: addresses or networks of proxies whose X-Forwarded-For and
            X-Forwarded-Proto count, comma-separated.
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
    auth_mode: Literal["none", "token", "jwt"] = "none"
    auth_none_public: bool = False
    jwks_url: HttpUrl | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_algorithms: Annotated[tuple[Algorithm, ...], NoDecode] = ("RS256", "ES256")
    jwt_account_claim: str = "sub"
    jwt_leeway_s: float = Field(default=30.0, ge=0)
    jwks_cache_s: float = Field(default=300.0, gt=0)
    rate_limit_address: Rate = "30000/minute"
    rate_limit_account: Rate = "6000/minute"
    rate_limit_webhook: Rate = "1200/minute"
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    event_streams: int = Field(default=20, ge=1)
    event_streams_in_all: int = Field(default=2000, ge=1)
    event_buffer: int = Field(default=1000, ge=1)
    event_heartbeat_s: float = Field(default=15.0, gt=0)
    event_send_s: float = Field(default=30.0, gt=0)

    @property
    def listens_on(self) -> str:
        """Where HTTP is served: without authentication only where this machine alone comes."""
        if self.auth_mode != "none" or self.auth_none_public or self.host in LOOPBACK:
            return self.host
        return "127.0.0.1"

    @field_validator("cors_origins", "jwt_algorithms", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(item for part in value.split(",") if (item := part.strip().rstrip("/")))

    @field_validator("cors_origins")
    @classmethod
    def _named(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in origins:
            raise ValueError("name each origin; with credentials, * would let every page in")
        return origins

    @model_validator(mode="after")
    def _issuer_is_named(self) -> Self:
        wanted = ("jwks_url", "jwt_issuer", "jwt_audience")
        missing = [name.upper() for name in wanted if not getattr(self, name)]
        if self.auth_mode == "jwt" and missing:
            raise ValueError(f"AUTH_MODE=jwt needs {', '.join(missing)}")
        return self

    @field_validator("ui_dist")
    @classmethod
    def _holds_a_client(cls, folder: Path | None) -> Path | None:
        if folder is not None and not (folder / "index.html").is_file():
            raise ValueError(f"there is no index.html in {folder}; build the client first")
        return folder
