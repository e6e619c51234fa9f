"""Which gateway, and with which key: options, then the environment, then a file."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

import typer

from cli.errors import Code, Failed
from deploy.local.settings import load as load_local

FILE = Path("bazaar") / "config.toml"
KNOWN = {"url", "key"}


@dataclass(frozen=True)
class Config:
    """Where the gateway is, and what is sent along as the bearer; as_json: no words for people."""

    url: str
    key: str | None
    as_json: bool = False


def place() -> Path:
    """The file: `bazaar/config.toml` where this system keeps such files."""
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / FILE


def load(url: str | None, key: str | None, *, as_json: bool) -> Config:
    """What is set; Failed when the file cannot be read, or has what nobody knows."""
    kept = _read(place())
    found = url or kept.get("url") or _local()
    if not found.startswith(("http://", "https://")):
        raise Failed(f"{found} is no address of a gateway.", Code.USAGE)
    return Config(found.rstrip("/"), key or kept.get("key"), as_json)


def of(context: typer.Context) -> Config:
    """The configuration of the command that runs."""
    found: Config = context.find_root().obj
    return found


def _read(path: Path) -> dict[str, str]:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Failed(f"{path} cannot be read: {error}", Code.USAGE) from None
    if wrong := found.keys() - KNOWN:
        raise Failed(f"{path}: there is no {min(wrong)}; there are url and key.", Code.USAGE)
    return {name: str(value) for name, value in found.items()}


def _local() -> str:
    """The stack of this machine, by the settings that `bazaar up` reads."""
    return f"http://127.0.0.1:{load_local().gateway_port}"
