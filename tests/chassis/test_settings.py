"""What the environment says, and what it cannot say."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from chassis.db.database import async_url
from chassis.migrate import url_of
from chassis.secrets import BadSecret, secret
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


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_value_may_be_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str
) -> None:
    kept = tmp_path / "database_url"
    kept.write_bytes(b"postgresql://me:hush@db/bazaar" + end.encode())
    monkeypatch.setenv("DATABASE_URL_FILE", str(kept))
    monkeypatch.setenv("DATABASE_POOL_FILE", "")  # an empty variable counts as not set
    settings = ServiceSettings(_env_file=None)
    assert settings.database_url == "postgresql://me:hush@db/bazaar"
    assert settings.database_pool == 16
    assert "hush" not in repr(settings)
    assert secret("DATABASE_URL") == "postgresql://me:hush@db/bazaar"


def test_the_name_of_a_file_may_be_in_dot_env(tmp_path: Path) -> None:
    (tmp_path / "nats").write_text("nats://me:hush@bus:4222\n")
    (tmp_path / ".env").write_text(f"NATS_URL_FILE={tmp_path / 'nats'}\nNATS_LOST_AFTER_S=3\n")
    settings = ServiceSettings(_env_file=tmp_path / ".env")
    assert (settings.nats_url, settings.nats_lost_after_s) == ("nats://me:hush@bus:4222", 3)


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    monkeypatch.setenv("DATABASE_URL_FILE", str(missing))
    with pytest.raises(ValidationError, match="DATABASE_URL_FILE") as refused:
        ServiceSettings(_env_file=None)
    assert str(missing) in str(refused.value)


def test_a_secret_is_given_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "database_url"
    kept.write_text("postgresql://me:hush@db/bazaar")
    monkeypatch.setenv("DATABASE_URL_FILE", str(kept))
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hush@other/bazaar")
    with pytest.raises(ValidationError, match="both set") as refused:
        ServiceSettings(_env_file=None)
    assert "hush" not in str(refused.value)
    with pytest.raises(BadSecret, match="both set"):
        secret("DATABASE_URL")


def test_the_one_shots_read_files_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://me:hush@db/bazaar\n")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(BadSecret, match="TASK_DATABASE_URL"):
        url_of("task_svc")
    monkeypatch.setenv("TASK_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert url_of("task_svc") == "postgresql://me:hush@db/bazaar"
