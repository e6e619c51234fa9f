"""Keeps text that is not ours apart from what is: inside a fence that it cannot close or forge."""

import re
from collections.abc import Iterator

from chat_svc.claude.decoding import Reading, readings
from chat_svc.claude.lookalikes import fold, folded_places

AGENT_OUTPUT = "agent_output"
"""The tag around everything that came of a tool; agents have written much of it."""

EARLIER_ANSWER = "earlier_answer"
"""The tag around an answer of an earlier turn, which quotes what agents wrote."""

TASK_FACTS = "task_facts"
"""The tag around what AgentBazaar itself says of the task."""

TAGS = (AGENT_OUTPUT, EARLIER_ANSWER, TASK_FACTS)
MASK = "x"
"""In the place of a name's first letter; it is in no tag, and no sign that one may be parted by."""


def _spelled(tag: str) -> str:
    """A pattern of the tag in folded text, with signs or blanks within.

    Letters and what may part them have nothing in common, so that no text costs more than its
    length.
    """
    first, second = (r"(?:[^\w<>]|_){0,4}".join(fold(word)) for word in tag.split("_"))
    return rf"{first}(?:[^\w<>]|_)*{second}"


_NAMES = re.compile("|".join(map(_spelled, TAGS)))
_ONE_WORD = re.compile(r"[^\s_]*_\S*")
"""A name as the tag has it: nobody's prose has words parted by an underscore."""
_PUNCTUATED = re.compile(r"[.,:;'\"]")
"""In a name it is no name, but two words of a sentence or of JSON."""
_BRACKET = r"[^\w\s.,;:!?'\"*#=+@%$&~`^()>/\-\u2010-\u2015\u2018-\u201f\u2026\u3001\u3002]"
"""What could open a tag: any sign that does not stand before words in prose."""
_OPENS = re.compile(r"<[^\w<]{0,8}\Z")
_TOUCHES = re.compile(rf"{_BRACKET}[^\w\s]{{0,8}}\Z")
_BEGINS = re.compile(r"[^\w\s]\s{0,4}\Z")
_CLOSES = re.compile(r"[\s/]{0,8}>")
_FAR_BEFORE = re.compile(rf"{_BRACKET}[^\w]{{0,8}}\Z")
_FAR_AFTER = re.compile(rf"[^\w]{{0,8}}{_BRACKET}")
_NEAR = 24
"""Folded characters before and after a name that may belong to its brackets."""


def disarm(text: str) -> str:
    """The text with nothing in it that could be taken for one of the tags.

    It is looked for in the text as it stands, and in what becomes of it when its codes are
    resolved. Of a name that is spelled as a tag's, or stands between signs that could be a tag's
    brackets, the first letter becomes an `x`, and `<` before it `&lt;`. All other text stays as it
    is.
    """
    changes: dict[tuple[int, int], str] = {}
    for reading in readings(text):
        if _NAMES.search(fold(reading.text)):
            changes.update(_changes(reading))
    parts, at = [], 0
    for (start, end), instead in sorted(changes.items()):
        if start >= at:
            parts += [text[at:start], instead]
            at = end
    return "".join([*parts, text[at:]])


def _changes(reading: Reading) -> Iterator[tuple[tuple[int, int], str]]:
    """What to put in which places of the text, of which this is a reading."""
    folded, places = folded_places(reading.text)
    for name in _NAMES.finditer(folded):
        start, end = name.span()
        before, after = folded[max(0, start - _NEAR) : start], folded[end : end + _NEAR]
        opening = _OPENS.search(before)
        if opening:
            yield reading.place(places[start - len(before) + opening.start()]), "&lt;"
        if opening or _is_set_apart(before, name[0], after):
            yield reading.place(places[start]), MASK


def _is_set_apart(before: str, name: str, after: str) -> bool:
    if _ONE_WORD.fullmatch(name) or (_BEGINS.search(before) and _CLOSES.match(after)):
        return True
    if _PUNCTUATED.search(name):
        return False
    far = _FAR_BEFORE.search(before) and _FAR_AFTER.match(after)
    return bool(far or _TOUCHES.search(before))


def fenced(tag: str, text: str) -> str:
    """The text, disarmed, between the tags."""
    return f"<{tag}>\n{disarm(text)}\n</{tag}>"
