"""The search agent: the local index, its safety, and when the web is asked."""

import os
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import search
from agents.engines.fulltext import Hit, TextIndex
from agents.engines.web import search_web
from agents.errors import UnavailableError
from agents.settings import DATA, Settings
from tests.agents.serving import Serve

INDEX = TextIndex(DATA / "corpus")
LOCAL = Settings(search_engine="local")

INJECTIONS = [
    '"; DROP TABLE texts; --',
    "' OR 1=1 --",
    'moon" OR "sun',
    "moon AND",
    "NOT moon",
    "NEAR(moon sun, 5)",
    "title:moon",
    "{title body}: moon",
    "moon*",
    "^moon",
    "(((((",
    "-moon +sun",
    '"',
    "\x00 moon \x00",
    "🌙 ☕ ²",
    "moon " * 190,
]


class Web:
    """A web that can be cut off, and counts how often it was asked."""

    def __init__(self, hits: list[Hit] | None) -> None:
        self.hits = hits
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, query: str, limit: int) -> list[Hit]:
        self.asked.append((query, limit))
        if self.hits is None:
            raise UnavailableError("no network")
        return self.hits[:limit]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def local(serve_for_module: Serve) -> httpx.Client:
    return serve_for_module(search.build(LOCAL))


def ask(client: httpx.Client, query: str, **fields: int) -> httpx.Response:
    return client.post("/execute", json={"query": query, **fields})


def test_the_corpus() -> None:
    texts = [path.read_text("utf-8") for path in (DATA / "corpus").glob("*.md")]
    assert INDEX.size == len(texts) >= 25
    assert all(text.startswith("# ") for text in texts)
    assert all(150 <= len(text.split()) <= 260 for text in texts)


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("solar energy benefits", "Solar energy"),
        ("Who was the first programmer?", "Ada Lovelace"),
        ("how do bees dance", "Honey bees"),
        ("quantum computers", "Quantum computing"),
        ("event horizon of black holes", "Black holes"),
        ("NATS", "Message bus"),
        ("Ausdauer Gutenberg Mainz", "The printing press"),
        ("CLIMATE CHANGE", "Climate change"),
    ],
)
def test_the_best_text_comes_first(query: str, title: str) -> None:
    assert INDEX.search(query, 5)[0].title == title


def test_the_answer_names_title_snippet_source_and_engine(local: httpx.Client) -> None:
    answer = ask(local, "espresso crema").json()
    assert answer["result"].startswith("1. Espresso: ")
    assert "crema" in answer["result"]
    assert "(source: espresso.md)" in answer["result"]
    assert "local index" in answer["result"].splitlines()[-1]
    assert answer["vendor"] == answer["engine"] == "local-index"
    assert answer["cost"] == 0.08


@pytest.mark.parametrize("num_results", [1, 2, 20])
def test_each_result_is_paid_for(local: httpx.Client, num_results: int) -> None:
    answer = ask(local, "water energy heat light", num_results=num_results).json()
    found = answer["result"].count("(source: ")
    assert 1 <= found <= num_results
    assert answer["external_cost"] == round(0.01 * found, 6)


@pytest.mark.parametrize("query", ["zorgblatt", "?!", "latest news about zorgblatt"])
def test_nothing_found_is_said_and_costs_nothing_extra(local: httpx.Client, query: str) -> None:
    answer = ask(local, query).json()
    assert answer["result"].startswith("No results")
    assert answer["external_cost"] == 0
    assert answer["requires_external_tool"] is True


@pytest.mark.parametrize("query", INJECTIONS)
def test_no_query_is_syntax(local: httpx.Client, query: str) -> None:
    answer = ask(local, query)
    assert answer.status_code == 200
    assert ask(local, "moon tides").json()["result"].startswith("1. The Moon")


@given(query=st.text(max_size=200))
def test_any_text_is_a_safe_query(query: str) -> None:
    assert len(INDEX.search(query, 3)) <= 3


