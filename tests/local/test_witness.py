"""The witness counts an agent's work by the key, over real HTTP."""

import httpx

from agents import mock_highprice
from agents.settings import Settings
from deploy.local.ports import free_port
from deploy.local.witness import Witness, serving


def test_a_repeat_is_a_call_and_no_work() -> None:
    witness = Witness(mock_highprice.build(Settings()), 0)
    port = free_port()
    with serving(witness, port), httpx.Client(base_url=f"http://127.0.0.1:{port}") as agent:
        assert agent.get("/health").is_success
        assert not witness.at_work.is_set()
        for key in ("k1", "k1", "k2"):
            payload = {"task": "something"}
            answer = agent.post("/execute", json=payload, headers={"Idempotency-Key": key})
            assert answer.is_success
        assert agent.post("/execute", json={}, headers={"Idempotency-Key": "k3"}).is_error
    assert witness.at_work.is_set()
    assert witness.called == {"k1": 2, "k2": 1, "k3": 1}
    assert +witness.ran == {"k1": 1, "k2": 1}
