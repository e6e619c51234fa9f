"""Languages: their names and codes from the Unicode CLDR by Babel, and where a text names them."""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from babel import Locale
from babel.core import get_global

from chat_svc.planner.forms import LANGUAGES, data, fold, form, word_set

_SPOKEN = word_set("spoken") | {*LANGUAGES}
_SHORTEST_TYPO = 5
_LIKENESS = 0.8
_CODE_LENGTH = 2
_ENOUGH = 1_000

_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_CODE = re.compile(r"([a-z]{2,3})(?:[-_]([a-z]{4}))?(?:[-_]([a-z]{2}))?(?![\w-])")
_MOST_WORDS = 4


def _tag(identifier: str) -> str:
    return identifier.replace("_", "-")


@cache
def _names() -> dict[str, str]:
    names: dict[str, str] = dict(data("sets")["languages"])
    for ui_language in LANGUAGES:
        for identifier, name in Locale(ui_language).languages.items():
            shortest = 3 if ui_language == "en" else 4
            folded = fold(name)
            if len(folded) >= shortest and folded not in word_set("everyday"):
                names.setdefault(folded, _tag(identifier))
    return names


@cache
def _autonyms() -> dict[str, str]:
    return {fold(Locale(code).languages[code]): code for code in word_set("spoken")}


@cache
def _territories() -> dict[str, str]:
    english = Locale("en").territories
    return {fold(name): code for code, name in english.items() if len(code) == len("BR")}


def _code(text: str) -> str | None:
    """The language tag that `text` is ("pt-br" is "pt-BR"), None when it is none."""
    match = _CODE.fullmatch(text)
    if match is None or match[1] in word_set("everyday"):
        return None
    language = get_global("language_aliases").get(match[1], match[1])
    if language not in Locale("en").languages or len(language) != _CODE_LENGTH:
        return None
    return "-".join(filter(None, [language, (match[2] or "").title(), (match[3] or "").upper()]))


def language_of(name: str) -> str | None:
    """The tag of the language called `name`: a name in one of several languages, or a code."""
    folded = fold(name).strip()
    return named_language(folded) or _code(folded) or _autonyms().get(folded)


def named_language(folded: str) -> str | None:
    """The tag of the language whose name is the folded text, spelt right; no codes."""
    # German declines them: "ins Englische", "aus dem Franzosischen".
    german = folded.removesuffix("n").removesuffix("sche")
    return _names().get(folded if german == folded.removesuffix("n") else f"{german}sch")


@cache
def english_name(tag: str) -> str:
    """What English calls the language of a tag; the tag itself when CLDR has no name for it."""
    known = Locale("en").languages
    identifier = tag.replace("-", "_")
    return known.get(identifier) or known.get(identifier.split("_")[0]) or tag


@cache
def _spoken() -> dict[str, str]:
    """The English names that may be misspelt, each with its tag."""
    english = {fold(name): _tag(id_) for id_, name in Locale("en").languages.items()}
    return {name: tag for name, tag in english.items() if tag.partition("-")[0] in _SPOKEN}


def _misspelt(word: str) -> str | None:
    if len(word) < _SHORTEST_TYPO or word in _territories():
        return None
    spoken = _spoken()
    alike = [name for name in spoken if name[0] == word[0] and abs(len(name) - len(word)) <= 1]
    near = difflib.get_close_matches(word, alike, n=1, cutoff=_LIKENESS)
    return spoken[near[0]] if near else None


def _ends_the_phrase(text: str, end: int) -> bool:
    """Whether no further plain word follows, so that a short code or a typo can be meant."""
    return form("goes_on").match(text, end, end + 60) is None


def find_language(text: str, position: int) -> tuple[str, int] | None:
    """The language named or coded in folded `text` right at `position`, and where it ends."""
    ends = [match.end() for match in _leading_words(text, position)]
    for end in reversed(ends):
        tag = named_language(text[position:end])
        if tag is not None:
            return _with_variant(text, tag, end)
    code = _CODE.match(text, position)
    if code is not None and _ends_the_phrase(text, code.end()):
        tag = _code(code[0])
        if tag is not None:
            return tag, code.end()
    for end in reversed(ends[:2]):
        word = text[position:end]
        tag = _autonyms().get(word) or _misspelt(word)
        if tag is not None and _ends_the_phrase(text, end):
            return tag, end
    return None