def test_another_folder(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "zorg.txt").write_text("The zorgblatt\n\nIt eats\nblue paper.")
    (tmp_path / "one-line.md").write_text("Gribbles like zorgblatts")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "image.png").write_bytes(b"\x89PNG zorgblatt")
    (tmp_path / "latin1.txt").write_bytes("Caf\xe9 am Zorgblatt".encode("latin-1"))
    client = serve(search.build(LOCAL.model_copy(update={"search_corpus": tmp_path})))
    result = ask(client, "zorgblatt").json()["result"]
    assert "The zorgblatt: It eats blue paper. (source: deeper/zorg.txt)" in result
    assert "one-line.md" in result
    assert "latin1.txt" in result
    assert "png" not in result
    assert "a local index of 4 texts" in result


def test_the_web_goes_first(serve: Serve) -> None:
    web = Web([Hit(f"Page {n}", "About it.", f"https://example.org/{n}") for n in range(9)])
    client = serve(search.build(Settings(), web=web))
    assert client.get("/info").json()["engine"] == "ddgs, else local-index"
    answer = ask(client, "solar energy", num_results=3).json()
    assert web.asked == [("solar energy", 3)]
    assert "1. Page 0: About it. (source: https://example.org/0)" in answer["result"]
    assert "the web" in answer["result"].splitlines()[-1]
    assert answer["vendor"] == answer["engine"] == "ddgs"
    assert answer["external_cost"] == 0.03


def test_without_a_network_the_index_answers_and_the_web_rests(serve: Serve) -> None:
    web, clock = Web(None), Clock()
    client = serve(search.build(Settings(), web=web, clock=clock))
    for _ in range(3):
        assert ask(client, "solar energy").json()["vendor"] == "local-index"
    assert len(web.asked) == 1
    assert client.get("/info").json()["engine"] == "local-index"
    clock.now += search.OFFLINE_SECONDS - 1
    ask(client, "solar energy")
    assert len(web.asked) == 1
    clock.now += 2
    web.hits = [Hit("Page", "About it.", "https://example.org")]
    assert ask(client, "solar energy").json()["vendor"] == "ddgs"


def test_the_engine_can_be_chosen(serve: Serve) -> None:
    web = Web(None)
    only_web = serve(search.build(Settings(search_engine="web"), web=web))
    only_local = serve(search.build(LOCAL, web=web))
    refused = ask(only_web, "solar energy")
    assert refused.status_code == 503
    assert refused.json()["detail"] == "no network"
    assert ask(only_local, "solar energy").json()["vendor"] == "local-index"
    assert len(web.asked) == 1
    engines = [client.get("/info").json()["engine"] for client in (only_web, only_local)]
    assert engines == ["ddgs", "local-index"]


FAKE_DDGS = """
class DDGS:
    def __init__(self, timeout):
        assert 0 < timeout < 10

    def text(self, query, max_results):
        from ddgs.exceptions import DDGSException
        if query == "nothing":
            raise DDGSException("No results found.")
        if query == "offline":
            raise DDGSException("DNSError")
        page = {"title": query, "href": "https://example.org", "body": "é" * 900}
        return [page] * max_results
"""


@pytest.fixture
def fake_ddgs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `ddgs` library that the child process finds before the real one."""
    package = tmp_path / "ddgs"
    package.mkdir()
    (package / "__init__.py").write_text(FAKE_DDGS)
    (package / "exceptions.py").write_text("class DDGSException(Exception): pass")
    project = Path(search.__file__).parent.parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(project)]))


@pytest.mark.usefixtures("fake_ddgs")
async def test_the_web_engine_runs_in_a_child() -> None:
    hits = await search_web('"quoted" ü', 2)
    assert hits == [Hit('"quoted" ü', "é" * 500, "https://example.org")] * 2
    assert await search_web("nothing", 2) == []
    with pytest.raises(UnavailableError, match="no search engine could be reached: DNSError"):
        await search_web("offline", 2)


@pytest.mark.parametrize(
    "query", ["what's the weather in Berlin today", "who invented the bicycle"]
)
def test_poor_hits_are_told_as_such_and_cost_nothing_extra(local: httpx.Client, query: str) -> None:
    answer = ask(local, query).json()
    assert answer["result"].startswith("No results")
    assert "may be about something else" in answer["result"]
    assert answer["external_cost"] == 0


def test_a_hit_that_fits_leaves_the_poor_ones_out(local: httpx.Client) -> None:
    answer = ask(local, "the history of chess").json()
    assert answer["result"].startswith("1. Chess")
    assert "(source: " in answer["result"]
    assert answer["external_cost"] == 0.01
