"""What the environment, and the file .env in the project folder, say about a local run."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, HttpUrl, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from chassis.secrets import FileSettings
from deploy.local.errors import StartError

PROJECT = Path(__file__).resolve().parents[2]
"""The folder that the packages are in: a checkout, or where pip has installed them."""
CHECKOUT = (PROJECT / "pyproject.toml").exists()
ENV_FILE = (PROJECT if CHECKOUT else Path.cwd()) / ".env"
AGENTS = ("summarizer", "translator", "search", "mock_busy", "mock_highprice", "mock_negotiator")

Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(FileSettings):
    """The local run, one field per environment variable of the same name in capitals.

    An empty variable counts as not set.
    """

    model_config = SettingsConfigDict(env_file=ENV_FILE, extra="ignore", env_ignore_empty=True)

    bazaar_home: Path = (PROJECT if CHECKOUT else Path.home()) / ".bazaar"
    """The folder of all data, logs and generated passwords."""
    gateway_port: Port = 8000
    gateway_metrics_port: Port = 8010
    nats_port: Port = 4222
    nats_monitor_port: Port = 8222
    postgres_port: Port = 5433
    registry_health_port: Port = 8011
    task_health_port: Port = 8012
    payment_health_port: Port = 8013
    chat_health_port: Port = 8014
    keeper_health_port: Port = 8015
    summarizer_url: HttpUrl = HttpUrl("http://localhost:8001")
    translator_url: HttpUrl = HttpUrl("http://localhost:8002")
    search_url: HttpUrl = HttpUrl("http://localhost:8003")
    mock_busy_url: HttpUrl = HttpUrl("http://localhost:8004")
    mock_highprice_url: HttpUrl = HttpUrl("http://localhost:8005")
    mock_negotiator_url: HttpUrl = HttpUrl("http://localhost:8006")
    bazaar_agents: Annotated[tuple[str, ...], NoDecode] = AGENTS
    """The agents to start, comma-separated; `none` for none. The others run elsewhere."""
    database_url: str | None = None
    """An administrator's DSN of a PostgreSQL to use instead of the embedded one."""
    nats_url: str | None = None
    """A NATS server to use instead of the embedded one."""

    @field_validator("bazaar_home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().resolve()

    @field_validator("bazaar_agents", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = tuple(dict.fromkeys(name for part in value.split(",") if (name := part.strip())))
        return () if names == ("none",) else names

    @model_validator(mode="after")
    def _agents_can_be_started(self) -> Self:
        for name in self.bazaar_agents:
            if name not in AGENTS:
                raise ValueError(
                    f"BAZAAR_AGENTS: there is no agent {name!r}; there are {', '.join(AGENTS)}"
                )
            self.agent_port(name)
        return self

    def agent_url(self, name: str) -> str:
        """The URL of one of the six agents, wherever it runs."""
        return str(getattr(self, f"{name}_url")).rstrip("/")

    def agent_port(self, name: str) -> int:
        """The port of an agent that is started here; ValueError if its URL is not of here."""
        url: HttpUrl = getattr(self, f"{name}_url")
        here = url.scheme == "http" and url.host in {"localhost", "127.0.0.1"}
        if not here or url.path != "/" or url.port is None:
            raise ValueError(
                f"{name.upper()}_URL is {self.agent_url(name)}, but an agent that is started here"
                f" has a URL like http://localhost:8001; leave {name} out of BAZAAR_AGENTS if it"
                " runs elsewhere"
            )
        return url.port


def load() -> Settings:
    """Reads the settings; a StartError lists everything that is wrong with them."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            ": ".join([*(str(part).upper() for part in item["loc"]), item["msg"]]).replace(
                "Value error, ", ""
            )
            for item in error.errors()
        ]
        raise StartError("\n".join(lines)) from None
