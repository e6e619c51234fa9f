"""The command line of the runner, up to where it would start something."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.local.ports import free_port
from deploy.local.settings import AGENTS, Settings
from tests.local.helpers import processes_of
from tests.support.processes import PROJECT


def up(home: Path, **env: object) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name.lower() not in FIELDS}
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", "up"],
        cwd=PROJECT,
        env={**clean, "BAZAAR_HOME": str(home), **{name: str(env[name]) for name in env}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


FIELDS = set(Settings.model_fields)


@pytest.fixture
def ports() -> dict[str, int]:
    """A free port for everything, by variable."""
    names = [name.upper() for name in FIELDS if name.endswith("_port")]
    return {name: free_port() for name in names}


@pytest.fixture
def taken() -> Iterator[list[int]]:
    """Two ports that this very process listens on."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in "ab"]
        yield [listener.getsockname()[1] for listener in listeners]


def test_all_ports_in_use_are_named_and_nothing_is_started(
    home: Path, ports: dict[str, int], taken: list[int]
) -> None:
    gateway, search = taken
    urls = {f"{name.upper()}_URL": f"http://localhost:{free_port()}" for name in AGENTS}
    urls["SEARCH_URL"] = f"http://localhost:{search}"

    result = up(home, **{**ports, **urls, "GATEWAY_PORT": gateway})

    assert result.returncode == 1
    assert f"Port {gateway} (gateway, set GATEWAY_PORT) is in use by process {os.getpid()}" in (
        result.stderr
    )
    assert f"Port {search} (search, set SEARCH_URL) is in use" in result.stderr
    assert "is up" not in result.stdout
    assert not processes_of(home)
    assert not (home / "postgres").exists()


def test_one_port_for_two_is_named(home: Path, ports: dict[str, int]) -> None:
    ports["NATS_PORT"] = ports["GATEWAY_PORT"]
    result = up(home, **ports, BAZAAR_AGENTS="none")
    assert result.returncode == 1
    assert "is asked for more than once (gateway, set GATEWAY_PORT and NATS, set NATS_PORT)" in (
        result.stderr
    )


def test_a_home_that_cannot_be_made_is_named(home: Path) -> None:
    (home / "file").touch()
    result = up(home / "file")
    assert result.returncode == 1
    assert f"BAZAAR_HOME {home / 'file'} cannot be used" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_setting_is_named(home: Path) -> None:
    result = up(home, BAZAAR_AGENTS="poet", GATEWAY_PORT=8000)
    assert result.returncode == 1
    assert "there is no agent 'poet'" in result.stderr
