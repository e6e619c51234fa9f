"""The words by which the agents for a text are looked for."""

from chat_svc.planner.families import FAMILIES, QUALITIES
from chat_svc.planner.folding import fold
from chat_svc.planner.match import words_of
from chat_svc.planner.verbs import VERBS

_LOOKED_AT = 4_000
"""Characters of a text, from its beginning; wishes come before what they are about."""


def terms(text: str) -> list[str]:
    """Skill words of the kinds of work that a text asks for, then its own, each once.

    A kind of work is asked for in many languages, and listed in the words of one.
    """
    plain = fold(text[:_LOOKED_AT])
    words = words_of(plain)
    asked = {verb.family for verb in VERBS if verb.pattern.search(plain)}
    kinds = [word for kind in FAMILIES if kind in asked for word in kind.phrases]
    return list(dict.fromkeys([*kinds, *(one for one in words if one in QUALITIES), *words]))
