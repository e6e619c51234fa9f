"""Who decides is chosen by the settings, in one place, and told."""

from typing import Any

import pytest
from pydantic import ValidationError

from chat_svc.app import build
from chat_svc.claude import DEFAULT_MODEL
from chat_svc.settings import Settings

KEY = "sk-secret-of-this-test"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, {"orchestrator": "rules"}),
        ({"orchestrator": "rules", "anthropic_api_key": KEY}, {"orchestrator": "rules"}),
        ({"anthropic_api_key": KEY}, {"orchestrator": "claude", "model": DEFAULT_MODEL}),
        (
            {"orchestrator": "claude", "anthropic_api_key": KEY, "anthropic_model": "claude-x"},
            {"orchestrator": "claude", "model": "claude-x"},
        ),
    ],
)
async def test_the_settings_choose(
    settings: dict[str, Any], told: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    service = build(Settings(_env_file=None, **settings))
    assert service.details == told
    assert KEY not in repr(service.settings)


def test_claude_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ValidationError, match="needs ANTHROPIC_API_KEY"):
        Settings(_env_file=None, orchestrator="claude")
