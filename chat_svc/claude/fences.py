"""Keeps text that is not ours apart from what is: inside a fence that it cannot close or forge."""

import re

from chat_svc.claude.lookalikes import fold, folded_places

AGENT_OUTPUT = "agent_output"
"""The tag around everything that came of a tool; agents have written much of it."""

EARLIER_ANSWER = "earlier_answer"
"""The tag around an answer of an earlier turn, which quotes what agents wrote."""

TASK_FACTS = "task_facts"
"""The tag around what AgentBazaar itself says of the task."""

TAGS = (AGENT_OUTPUT, EARLIER_ANSWER, TASK_FACTS)


def _spelled(tag: str) -> str:
    """A pattern of the tag in folded text, with signs or blanks within.

    The repetition is bounded, since no text must cost more than its length.
    """
    first, second = (r"(?:[^\w<>]|_){0,2}".join(fold(word)) for word in tag.split("_"))
    return rf"{first}(?:[^\w<>]|_){{0,4}}{second}"


def _in_code(number: str, name: str) -> str:
    """A pattern of a bracket that is written as HTML, a string or a URL have it, when folded."""
    hexed = fold(f"{int(number):x}")
    html = rf"&(?:{fold(name)}|#{fold('0')}{{0,5}}{fold(number)}|#x{fold('0')}{{0,5}}{hexed});?"
    return rf"(?:{html}|\\(?:u{fold('00')}|x){hexed}|%{hexed})"


_NAMES = re.compile("|".join(map(_spelled, TAGS)))
_OPENS = re.compile(r"<[^\w<]{0,8}\Z")
_OPENS_IN_CODE = re.compile(rf"{_in_code('60', 'lt')}[^\w<]{{0,8}}\Z")
_BEGINS = re.compile(r"[^\w\s]\s{0,4}\Z")
_CLOSES = re.compile(rf"[\s/]{{0,8}}(?:>|{_in_code('62', 'gt')})")
_NEAR = 24
"""Folded characters before and after a name that may belong to its brackets."""


def disarm(text: str) -> str:
    """The text with nothing in it that could be taken for one of the tags.

    Of a tag, or what looks like one, the opening bracket becomes `&lt;`; where that is in code
    already, or is no bracket that we know, the name's first letter becomes a number. All other
    text stays as it is.
    """
    if not _NAMES.search(fold(text)):
        return text
    folded, places = folded_places(text)
    changes: dict[int, str] = {}
    for name in _NAMES.finditer(folded):
        start, end = name.span()
        before, after = folded[max(0, start - _NEAR) : start], folded[end : end + _NEAR]
        if opening := _OPENS.search(before):
            changes[places[start - len(before) + opening.start()]] = "&lt;"
        elif _OPENS_IN_CODE.search(before) or (_BEGINS.search(before) and _CLOSES.match(after)):
            changes[places[start]] = f"&#{ord(text[places[start]])};"
    return "".join(changes.get(at, mark) for at, mark in enumerate(text))


def fenced(tag: str, text: str) -> str:
    """The text, disarmed, between the tags."""
    return f"<{tag}>\n{disarm(text)}\n</{tag}>"
