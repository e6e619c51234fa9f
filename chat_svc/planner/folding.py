"""Lower case without accents, character for character, so that positions stay what they were."""

import unicodedata

QUOTE = "\0"
"""Stands for a whole quotation in folded text."""


_PLAIN_MARKS = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u2039\u203a"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u00ab\u00bb"), '"'),
    **dict.fromkeys(map(ord, "\u2013\u2014"), "-"),
}


class _Folds(dict[int, str]):
    """Lower case, no accents, straight quotes and dashes; for `str.translate`."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char == QUOTE or (char.isspace() and char != "\n"):
            folded = " "
        else:
            parts = unicodedata.normalize("NFD", char)
            accented = len(parts) > 1 and all(map(unicodedata.combining, parts[1:]))
            folded = (parts[0] if accented else char).lower()
            folded = folded if len(folded) == 1 else char
        self[code] = folded
        return folded


_FOLDS = _Folds(_PLAIN_MARKS)


def fold(text: str) -> str:
    """`text` in lower case without accents, of the same length."""
    return text.translate(_FOLDS)
