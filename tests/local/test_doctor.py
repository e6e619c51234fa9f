"""What `bazaar doctor` finds wrong with a machine, and what it says of it."""

import socket
from pathlib import Path
from typing import Any

import pytest

from deploy.local import doctor
from deploy.local.ports import free_port
from deploy.local.settings import Settings


def found(settings: Settings) -> dict[str, tuple[bool, str]]:
    return {what: (well, words) for what, well, words in doctor.look(settings)}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A stack that was never started, at ports of its own."""
    fields = [name for name in Settings.model_fields if name.endswith("_port")]
    ports: dict[str, Any] = {name: free_port() for name in fields}
    return Settings(_env_file=None, bazaar_home=tmp_path / "home", bazaar_agents=(), **ports)


def test_a_machine_that_is_well(settings: Settings) -> None:
    said = found(settings)
    assert {what for what, (well, _) in said.items() if not well} == set()
    assert list(said) == ["Python", "packages", "folder", "disk", "memory", "ports", "clock"]


def test_a_port_that_is_taken_is_named_with_its_variable(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", settings.task_health_port)):
        well, words = found(settings)["ports"]
    assert not well
    assert str(settings.task_health_port) in words
    assert "TASK_HEALTH_PORT" in words


def test_little_room_and_a_folder_that_others_may_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "NEEDS_BYTES", 2**62)
    monkeypatch.setattr(doctor, "NEEDS_MEMORY", 2**62)
    settings.bazaar_home.mkdir(mode=0o700)
    secrets = settings.bazaar_home / "secrets.json"
    secrets.touch(0o600)
    assert found(settings)["folder"][0]
    secrets.chmod(0o644)
    said = found(settings)
    assert {what for what, (well, _) in said.items() if not well} == {"folder", "disk", "memory"}
    assert "chmod go-rwx" in said["folder"][1]
