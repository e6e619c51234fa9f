"""Signs that words were not understood which something is to be bought for.

What was understood of a limit or a refusal is cut out of a message before its wishes are read. What
is still there next to a kind of work or a sum was not understood, and then it is better to ask.
"""

import re

from chat_svc.planner.folding import fold
from chat_svc.planner.forms import form, spelled
from chat_svc.planner.hearing import Heard
from chat_svc.planner.vocabulary import KINDS

_INSTRUCTION = 160


def _instruction(heard: Heard) -> str:
    """The folded words that ask, as far as form tells them apart."""
    if heard.zones is not None:
        return fold(heard.zones.instruction)
    return re.split("[:\n]", heard.source.plain[:_INSTRUCTION], maxsplit=1)[0]


def refused(heard: Heard, kind: str) -> bool:
    """Whether a refusal that nobody understood stands next to a kind of work."""
    if kind not in KINDS:
        return False
    words = form("harmless").sub(" ", _instruction(heard))
    return any(spelled(kind).search(one["what"]) for one in form("negation").finditer(words))


def sum_left(heard: Heard, texts: list[str]) -> str | None:
    """A sum of money in words that are no part of the texts to work on."""
    if heard.terms.cap is not None:
        return None
    plain = heard.source.plain if heard.zones is None else fold(heard.zones.instruction)
    for text in texts:
        plain = plain.replace(fold(text), " ")
    found = form("sum").search(plain[: 4 * _INSTRUCTION])
    return found[0] if found else None
