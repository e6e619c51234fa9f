"""Puts right what is misspelt of the few words that everything depends on."""

import difflib

from chat_svc.planner.forms import form
from chat_svc.planner.vocabulary import unclaimed

_VERBS = (
    *("summarize", "summarise", "summary", "translate", "translation", "search", "research"),
    *("balance", "refund", "receipt", "wallet", "invoice", "spending"),
    *("analyze", "analyse", "shorten", "condense", "please", "following", "article", "sentence"),
)
_NEAR = 150
_END = 60
_MOST_MISSING = 2
_LIKENESS = 0.83


def respell(text: str, folded: str) -> str:
    """The text with its misspelt commands spelt right.

    They are looked for at its beginning, up to a quotation or a colon, and in its last line.
    """
    text, folded = form("you").sub("you", text), form("you").sub("you", folded)
    stop = form("respelling_stop").search(text, 0, _NEAR)
    places = [(0, stop.start() if stop else min(len(text), _NEAR))]
    line = text.rfind("\n") + 1
    if (
        line >= places[0][1]
        and len(text) - line <= _END
        and not form("respelling_stop").search(text, line)
    ):
        places.append((line, len(text)))
    for start, end in reversed(places):
        for word in reversed(list(form("respelling_word").finditer(folded, start, end))):
            meant = _meant(word[0])
            if meant is not None:
                text = text[: word.start()] + meant + text[word.end() :]
    return text


def _meant(word: str) -> str | None:
    alike = [
        verb
        for verb in _VERBS
        if verb[0] == word[0]
        and abs(len(verb) - len(word)) <= _MOST_MISSING
        and not word.startswith(verb)
    ]
    if not alike or not unclaimed(word, most=1):
        return None
    near = difflib.get_close_matches(word, alike, 1, _LIKENESS)
    return near[0] if near else None
