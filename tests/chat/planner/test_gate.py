"""The gate before a purchase: what speaks against it comes out as values."""

from decimal import Decimal

import pytest

from chat_svc.planner import Earlier, Made, Purchase, Reason, objections, plan
from tests.chat.planner.market import SIX

PRICE = Decimal("0.10")
ARTICLE = (
    "Humpback whales have come back to the bay. Biologists counted 212 animals this spring, twice"
    " as many as ten years ago. Tour operators are pleased."
)


def reasons(said: str, *purchases: Purchase) -> list[Reason]:
    return [one.reason for one in objections(said, purchases)]


def buys(kind: str, text: str | None, price: Decimal = PRICE) -> Purchase:
    return Purchase(kind, text, price)


@pytest.mark.parametrize(
    ("said", "purchase", "reason"),
    [
        (
            "Translate this text to French",
            buys("translate", "this text"),
            Reason.NOTHING_GIVEN,
        ),
        ("search for something", buys("search", "something"), Reason.NOTHING_GIVEN),
        ("who wrote it?", buys("search", "who wrote it"), Reason.NO_SUBJECT),
        (f"How many whales? {ARTICLE * 2}", buys("search", ARTICLE * 2), Reason.NO_SUBJECT),
        ("don't translate it", buys("translate", "hello"), Reason.FORBIDDEN),
        ("please don't call any agent", buys("search", "tea"), Reason.FORBIDDEN),
        ("Translate 'a' to French for at most 0.05", buys("translate", "a"), Reason.OVER_CAP),
        ("what's my balance", buys("search", "my balance"), Reason.ABOUT_US),
        (
            "Translate 'a' to French once Aunt Mildred returned from climbing Kilimanjaro",
            buys("translate", "a"),
            Reason.LEFT_OVER,
        ),
        (
            "summarize my notes from yesterday",
            buys("summarize", "my notes from yesterday"),
            Reason.NOTHING_GIVEN,
        ),
        (
            "translate page 3 of the contract to French",
            buys("translate", "page 3 of the contract"),
            Reason.NOTHING_GIVEN,
        ),
        (
            "Summarize: www.example.org/a",
            buys("summarize", "www.example.org/a"),
            Reason.NOTHING_GIVEN,
        ),
        ("summarize: report.pdf", buys("summarize", "report.pdf"), Reason.NOTHING_GIVEN),
        (
            "where did I leave my keys",
            buys("search", "where did I leave my keys"),
            Reason.NO_SUBJECT,
        ),
        ("explain this code", buys("search", "this code"), Reason.NO_SUBJECT),
        (
            "search for lamps but it must be new",
            buys("search", "lamps but it must be new"),
            Reason.LEFT_OVER,
        ),
        (
            f"summarize this thingy {ARTICLE}",
            buys("summarize", f"this thingy {ARTICLE}"),
            Reason.LEFT_OVER,
        ),
        ("did it work?", buys("search", "did it work"), Reason.NO_SUBJECT),
        ("who owns this site", buys("search", "who owns this site"), Reason.NO_SUBJECT),
        ("what's my name", buys("search", "what's my name"), Reason.NO_SUBJECT),
        ("search again but for tea", buys("search", "again but for tea"), Reason.LEFT_OVER),
        (
            "it is not that I would translate: hello",
            buys("translate", "hello"),
            Reason.FORBIDDEN,
        ),
        ("I have 3 cents, translate 'a' to French", buys("translate", "a"), Reason.LEFT_OVER),
    ],
)
def test_why_nothing_is_bought(said: str, purchase: Purchase, reason: Reason) -> None:
    assert reason in reasons(said, purchase)


@pytest.mark.parametrize(
    ("said", "purchase"),
    [
        ("Translate 'this text' to French", buys("translate", "this text")),
        ("Translate to French: it", buys("translate", "it")),
        ("search for tea", buys("search", "tea")),
        ("Why is gold so expensive?", buys("search", "Why is gold so expensive")),
        (f"Summarize, but don't translate: {ARTICLE}", buys("summarize", ARTICLE)),
        (f"Summarize: {ARTICLE} Don't summarize it.", buys("summarize", ARTICLE)),
        ("Translate 'a' to French for at most 0.10 bucks", buys("translate", "a")),
        ("search for houses below 200000 euros", buys("search", "houses", Decimal("0.5"))),
        ("now translate it", buys("translate", None)),
    ],
)
def test_what_was_asked_for_is_bought(said: str, purchase: Purchase) -> None:
    assert reasons(said, purchase) == []


def test_what_was_bought_before_counts_against_the_cap() -> None:
    said = "Translate 'a' to French and German for at most 0.15"
    assert reasons(said, buys("translate", "a")) == []
    assert reasons(said, buys("translate", "a"), buys("translate", "a")) == [Reason.OVER_CAP]


def test_a_cap_in_words_may_lower_the_budget_and_never_raises_it() -> None:
    said = "Translate 'a' to French for at most {} bucks"
    assert plan(said.format("0.05"), SIX, Decimal(1)).steps == ()
    assert plan(said.format("0.50"), SIX, Decimal(1)).steps
    assert plan(said.format("50"), SIX, Decimal("0.05")).steps == ()


@pytest.mark.parametrize(
    "said",
    [
        "I heard the High Price Agent is great",
        "my friend asked mock_busy to dance, funny",
        "is the Negotiator any good?",
        "the Translator Agent was rude to me yesterday",
    ],
)
def test_an_agent_named_in_passing_is_not_called(said: str) -> None:
    assert plan(said, SIX, Decimal(5)).steps == ()


def test_an_earlier_result_goes_to_no_agent_that_was_not_asked_to_see_it() -> None:
    secret = "1. Secret finding"
    earlier = [Earlier("Search for tea", secret, (Made(secret, "search", "tea"),))]
    letter = "Ask the High Price Agent to write a letter to my landlord that says this flat is cold"
    (step,) = plan(letter, SIX, Decimal(5), earlier=earlier).steps
    assert secret not in str(step.payload)
    (step,) = plan("Ask the Negotiator to sell it", SIX, Decimal(5), earlier=earlier).steps
    assert secret in str(step.payload)


def test_a_third_word_that_nobody_claims_stops_what_two_do_not() -> None:
    assert reasons("Translate 'a' to French, dear uncle", buys("translate", "a")) == []
    found = reasons("Translate 'a' to French, dear uncle Mildred", buys("translate", "a"))
    assert found == [Reason.LEFT_OVER]


def test_a_forbidden_kind_of_work_is_left_out_of_what_is_done() -> None:
    said = f"summarize this but leave it in English, no translating: {ARTICLE}"
    assert [step.agent_id for step in plan(said, SIX, Decimal(1)).steps] == ["summarizer"]


def test_a_summary_of_what_was_found_is_made_once() -> None:
    said = "search for tea, summarize what you find, and give me the summary in French"
    steps = plan(said, SIX, Decimal(1)).steps
    assert [step.agent_id for step in steps] == ["search", "summarizer", "translator"]
