"""What the environment says, and what it cannot say."""

import pytest
from pydantic import ValidationError

from chassis.database import async_url
from chassis.settings import ServiceSettings


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@db/bazaar")
    monkeypatch.setenv("NATS_URL", "nats://a:4222,nats://b:4222")
    monkeypatch.setenv("DATABASE_POOL", "3")
    monkeypatch.setenv("SOMETHING_ELSE", "is not ours")
    settings = ServiceSettings()
    assert settings.database_url == "postgresql://me:secret@db/bazaar"
    assert settings.nats_url.split(",") == ["nats://a:4222", "nats://b:4222"]
    assert settings.database_pool == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_POOL", "0"),
        ("OUTBOX_WORKERS", "many"),
        ("HEALTH_PORT", "70000"),
        ("HEALTH_PORT", "-1"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_what_makes_no_sense_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hush@db/bazaar")
    with pytest.raises(ValidationError) as refused:
        ServiceSettings()
    assert name.lower() in str(refused.value)
    assert "hush" not in str(refused.value)
    assert "input_value" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["nonsense://me:hush", "postgresql://me:hush@host:port/db", "hush", "://hush"]
)
def test_a_url_that_is_none_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL is not a URL") as refused:
        async_url(url)
    assert "hush" not in str(refused.value)
    assert refused.value.__suppress_context__  # Nor by a traceback.


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgresql+asyncpg"])
def test_a_url_is_made_for_the_driver(scheme: str) -> None:
    assert (
        async_url(f"{scheme}://me:h%40sh@db:5433/bazaar?ssl=require")
        == "postgresql+asyncpg://me:h%40sh@db:5433/bazaar?ssl=require"
    )
