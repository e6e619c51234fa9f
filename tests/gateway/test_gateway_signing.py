"""GET /.well-known/jwks.json: the keys under calls of agents, for anybody."""

from contracts.signing import LIST_SIGNING_KEYS, SigningKey, SigningKeys
from tests.gateway.helpers import StandIns, gateway_settings, serving, until_answered


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