def _leading_words(text: str, position: int) -> Iterator[re.Match[str]]:
    for _ in range(_MOST_WORDS):
        word = _WORD.match(text, position)
        if word is None:
            return
        yield word
        position = word.end() + 1 if text[word.end() : word.end() + 1] == " " else len(text)


def _with_variant(text: str, tag: str, end: int) -> tuple[str, int]:
    """Takes "(Brazil)" or "(traditional)" after a language's name into its tag."""
    variant = form("variant").match(text, end)
    if variant is None or "-" in tag:
        return tag, end
    name = variant[1].strip()
    known = _names().get(fold(f"{name} {english_name(tag)}"))
    if known is not None:
        return known, variant.end()
    territory = _territories().get(name)
    return (f"{tag}-{territory}", variant.end()) if territory else (tag, end)


@dataclass(frozen=True, slots=True)
class Target:
    """Languages named in one place: where in the text, and their tags in order."""

    start: int
    end: int
    tags: tuple[str, ...]


def _languages_at(text: str, position: int) -> tuple[list[str], int] | None:
    first = find_language(text, position)
    if first is None:
        return None
    tags = [first[0]]
    end = first[1]
    codes_only = end - position == _CODE_LENGTH
    while joint := form("more_targets").match(text, end):
        found = find_language(text, joint.end()) if joint.end() > end else None
        # "to French, it is ..." goes on in words: a code may only follow a code.
        if found is None or (found[1] - joint.end() == _CODE_LENGTH and not codes_only):
            break
        tags.append(found[0])
        end = found[1]
    after = form("after").match(text, end)
    return tags, after.end() if after else end


def find_targets(text: str, start: int = 0, *, romance: bool = False) -> list[Target]:
    """Every "to <languages>" in folded `text` from `start` on.

    `romance` reads "a francés" too, which in English would be an article.
    """
    found: list[Target] = []
    patterns = (form("to"), form("romance_to")) if romance else (form("to"),)
    for pattern in patterns:
        for preposition in pattern.finditer(text, start):
            named = _languages_at(text, preposition.end())
            if named:
                tags = tuple(dict.fromkeys(named[0]))
                found.append(Target(preposition.start(), named[1], tags))
    return sorted(found, key=lambda target: target.start)


def find_source(text: str) -> Target | None:
    """The first "from <language>" of folded `text`."""
    preposition = form("from").search(text)
    named = find_language(text, preposition.end()) if preposition else None
    return Target(preposition.start(), named[1], (named[0],)) if preposition and named else None


def bare_languages(text: str) -> list[Target]:
    """Languages that folded `text` only names: "German please", "a French summary of this"."""
    if find_source(text):
        return []
    text = form("not_spoken").sub(lambda said: " " * len(said[0]), text)
    named = ((word, named_language(word[0])) for word in form("long_word").finditer(text))
    found = [Target(word.start(), word.end(), (tag,)) for word, tag in named if tag]
    between = [text[one.end : after.start] for one, after in pairwise(found)]
    return found if all(form("among").fullmatch(words) for words in between) else []


def tags_of(targets: Iterable[Target]) -> tuple[str, ...]:
    """The tags of languages named in several places, each once."""
    return tuple(dict.fromkeys(tag for target in targets for tag in target.tags))


def language_in(text: str) -> str | None:
    """The first word of folded `text` that is the name of a language ("a French summary of")."""
    return next(filter(None, map(named_language, form("long_word").findall(text))), None)


@cache
def _small(language: str) -> frozenset[str]:
    return frozenset(data(language)["small"].split())


def written_in(text: str) -> str | None:
    """The language whose small words a text is full of; None when that is not clear."""
    words = fold(text[:_ENOUGH]).split()
    counts = {one: sum(word in _small(one) for word in words) for one in LANGUAGES}
    *_, second, first = sorted(LANGUAGES, key=counts.__getitem__)
    return first if counts[first] > 2 * counts[second] else None
