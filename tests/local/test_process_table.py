"""The table of the real system, as data: nothing is started here."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local import home as home_module
from deploy.local import services
from deploy.local.errors import StartError
from deploy.local.process import Process
from deploy.local.settings import AGENTS, Settings, load

PASSWORDS = {name: f"pw-{name}" for name in home_module.PASSWORDS}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setattr(services, "ENV_FILE", home / ".env")
    monkeypatch.setenv("BAZAAR_HOME", str(home))


def table() -> dict[str, Process]:
    return {process.name: process for process in services.table(load(), PASSWORDS)}


def test_the_whole_system_is_there_and_waits_for_what_it_needs() -> None:
    processes = table()
    assert set(processes) == {
        *("postgres", "nats", "provision", "migrate", "keeper", "gateway"),
        *("registry_svc", "task_svc", "payment_svc", "chat_svc"),
        *AGENTS,
    }
    for process in processes.values():
        assert set(process.after) <= set(processes)
    assert processes["translator"].after == ()
    assert processes["task_svc"].after == ["migrate", "keeper"]
    assert processes["gateway"].stage > processes["task_svc"].stage
    assert processes["task_svc"].stage > processes["search"].stage > processes["nats"].stage


def test_stores_of_ones_own_take_the_place_of_the_embedded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://boss:secret@db.internal:6543/market?ssl=on")
    monkeypatch.setenv("NATS_URL", "nats://bus.internal:4222")
    processes = table()
    assert not {"postgres", "nats"} & set(processes)
    assert processes["provision"].after == processes["keeper"].after == []
    task = processes["task_svc"].env
    assert task["DATABASE_URL"] == (
        "postgresql://bazaar_task:pw-task@db.internal:6543/market?ssl=on"
    )
    assert task["NATS_URL"] == "nats://bus.internal:4222"
    variables = {claim.variable for claim in services.claims(load())}
    assert not variables & {"POSTGRES_PORT", "NATS_PORT", "NATS_MONITOR_PORT"}


def test_only_those_who_need_them_get_the_database_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://boss:secret@127.0.0.1/market")
    monkeypatch.setenv("PAYMENT_DB_PASSWORD", "given")
    for name, process in table().items():
        text = " ".join(process.env.values())
        assert ("boss:secret" in text) == (name == "provision")
        assert ("bazaar_payment:given" in text) == (name == "payment_svc")
        assert ("bazaar_task:pw-task@" in text) == (name == "task_svc")
        assert ("bazaar_task_owner:pw-task_owner@" in text) == (name == "migrate")
        assert ("pw-task_owner" in text) == (name in {"migrate", "provision"})
        assert ("pw-task" in text) == (name in {"task_svc", "migrate", "provision"})
        assert ("pw-nats_task" in text) == (name in {"task_svc", "nats"})
        assert ("pw-nats_admin" in text) == (name == "nats")
        assert ("pw-nats_keeper" in text) == (name in {"keeper", "nats"})
        assert ("pw-nats_operator" in text) == (name == "nats")
    assert table()["provision"].env["PAYMENT_DB_PASSWORD"] == "given"


def test_the_dotenv_file_reaches_the_services_and_the_environment_wins(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".env").write_text("ANTHROPIC_API_KEY=from-file\nWALLET_GRANT=5\nEMPTY=\n")
    monkeypatch.setenv("WALLET_GRANT", "7")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    env = table()["chat_svc"].env
    assert env["ANTHROPIC_API_KEY"] == "from-file"
    assert env["WALLET_GRANT"] == "7"
    assert "EMPTY" not in env


@pytest.mark.parametrize("given", ["", "VALUE", "FILE"])
@pytest.mark.parametrize(
    ("name", "whose"),
    [("ID_SECRET", "gateway"), ("CALL_SIGNING_KEY", "task_svc"), ("CREDENTIALS_KEY", "task_svc")],
)
def test_a_secret_of_ones_own_is_nobody_elses(
    home: Path, monkeypatch: pytest.MonkeyPatch, given: str, name: str, whose: str
) -> None:
    (home / "kept").write_text("kept-in-a-file\n")
    if given:
        monkeypatch.setenv(
            *((name, "ours") if given == "VALUE" else (f"{name}_FILE", str(home / "kept")))
        )
    wanted = {"": f"pw-{name.lower()}", "VALUE": "ours", "FILE": "kept-in-a-file"}[given]
    processes = table()
    assert processes.pop(whose).env[name] == wanted
    for process in processes.values():
        assert not {name, f"{name}_FILE"} & set(process.env)
        assert wanted not in process.env.values()


def test_secrets_in_files_reach_whom_they_are_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "password").write_text("kept-in-a-file\n")
    monkeypatch.setenv("TASK_DB_PASSWORD_FILE", str(home / "password"))
    monkeypatch.setenv("STRIPE_API_KEY_FILE", str(home / "stripe"))
    monkeypatch.setenv("MACHINE_PAYER_KEY", "0x-a-private-key")
    processes = table()
    for name, process in processes.items():
        assert ("MACHINE_PAYER_KEY" in process.env) == (name == "payment_svc")
        assert ("STRIPE_API_KEY_FILE" in process.env) == (name == "payment_svc")
        assert "TASK_DB_PASSWORD_FILE" not in process.env
        knows = any("kept-in-a-file" in value for value in process.env.values())
        assert knows == (name in {"task_svc", "provision"})
    assert processes["payment_svc"].env["STRIPE_API_KEY_FILE"] == str(home / "stripe")


def test_agents_run_where_their_urls_say_and_the_others_are_only_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BAZAAR_AGENTS", "search, translator")
    monkeypatch.setenv("SEARCH_URL", "http://localhost:9103/")
    monkeypatch.setenv("SUMMARIZER_URL", "https://agents.example/summarizer")
    processes = table()
    assert set(AGENTS) & set(processes) == {"search", "translator"}
    assert processes["search"].argv == ["agents", "search", "--port", "9103"]
    env = processes["registry_svc"].env
    assert env["SEARCH_URL"] == "http://localhost:9103"
    assert env["SUMMARIZER_URL"] == "https://agents.example/summarizer"


def test_agents_of_this_machine_may_be_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def hosts() -> list[set[str]]:
        envs = (table()[f"{name}_svc"].env for name in ("registry", "task"))
        return [set(env["AGENT_HOSTS"].split(",")) for env in envs]

    monkeypatch.delenv("AGENT_HOSTS", raising=False)
    assert hosts() == [{"localhost", "127.0.0.1"}] * 2
    monkeypatch.setenv("BAZAAR_AGENTS", "none")
    monkeypatch.setenv("SUMMARIZER_URL", "http://summarizer.lan:8001")
    monkeypatch.setenv("AGENT_HOSTS", "haiku.lan,,localhost")
    assert hosts() == [{"localhost", "127.0.0.1", "summarizer.lan", "haiku.lan"}] * 2


def test_who_has_topped_up_comes_back_to_this_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "8123")
    for name in ("UI_DIST", "CHECKOUT_SUCCESS_URL", "CHECKOUT_CANCEL_URL"):
        monkeypatch.delenv(name, raising=False)

    def ends() -> tuple[str, str]:
        env = table()["payment_svc"].env
        return env["CHECKOUT_SUCCESS_URL"], env["CHECKOUT_CANCEL_URL"]

    page = "http://localhost:8123/console?top_up"
    assert ends() == (f"{page}=done#/wallet", f"{page}=cancelled#/wallet")
    monkeypatch.setenv("UI_DIST", "dist")
    monkeypatch.setenv("CHECKOUT_CANCEL_URL", "https://shop.example/")
    done = "http://localhost:8123/payments?top_up=done"
    assert ends() == (done, "https://shop.example/")


def test_no_agents_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAZAAR_AGENTS", "none")
    assert not set(AGENTS) & set(table())


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("BAZAAR_AGENTS", "search,poet", "there is no agent 'poet'"),
        ("SEARCH_URL", "http://10.0.0.7:8003", "leave search out of BAZAAR_AGENTS"),
        ("SEARCH_URL", "https://localhost:8003", "SEARCH_URL is https://localhost:8003"),
        ("SEARCH_URL", "http://localhost:8003/v1", "SEARCH_URL is http://localhost:8003/v1"),
        ("SEARCH_URL", "http://localhost:99999", "SEARCH_URL: .* invalid port"),
        ("GATEWAY_PORT", "eighty", "GATEWAY_PORT: "),
        ("NATS_PORT", "70000", "NATS_PORT: "),
    ],
)
def test_nonsense_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartError, match=complaint):
        load()


@given(password=st.text(min_size=1), user=st.sampled_from(["", "boss@", "boss:p%40ss@"]))
def test_any_password_survives_in_a_role_dsn(password: str, user: str) -> None:
    dsn = services.role_dsn(f"postgresql://{user}db:1/x", "task", password)
    parts = urlsplit(dsn)
    assert (parts.username, parts.hostname, parts.port) == ("bazaar_task", "db", 1)
    assert unquote(parts.password or "") == password
