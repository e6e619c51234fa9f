"""Signatures under calls of agents, checked as an agent does: by a library, and published keys."""

import base64
import hashlib
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import jwt
import pytest
from pydantic import ValidationError

from task_svc.agents import Agents
from task_svc.settings import Settings
from task_svc.signing import HEADER, Signer
from tests.chassis.raw_agent import RawAgent, plain, sends
from tests.support.scripted_agent import ScriptedAgent, answers, says
from tests.task.a2a_agent import a2a_agent
from tests.task.jobs import job

OLD, NEW = "o" * 32, "n" * 32
SIGNER = Signer(f"{NEW}, {OLD}")


@pytest.fixture
async def agents() -> AsyncIterator[Agents]:
    client = Agents(Settings.model_validate({"agent_hosts": "127.0.0.1"}), SIGNER)
    yield client
    await client.close()


def checked(token: str, url: str, keys: Signer = SIGNER) -> dict[str, Any]:
    """What a token says, when its signature is good and it is for `url`."""
    found = jwt.PyJWKSet([key.model_dump() for key in keys.published])
    key = found[jwt.get_unverified_header(token)["kid"]]
    said: dict[str, Any] = jwt.decode(
        token, key, algorithms=["EdDSA"], audience=url, issuer="agentbazaar"
    )
    return said


async def test_a_call_is_signed_for_its_agent_and_its_body(agents: Agents):
    async with ScriptedAgent(answers()) as agent:
        await agents.execute(job(agent.url, {"text": "Olé"}))
        (call,) = agent.calls
    said = checked(call.headers[HEADER.lower()], agent.url)
    assert (said["htm"], said["htu"]) == ("POST", f"{agent.url}/execute")
    body = '{"text": "Olé"}'.encode()
    assert said["bh"] == base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode()[:-1]
    assert abs(said["iat"] - time.time()) < 60
    assert said["exp"] == said["iat"] + 300
    with pytest.raises(jwt.InvalidAudienceError):
        checked(call.headers[HEADER.lower()], "https://other.example")


async def test_questions_and_offers_are_signed_too(agents: Agents):
    accepted = says({"accepted": True})
    taken = says({}, 202, "location: /jobs/1\r\n")
    async with ScriptedAgent(taken, later=[answers()], haggles=[accepted]) as agent:
        await agents.execute(job(agent.url))
        await agents.offer(agent.url, Decimal("0.5"), 1, "k", None)
        (later,), (offer,) = agent.asked, agent.offers
    said = checked(later.headers[HEADER.lower()], agent.url)
    assert (said["htm"], said["htu"]) == ("GET", f"{agent.url}/jobs/1")
    assert checked(offer.headers[HEADER.lower()], agent.url)["htu"] == f"{agent.url}/negotiate"


async def test_other_protocols_are_signed_too(agents: Agents):
    async with a2a_agent() as served:
        await agents.execute(job(served.url, {"text": "say hi"}, protocol="a2a"))
    for headers in served.headers:
        assert checked(headers[HEADER.lower()], served.url)["htu"] == f"{served.url}/"
    async with RawAgent(sends(plain(b"no"))) as raw:
        with pytest.raises(Exception, match="failed"):
            await agents.execute(job(raw.url, protocol="mcp", tool="x", limit_s=2.0))
    assert HEADER.lower() in raw.heads[0].lower()


def test_who_changes_keys_publishes_both() -> None:
    before = Signer(OLD).headers("POST", "https://a.example/x", b"")[HEADER]
    now = SIGNER.headers("POST", "https://a.example/x", b"")[HEADER]
    assert checked(before, "https://a.example")
    assert checked(now, "https://a.example")
    with pytest.raises(KeyError):
        checked(now, "https://a.example", Signer(OLD))


def test_without_a_key_nothing_is_signed() -> None:
    assert Signer("").headers("POST", "https://a.example", b"") == {}
    assert Signer(" , ").published == []


def test_a_short_key_is_refused_and_not_shown() -> None:
    with pytest.raises(ValidationError, match="32 random characters") as caught:
        Settings.model_validate({"call_signing_key": "hunter2"})
    assert "hunter2" not in str(caught.value)
