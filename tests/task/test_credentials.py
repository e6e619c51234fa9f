"""Credentials for agents: given by their owners, kept encrypted, sent where they belong alone."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from contracts.credentials import SET_CREDENTIAL, CredentialKept
from contracts.errors import Invalid, NotFound, Refusal
from task_svc.credentials import Credential, Safe
from tests.support.scripted_agent import answers, says
from tests.support.services import payment_service, registry_service, task_service
from tests.support.stack import Stack, running
from tests.support.system import System, listening
from tests.task.a2a_agent import a2a_agent
from tests.task.mcp_tools import tools_of

OLD, NEW = "o" * 32, "n" * 32
SECRET = "Bearer hunter2"


@pytest.fixture(scope="module")
async def system(stack: Stack) -> AsyncIterator[System]:
    payment = payment_service(stack)
    services = registry_service(stack), payment, task_service(stack, credentials_key=NEW)
    async with running(*services), listening(stack, payment) as system:
        yield system


async def owned(system: System, agent_id: str, owner: str, **columns: Any) -> None:
    for name, value in ({"owner": owner} | columns).items():
        query = f"UPDATE registry.agents SET {name} = $2 WHERE id = $1"  # noqa: S608  (our own)
        await system.rows(query, agent_id, value)


async def give(system: System, account: str, agent_id: str, **fields: Any) -> CredentialKept:
    given = {"agent_id": agent_id, "value": SECRET} | fields
    return await system.ask(SET_CREDENTIAL, account, **given)


async def refused(system: System, account: str, agent_id: str, **fields: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await give(system, account, agent_id, **fields)
    return caught.value


async def test_it_goes_with_every_call_and_is_kept_encrypted(
    system: System, capfd: pytest.CaptureFixture[str]
):
    account = await system.account()
    taken = says({}, 202, "location: /jobs/1\r\n")
    async with system.agent(answers(), taken, later=[answers()]) as (agent_id, agent):
        await owned(system, agent_id, account)
        kept = await give(system, account, agent_id, header="X-Api-Key")
        assert (kept.header, kept.origin) == ("X-Api-Key", agent.url)
        await system.invoke(account, agent_id)
        await system.invoke(account, agent_id)
        assert [call.headers["x-api-key"] for call in (*agent.calls, *agent.asked)] == [SECRET] * 3
        (row,) = await system.rows(
            "SELECT sealed FROM task.agent_credentials WHERE agent_id = $1", agent_id
        )
        assert b"hunter2" not in row["sealed"]
        assert (await give(system, account, agent_id, value=None)).origin is None
        await system.invoke(account, agent_id)
        assert "x-api-key" not in agent.calls[-1].headers
    out, err = capfd.readouterr()
    assert "hunter2" not in out + err


async def test_it_goes_to_agents_of_other_protocols(system: System):
    account = await system.account()
    async with (
        a2a_agent() as served,
        tools_of() as tools,
        system.agent() as (agent_id, _),
        system.agent() as (tool_id, _),
    ):
        await owned(system, agent_id, account, protocol="a2a", endpoint_url=served.url)
        await give(system, account, agent_id)
        await system.invoke(account, agent_id, payload={"text": "say hi"})
        assert {headers["authorization"] for headers in served.headers} == {SECRET}
        await owned(system, tool_id, account, protocol="mcp", tool="shout", endpoint_url=tools.url)
        await give(system, account, tool_id)
        assert (await system.invoke(account, tool_id)).result == "HI"
        assert set(tools.credentials) == {SECRET}


async def test_it_does_not_follow_a_listing_elsewhere(system: System):
    account = await system.account()
    async with system.agent() as (agent_id, agent), system.agent() as (_, other):
        await owned(system, agent_id, account)
        await give(system, account, agent_id)
        await owned(system, agent_id, account, endpoint_url=other.url)
        await system.invoke(account, agent_id)
        assert "authorization" not in other.calls[0].headers
        assert not agent.calls


async def test_only_its_owner_or_an_admin_gives_it(system: System):
    owner, stranger = await system.account(), await system.account()
    async with system.agent() as (agent_id, _):
        assert isinstance(await refused(system, owner, agent_id), NotFound)
        await owned(system, agent_id, owner)
        assert isinstance(await refused(system, stranger, agent_id), NotFound)
        assert (await give(system, stranger, agent_id, as_admin=True)).header == "Authorization"
    assert isinstance(await refused(system, owner, "nobody"), NotFound)


@pytest.mark.parametrize("header", ["Host", "content-length", "Mcp-Session-Id", "Idempotency-Key"])
async def test_a_header_of_the_calls_own_is_refused(system: System, header: str):
    account = await system.account()
    async with system.agent() as (agent_id, _):
        await owned(system, agent_id, account)
        found = await refused(system, account, agent_id, header=header)
    assert isinstance(found, Invalid)
    assert "hunter2" not in found.message


def test_a_new_key_reads_what_an_old_one_has_shut() -> None:
    sealed = Safe(OLD).shut("a", SECRET)
    assert Safe(f"{NEW},{OLD}").open("a", sealed) == SECRET
    assert Safe(NEW).open("a", sealed) is None
    assert Safe(OLD).open("b", sealed) is None
    assert Safe("").open("a", sealed) is None


def test_it_is_for_one_origin() -> None:
    kept = Credential("https://a.example", "X", "secret")
    assert kept.headers("https://a.example:443/deep/path") == {"X": "secret"}
    for url in ("http://a.example/", "https://a.example:444/", "https://b.example/", "odd"):
        assert kept.headers(url) == {}
    assert "secret" not in repr(kept)
