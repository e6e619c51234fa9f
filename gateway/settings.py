"""The gateway's environment."""

from pathlib import Path
from typing import Annotated, Literal, Self

from limits import parse
from pydantic import (
    AfterValidator,
    Field,
    HttpUrl,
    IPvAnyNetwork,
    SecretStr,
    TypeAdapter,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode, SettingsConfigDict

from chassis.http.bounds import Bounds
from chassis.settings import BusSettings
from contracts.base import Id
from contracts.envelope import DEFAULT_ACCOUNT
from gateway.doors import DOORS
from gateway.hosts import host_of

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
HERE = ("localhost", "127.0.0.1", "[::1]")
ID_SECRET_CHARS = 32
NEEDS = {
    "none": (),
    "token": ("ID_SECRET",),
    "jwt": ("ID_SECRET", "JWKS_URL", "JWT_ISSUER", "JWT_AUDIENCE"),
}
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]


_NETWORK: TypeAdapter[IPvAnyNetwork] = TypeAdapter(IPvAnyNetwork)


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
        metrics_port: where /metrics is served, and nothing else; without it, nowhere. 0 takes any
            free port.
        allowed_hosts: names and addresses by which callers may call this gateway, comma-separated,
            without ports. Without authentication the usual ones of this machine, unless set;
            with it, any, unless set.
        cors_origins: other origins whose pages may call the API, comma-separated.
        doors: the protocols besides the API that are spoken, comma-separated; `none` for none. All
            that there are, unless set.
        machine_payments: whether a 402 says how a machine pays (x402, MPP), and what it paid is
            taken; the payment service is configured for it.
        nats_monitor_url: where a single NATS server tells of its health over HTTP.
        dashboards_url: of Grafana, or whatever shows the metrics; the console links to it.
        ui_dist: a folder with a built client to serve at /; it must hold index.html.
        chat_wait_s: how long POST /api/hubchat/message waits for the assistant's message.
        body_limit: bytes that a request's body may have.
        bodies_in_hand: bytes that all bodies together may have at each gateway, from their arrival
            to the answer; at least body_limit.
        body_wait_s: how long a request's body may take to arrive, all of it.
        head_wait_s: how long a request's head may take; a new connection that is silent, too.
        keep_alive_s: how long a connection stays open after an answer, for the next request.
        connections: open at once; for one more, the one that has been idle longest is closed.
        connections_per_address: open at once from one address that is no trusted proxy.
        cache_bytes: what answers that are given again while nothing has changed may take at each
            gateway; 0 keeps none.
        id_secret: what the ids that follow from an Idempotency-Key are keyed with, so that nobody
            can guess what another account's are; the same at every gateway.
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
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    cors_origins: Annotated[tuple[str, ...], NoDecode] = (
        "http://localhost:5000",
        "http://localhost:3000",
    )
    doors: Annotated[tuple[str, ...], NoDecode] = tuple(DOORS)
    machine_payments: bool = False
    nats_monitor_url: HttpUrl | None = None
    dashboards_url: HttpUrl | None = None
    ui_dist: Path | None = None
    chat_wait_s: float = Field(default=25.0, ge=0)
    body_limit: int = Field(default=1_048_576, ge=0)
    bodies_in_hand: int = Field(default=67_108_864, ge=0)
    body_wait_s: float = Field(default=30.0, gt=0)
    head_wait_s: float = Field(default=10.0, gt=0)
    keep_alive_s: int = Field(default=75, ge=0)
    cache_bytes: int = Field(default=67_108_864, ge=0)
    connections: int = Field(default=4096, ge=1)
    connections_per_address: int = Field(default=1024, ge=1)
    id_secret: SecretStr | None = Field(default=None, min_length=ID_SECRET_CHARS)
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

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that are answered; empty for any."""
        return self.allowed_hosts or (HERE if self.auth_mode == "none" else ())

    @property
    def bounds(self) -> Bounds:
        """How much connections may take."""
        return Bounds(
            head_s=self.head_wait_s,
            in_all=self.connections,
            from_one=self.connections_per_address,
            proxies=self.trusted_proxies,
        )

    @field_validator(
        "cors_origins",
        "jwt_algorithms",
        "trusted_proxies",
        "allowed_hosts",
        "doors",
        mode="before",
    )
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

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                _NETWORK.validate_python(proxy)
            except ValueError:
                raise ValueError(f"{proxy} is no address and no network") from None
        return proxies

    @field_validator("doors")
    @classmethod
    def _there(cls, doors: tuple[str, ...]) -> tuple[str, ...]:
        if doors == ("none",):
            return ()
        if unknown := sorted({*doors} - {*DOORS}):
            raise ValueError(f"there is no door {unknown[0]}; there are {', '.join(DOORS)}")
        return doors

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if host_of(host) != host.lower():
                raise ValueError(f"{host} is no host: write names and addresses, without ports")
        return tuple(host.lower() for host in hosts)

    @model_validator(mode="after")
    def _callers_can_be_known(self) -> Self:
        missing = [name for name in NEEDS[self.auth_mode] if not getattr(self, name.lower())]
        if missing:
            raise ValueError(f"AUTH_MODE={self.auth_mode} needs {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _one_body_has_room(self) -> Self:
        if self.bodies_in_hand < self.body_limit:
            raise ValueError("BODIES_IN_HAND is less than BODY_LIMIT, which one body may have")
        return self

    @field_validator("ui_dist")
    @classmethod
    def _holds_a_client(cls, folder: Path | None) -> Path | None:
        if folder is not None and not (folder / "index.html").is_file():
            raise ValueError(f"there is no index.html in {folder}; build the client first")
        return folder
