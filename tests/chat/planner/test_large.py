"""Texts of 100 kB, plain and hostile: they are passed on whole and do not stall the planner."""

from decimal import Decimal

import pytest

from chat_svc.planner import Earlier, Made, plan
from tests.chat.planner.market import SIX

SIZE = 100_000
BUDGET = Decimal(5)
PROSE = "The cat sat on the mat, and then it searched for a dog: in vain. "


def much(part: str) -> str:
    return (part * (SIZE // len(part) + 1))[:SIZE]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Summarize: ", ""),
        ("Summarize ", ""),
        ("Summarize this\n\n", ""),
        ("Translate to French: ", ""),
        ("Translate '", "' to French"),
        ("Translate ", " to French"),
        ("", "\n\nSummarize the above"),
    ],
)
def test_a_large_text_is_passed_on_whole(before: str, after: str) -> None:
    text = much(PROSE).strip() + " END"
    (step,) = plan(f"{before}{text}{after}", SIX, BUDGET).steps
    assert step.payload["text"] == text


HOSTILE = [
    *[much(part) for part in (" ", "\n", ",", ".", ":", "'", '"', "(", "a", "1", "-", "\x00")],
    *[much(part) for part in ("' ", "'a ", '"a" ', "“a” „b“ ", "x: ", ". ", "a-", "hi ", "- x\n")],
    *[
        much(part)
        for part in ("in ", "in,", "and ", "also ", "it, and ", "use a b c ", "give me a ")
    ],
    *["search for x" + much(part) for part in (", and", " and then", "\n", ". Also. ")],
    *["translate x " + much(part) for part in ("in ", "to french, ", "to french and ", "'x' to ")],
    *[much(part) for part in ("translate ", "translate it and ", "summarize: ", "what is x? ")],
    *[much(part) for part in ("ask the negotiator to ", "1. search for x\n", "translate this\n")],
    "who " + much("put ") + "in French",
    "translate a: " + much("'"),
    "Summarize" + much(" ") + "x",
    "Summarize x" + much("\n") + "y",
    "Summarize: " + much("x. Also search for y. "),
    # As long as the places in which a form is tried.
    *["Summarize " + part * 60 + "zebra" for part in ("all ", "es ", "a a ", "what i sent me ")],
    "to-do " * 30 + "zebra: x",
    *["x" + part * 1_900 + "x" for part in (" ", " (", "1", "1 ", ", ")],
    *["budget" + " " * 1_900 + "x", "x " + "1" * 900 + " " * 900 + "x"],
    "again" + "." * 19_000 + "x",
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:30]))
def test_no_text_stalls_the_planner(text: str) -> None:
    planned = plan(text, SIX, BUDGET)
    assert planned.steps or planned.reply


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["do it again", "same for it", "and to French", *HOSTILE[-4:]])
def test_no_conversation_stalls_it_either(text: str) -> None:
    earlier = [Earlier(said, said, (Made(said, "translate", said),)) for said in HOSTILE[::4]]
    planned = plan(text, SIX, BUDGET, earlier=earlier)
    assert planned.steps or planned.reply
