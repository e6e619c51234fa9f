"""What agents know us by: keys under calls, for anybody; and what their owners give for them."""

import httpx

from contracts.credentials import SET_CREDENTIAL, CredentialKept
from contracts.signing import LIST_SIGNING_KEYS, SigningKey, SigningKeys
from tests.support.gateways import StandIns, gateway_settings, serving, until_answered


async def test_anybody_may_have_the_keys(bus_url: str, services: StandIns) -> None:
    await services.answer(LIST_SIGNING_KEYS, SigningKeys(keys=[SigningKey(x="abc", kid="k-1")]))
    with serving(gateway_settings(bus_url, auth_mode="token")) as served:
        async with served.client() as http:
            await until_answered(http, "/ready", 200)
            answer = await http.get("/.well-known/jwks.json")
    assert answer.json() == {
        "keys": [
            {"kty": "OKP", "crv": "Ed25519", "x": "abc", "kid": "k-1", "alg": "EdDSA", "use": "sig"}
        ]
    }
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_credential_is_given_and_its_value_never_shown(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    kept = CredentialKept(agent_id="a", header="X-Key", origin="https://a.example")
    await services.answer(SET_CREDENTIAL, kept)
    body = {"header": "X-Key", "value": "hunter2"}
    answer = await http.post("/api/agents/a/credential", json=body)
    assert answer.json() == {"agentId": "a", "header": "X-Key", "origin": "https://a.example"}
    for wrong in ({"value": "two\nlines"}, {"value": "x", "header": "a b"}, {"value": ""}, {}):
        refused = await http.post("/api/agents/a/credential", json=wrong)
        assert refused.status_code == 422
        assert "lines" not in refused.text
    assert (await http.delete("/api/agents/a/credential")).status_code == 200
    (given, ended) = [
        asked.body for asked in services.asked if asked.subject.endswith("set_credential")
    ]
    assert (given.value, given.as_admin, ended.value) == ("hunter2", True, None)
    assert "hunter2" not in repr(given)
