"""What the person typed, with quotations set aside so that nothing in them reads as a wish."""

import re
from bisect import bisect_right
from dataclasses import dataclass

from chat_svc.planner.forms import QUOTE, data, fold, form, has
from chat_svc.planner.languages import language_of

_CLOSERS = data("sets")["closers"]
_OPENING = re.compile("|".join(sorted(map(re.escape, _CLOSERS), key=len, reverse=True)))
_CLOSING = {opener: re.compile(closer) for opener, closer in _CLOSERS.items()}
_NOT_AFTER_A_LETTER = frozenset("'\"\u2018\u00bb`")


@dataclass(frozen=True, slots=True)
class Source:
    """A message and its masked twin.

    Attributes:
        raw: as typed.
        plain: folded, each quotation replaced by one `QUOTE`; all patterns run over this.
        quotes: the quotations without their marks, in order.
    """

    raw: str
    plain: str
    quotes: tuple[str, ...]
    _plain_ends: tuple[int, ...]
    _shifts: tuple[int, ...]

    def _raw_position(self, position: int) -> int:
        return position + self._shifts[bisect_right(self._plain_ends, position)]

    def original(self, start: int, end: int) -> str:
        """What was typed where `plain[start:end]` is."""
        return self.raw[self._raw_position(start) : self._raw_position(end)]

    def quotes_in(self, start: int, end: int) -> tuple[str, ...]:
        """The quotations within `plain[start:end]`."""
        before = self.plain.count(QUOTE, 0, start)
        return self.quotes[before : before + self.plain.count(QUOTE, start, end)]


def _quotation(text: str, opening: re.Match[str], unclosed: set[str]) -> re.Match[str] | None:
    """The mark that closes `opening`, None when it opens nothing."""
    opener, start = opening[0], opening.start()
    after_letter = start > 0 and text[start - 1].isalnum()
    if opener in unclosed or (after_letter and opener in _NOT_AFTER_A_LETTER):
        return None
    closing = _CLOSING[opener].search(text, opening.end())
    if closing is None:
        unclosed.add(opener)
    return closing


def _is_name(before: str, content: str) -> bool:
    at = max(0, len(before) - 12)
    if form("before_agent").search(before, at):
        return True
    return has("before_language", before, at) and language_of(content) is not None


def read_source(text: str) -> Source:
    """Masks the quotations of `text`; linear in its length."""
    plain: list[str] = []
    quotes: list[str] = []
    plain_ends: list[int] = []
    shifts = [0]
    unclosed: set[str] = set()
    length = done = 0
    position = 0
    while opening := _OPENING.search(text, position):
        position = opening.end()
        closing = _quotation(text, opening, unclosed)
        if closing is None:
            continue
        before = fold(text[done : opening.start()])
        content = text[opening.end() : closing.start()]
        position = closing.end()
        if _is_name(before, content):
            continue
        plain += [before, QUOTE]
        quotes.append(content)
        length += len(before) + 1
        done = closing.end()
        plain_ends.append(length)
        shifts.append(done - length)
    plain.append(fold(text[done:]))
    return Source(text, "".join(plain), tuple(quotes), tuple(plain_ends), tuple(shifts))
