"""`python -m agents NAME` as a process: starts on its own, stays small, stops cleanly."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

import agents
from agents.settings import Settings

PROJECT = Path(agents.__file__).parent.parent
NAMES = ["summarizer", "translator", "search", "mock_busy", "mock_highprice", "mock_negotiator"]
DEADLINE_SECONDS = 60.0

Start = Callable[..., "subprocess.Popen[str]"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `python -m agents ARGUMENTS` with extra environment; whatever is left is killed."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(  # noqa: S603 (our own interpreter)
            [sys.executable, "-m", "agents", *arguments],
            cwd=PROJECT,
            env=os.environ | {"ANTHROPIC_API_KEY": ""} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def wait_until_healthy(process: "subprocess.Popen[str]", port: int) -> dict[str, object]:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            health: dict[str, object] = httpx.get(f"http://127.0.0.1:{port}/health").json()
        except httpx.TransportError:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return health


def test_all_six_start_and_stop(start: Start) -> None:
    ports = {name: free_port() for name in NAMES}
    processes = {name: start(name, "--port", str(port)) for name, port in ports.items()}
    for name, process in processes.items():
        assert wait_until_healthy(process, ports[name])["agent"] == name
    for process in processes.values():
        process.send_signal(signal.SIGTERM)
    for name, process in processes.items():
        assert process.wait(DEADLINE_SECONDS) == 0, name


def test_a_running_answer_does_not_hold_up_the_stop(start: Start) -> None:
    port = free_port()
    process = start("mock_busy", PORT=str(port), HOST="127.0.0.1", BUSY_RATE="0")
    wait_until_healthy(process, port)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        body = b'{"task": "x"}'
        head = f"POST /execute HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 0


def test_a_port_in_use_is_told(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start("search", "--port", str(taken.getsockname()[1]))
        output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode not in {0, None}
    assert "address already in use" in output


def test_an_impossible_environment_is_told(start: Start) -> None:
    process = start("search", BUSY_RATE="2", PORT="http")
    output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 1
    assert output.startswith("environment: ")
    assert "BUSY_RATE: " in output
    assert "PORT: " in output


def test_settings_from_the_environment(tmp_path: Path) -> None:
    environ = {"BUSY_RATE": "0.25", "PORT": "", "SEARCH_CORPUS": str(tmp_path), "OTHER": "x"}
    settings = Settings.from_environment(environ)
    assert (settings.busy_rate, settings.port, settings.search_corpus) == (0.25, None, tmp_path)
    for variable, value in {"SEARCH_CORPUS": "/no/such", "SEARCH_ENGINE": "x"}.items():
        with pytest.raises(ValidationError, match=variable):
            Settings.from_environment({variable: value})


def test_heavy_libraries_are_not_loaded_without_need() -> None:
    program = (
        "import sys\n"
        "from agents import search, summarizer, translator\n"
        "from agents.settings import Settings\n"
        "for agent in (search, summarizer, translator): agent.build(Settings())\n"
        "heavy = {'anthropic', 'ddgs', 'lxml', 'primp', 'httpx', 'numpy', 'language_data'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    loaded = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_the_key_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-hush\n")
    settings = Settings.from_environment({"ANTHROPIC_API_KEY_FILE": str(tmp_path / "key")})
    assert settings.anthropic_api_key == "sk-hush"
    assert "hush" not in repr(settings)
