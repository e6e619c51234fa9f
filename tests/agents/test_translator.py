"""The translator over HTTP with the engines that work without a key, and Apertium's handling."""

import asyncio
import time
from decimal import Decimal
from pathlib import Path

import httpx
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import translator
from agents.engines.apertium import Apertium
from agents.engines.languages import parse_language
from agents.errors import UnavailableError, UnsupportedError
from agents.settings import Settings
from tests.agents.serving import Serve

# Reads its text as the real one does, and shows which way the text went.
FAKE_APERTIUM = """#!/bin/sh
if [ "$1" = -l ]; then
    echo '  eng-spa\n  spa-eng_US\n  es-fr\n  cat-eng\n  eng-cat_valencia\n  eco-es-fr'
    exit
fi
[ "$1" = -u ] || exit 2
read line < /dev/stdin
case "$line" in
    slow) sleep 60 & echo $! > "$PID_FILE"; wait ;;
    broken) echo 'no such mode' >&2; exit 1 ;;
    silent) ;;
    *) echo "<$2>$line" ;;
esac
"""


@pytest.fixture(scope="module")
def apertium_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PATH with an `apertium`, whose slow translation leaves its child's id here."""
    folder = tmp_path_factory.mktemp("apertium")
    program = folder / "apertium"
    program.write_text(FAKE_APERTIUM.replace("$PID_FILE", str(folder / "pid")))
    program.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def client(serve_for_module: Serve, tmp_path_factory: pytest.TempPathFactory) -> httpx.Client:
    """The translator of a machine without Apertium, whatever is installed here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))
        return serve_for_module(translator.build(Settings()))


@pytest.fixture(scope="module")
def with_apertium(serve_for_module: Serve, apertium_folder: Path) -> httpx.Client:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(apertium_folder))
        return serve_for_module(translator.build(Settings()))


def translate(client: httpx.Client, text: str, **fields: str) -> httpx.Response:
    return client.post("/execute", json={"text": text, **fields})


@given(text=st.text(max_size=5000))
def test_the_bill_is_by_the_characters(text: str) -> None:
    assert translator.cost(text) == Decimal("0.10") + Decimal("0.00005") * len(text)


def test_the_lexicon_answers_where_nothing_else_is_installed(client: httpx.Client) -> None:
    assert client.get("/info").json()["engine"] == "lexicon"
    answer = translate(client, "hello").json()
    assert answer["result"] == "hola"
    assert answer["engine"] == "lexicon"
    assert answer["cost"] == 0.10025
    assert (answer["source_language"], answer["target_language"]) == ("en", "es")


@pytest.mark.parametrize(
    ("text", "source", "target", "expected"),
    [
        ("good morning", "auto", "fr", "bonjour"),
        ("Good morning!", "English", "fr-FR", "Bonjour!"),
        ("good morning", "en-GB", "French", "bonjour"),
        ("water", "auto", "Deutsch", "Wasser"),
        ("gracias", "auto", "ENGLISH", "thank you"),
        ("gracias", "es", "it", "grazie"),
        ("42", "auto", "es", "42"),
    ],
)
def test_names_and_codes(
    client: httpx.Client, text: str, source: str, target: str, expected: str
) -> None:
    answer = translate(client, text, source_language=source, target_language=target)
    assert answer.json()["result"] == expected


def test_it_admits_the_words_that_it_does_not_know(client: httpx.Client) -> None:
    result = translate(client, "The zork cat").json()["result"]
    translation, _, note = result.partition("\n\n")
    assert translation == "El zork gato"
    assert "word by word" in note
    assert "zork" in note
    many = " ".join(f"zork{letter}" for letter in "abcdefghijklmno")
    assert "zorka" in translate(client, many).json()["result"]
    assert "and 5 more" in translate(client, many).json()["result"]


def test_a_text_in_the_target_language_stays_as_it_is(client: httpx.Client) -> None:
    answer = translate(client, "¿Dónde está el gato?", target_language="es-MX").json()
    assert answer["result"] == "¿Dónde está el gato?"
    assert answer["engine"].startswith("none")


@pytest.mark.parametrize(
    ("text", "source", "target", "told"),
    [
        ("hello", "auto", "Japanese", "de, es, fr, it, pt"),
        ("hej", "sv", "en", "none"),
        ("hello", "auto", "Gibberishish", "Gibberishish"),
        ("hello", "Gibberishish", "es", "Gibberishish"),
        ("hello", "en", "auto", "auto"),
        ("привет мир", "auto", "es", "source_language"),
    ],
)
def test_what_it_cannot_do_is_refused(
    client: httpx.Client, text: str, source: str, target: str, told: str
) -> None:
    answer = translate(client, text, source_language=source, target_language=target)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


@pytest.mark.parametrize(
    ("source", "target", "result", "engine"),
    [
        ("en", "es", "<eng-spa>hello", "apertium:eng-spa"),
        ("ca", "en", "<cat-eng>hello", "apertium:cat-eng"),
        ("en", "fr", "<es-fr><eng-spa>hello", "apertium:eng-spa+es-fr"),
        ("en", "de", "hallo", "lexicon"),
        ("fr", "es", "hello", "lexicon"),
    ],
)
def test_apertium_goes_before_the_lexicon(
    with_apertium: httpx.Client, source: str, target: str, result: str, engine: str
) -> None:
    answer = translate(
        with_apertium, "hello", source_language=source, target_language=target
    ).json()
    assert answer["result"].splitlines()[0] == result
    assert answer["engine"] == engine
    assert with_apertium.get("/info").json()["engine"] == "apertium, else lexicon"


@pytest.mark.parametrize(("text", "told"), [("broken", "no such mode"), ("silent", "nothing")])
def test_a_failing_apertium_is_no_translation(
    with_apertium: httpx.Client, text: str, told: str
) -> None:
    answer = translate(with_apertium, text, source_language="en")
    assert answer.status_code == 503
    assert told in answer.json()["detail"]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_slow_apertium_is_ended_with_all_its_children(
    apertium_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{apertium_folder}:/usr/bin:/bin")
    with pytest.raises(UnavailableError, match="longer than 2 seconds"):
        await Apertium(timeout_seconds=2).translate("slow\n", ["eng-spa"])
    child = int(await asyncio.to_thread((apertium_folder / "pid").read_text))
    deadline = time.monotonic() + 10
    while is_running(child):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("fr", "fr"),
        ("FRA", "fr"),
        (" fr-fr ", "fr-FR"),
        ("French", "fr"),
        ("français", "fr"),
        ("Brazilian Portuguese", "pt-BR"),
        ("Thai", "th"),
    ],
)
def test_languages(name: str, tag: str) -> None:
    assert parse_language(name) == tag


@pytest.mark.parametrize("name", ["", "xx", "auto", "und", "12", "no such language", "\x00"])
def test_no_languages(name: str) -> None:
    with pytest.raises(UnsupportedError):
        parse_language(name)


@given(name=st.text(max_size=20))
def test_any_other_name_is_refused_cleanly(name: str) -> None:
    try:
        tag = parse_language(name)
    except UnsupportedError:
        return
    assert parse_language(tag) == tag
