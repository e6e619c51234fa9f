"""How a wish is named to the person who had it."""

from chat_svc.planner.folding import fold
from chat_svc.planner.forms import form
from chat_svc.planner.wish import Wish

LONGEST_QUOTE = 60
"""Characters of a wish that are repeated to the person."""


def short(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text[: 4 * LONGEST_QUOTE].split())
    return line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1].rstrip() + "…"


def doing(wish: Wish) -> str:
    """What a wish is about, to go after "I cannot"."""
    if wish.family is None or wish.weak:
        return f"help with “{short(wish.request)}”" if wish.request else "help with that"
    return wish.family.name


def is_wish(wish: Wish) -> bool:
    """Whether somebody is asked to do something, be it that nobody here can."""
    said = fold(wish.request[:LONGEST_QUOTE])
    return bool(
        wish.family
        or wish.mention
        or form("lexicon_asks").match(said)
        or form("imperative").search(said)
    )
