"""The most telling sentences of a text, in any language that ends its sentences with a mark."""

import math
import re
import unicodedata
from collections import Counter
from functools import cache

from stop_words import get_stop_words

# Scripts written without spaces (Chinese, Japanese) count one word per character.
_SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_SPACELESS}][^\w\s]*|[^\s{_SPACELESS}]+")
_CONTENT = re.compile(rf"[{_SPACELESS}]|[^\W{_SPACELESS}]{{3,}}")
# A sentence ends at a mark (with closing quotes and brackets) before a space, at a full-width
# mark anywhere, and at an empty line.
_END = re.compile(
    r"(?<![.!?…؟।])[.!?…؟।]++[\"'”\u2019»)\]]*+(?=\s)"
    r"|[。\uff01\uff1f]+[”\u2019」』\uff09]*"
    r"|\n\s*\n"
)
_ABBREVIATIONS = {
    *("mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "no", "nr", "inc", "ltd", "co"),
    *("e.g", "i.e", "etc", "approx", "fig", "vol", "z.b", "d.h", "bzw", "sra", "sig", "m", "mme"),
}
_STOP_WORD_LANGUAGES = ("en", "es", "fr", "de", "it", "pt", "nl", "sv", "pl", "ru")
_LOOK_BACK = 60
"""Characters that decide whether a mark ends a sentence."""
_TELLING_SHARE = 0.5
"""Room that is left is not filled with sentences that score below this share of the best."""
_MARKS = tuple(".!?…؟।。\uff01\uff1f\"'”\u2019»)」』")
_HEADING_WEIGHT = 0.3
"""For what closes without a mark: titles, list items."""
_LEAD_WEIGHT = 1.3
"""The first sentence usually says what a text is about."""


def count_words(text: str) -> int:
    """Words as `max_words` counts them: runs between spaces, or single Chinese characters."""
    return sum(1 for _ in _WORD.finditer(text))


def split_sentences(text: str) -> list[str]:
    """The sentences of a text in order, each on one line."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        if _goes_on(text, start, end):
            continue
        found.append(text[start : end.end()])
        start = end.end()
    found.append(text[start:])
    return [" ".join(part.split()) for part in found if part.strip()]


def _goes_on(text: str, start: int, end: re.Match[str]) -> bool:
    """Whether the mark is no sentence end: an abbreviation, a list number, a lower-case rest."""
    if end.group().isspace():
        return False
    before = text[max(start, end.start() - _LOOK_BACK) : end.start()].split()
    rest = text[end.end() : end.end() + 20].lstrip()
    if not any(character.isalpha() for character in "".join(before)):
        return True
    if not end.group().startswith("."):
        return False
    last = before[-1].strip("(\"'“\u2018«").casefold()
    initial = len(last) == 1 and last.isalpha() and before[-1].isupper()
    return initial or last in _ABBREVIATIONS or rest[:1].islower()


def summarize(text: str, max_words: int) -> str:
    """The most telling sentences of `text` in their order, in at most `max_words` words.

    A text of several sentences always gets shorter: at most about half of its words are kept.
    A text of one sentence stays whole if it fits; what does not fit is cut and ends in "…".
    """
    sentences = split_sentences(text)
    if len(sentences) == 1:
        return _cut(sentences[0], max_words)

    lengths = [count_words(sentence) for sentence in sentences]
    scores = _scores(sentences)
    by_score = sorted(range(len(sentences)), key=lambda index: -scores[index])
    fitting = [index for index in by_score if lengths[index] <= max_words]
    if not fitting:
        return _cut(sentences[by_score[0]], max_words)

    best = fitting[0]
    room = min(max_words, max(sum(lengths) // 2, lengths[best]))
    chosen: dict[str, int] = {}
    for index in fitting:
        telling = scores[index] >= scores[best] * _TELLING_SHARE
        if telling and lengths[index] <= room and sentences[index] not in chosen:
            chosen[sentences[index]] = index
            room -= lengths[index]
    return " ".join(sorted(chosen, key=lambda sentence: chosen[sentence]))


def _scores(sentences: list[str]) -> list[float]:
    """How telling each sentence is: how often its words come up in the whole text."""
    words = [_content_words(sentence) for sentence in sentences]
    counts = Counter(word for found in words for word in found)
    ended = [sentence.endswith(_MARKS) for sentence in sentences]
    scores = [
        sum(math.log1p(counts[word]) for word in set(found)) / math.sqrt(len(found) or 1)
        for found in words
    ]
    for index, is_ended in enumerate(ended):
        scores[index] *= 1 if is_ended else _HEADING_WEIGHT
    scores[ended.index(True) if any(ended) else 0] *= _LEAD_WEIGHT
    return scores


def _content_words(sentence: str) -> list[str]:
    skipped = stop_words(_STOP_WORD_LANGUAGES)
    words = _CONTENT.findall(unicodedata.normalize("NFC", sentence).casefold())
    return [word for word in words if word not in skipped]


@cache
def stop_words(languages: tuple[str, ...]) -> frozenset[str]:
    """Words such as "the" or "und" that carry no topic, of the languages with these codes."""
    return frozenset(word for language in languages for word in get_stop_words(language))


def _cut(sentence: str, max_words: int) -> str:
    ends = [word.end() for word in _WORD.finditer(sentence)]
    return sentence if len(ends) <= max_words else sentence[: ends[max_words - 1]] + "…"
