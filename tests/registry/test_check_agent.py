"""What an agent's author is told before the agent is listed."""

import asyncio

import pytest

from cli.main import main
from tests.registry.little_agent import INFO, LittleAgent


async def says(url: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = await asyncio.to_thread(main, ["agents", "check", url])
    return code, capsys.readouterr().out


async def test_an_agent_that_will_work_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    async with LittleAgent(info=INFO) as agent:
        code, said = await says(agent.url, capsys)
    assert code == 0, said
    assert "can be listed, for haiku, poetry" in said
    assert "0.07 BazaarBucks" in said
    assert "loopback" in said


@pytest.mark.parametrize(
    ("info", "health", "why"),
    [
        (404, {}, "native: "),
        (INFO, 500, "Its probes fail"),
        ({**INFO, "name": "\u202etpG"}, {}, "no control or invisible characters"),
    ],
    ids=["no info", "no health", "a name that steers"],
)
async def test_an_agent_that_will_not_work_is_told_why(
    info: object, health: object, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with LittleAgent(info=info) as agent:
        agent.answers["/health"] = health
        code, said = await says(agent.url, capsys)
    assert (code, "wrong" in said, why in said) == (1, True, True), said
    assert "\u202e" not in said


@pytest.mark.parametrize("url", ["http://10.0.0.1", "http://127.0.0.1:9", "nonsense"])
async def test_an_address_that_cannot_be_called_is_told(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = await says(url, capsys)
    assert (code, said.splitlines()[-1]) == (1, "It will not work here yet.")
