"""The built-in dictionary: its data, its matching, its guesses of a language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.engines.lexicon import Lexicon
from agents.settings import DATA

LEXICON = Lexicon(DATA / "lexicon.tsv")
ROWS = [line.split("\t") for line in (DATA / "lexicon.tsv").read_text("utf-8").splitlines()]


def test_the_data() -> None:
    assert ROWS[0] == ["en", "es", "fr", "de", "it", "pt"]
    assert len(ROWS) > 400
    assert {len(row) for row in ROWS} == {6}
    forms = [form for row in ROWS for cell in row for form in cell.split("|")]
    assert all(form and form == form.strip() for form in forms)
    english = [form for row in ROWS[1:] for form in row[0].split("|")]
    assert len({form.casefold() for form in english}) == len(english)
    assert max(len(form.split()) for form in english) >= 3


@pytest.mark.parametrize(
    ("text", "source", "target", "expected"),
    [
        ("hello", "en", "es", "hola"),
        ("Hello!", "en", "fr", "Bonjour!"),
        ("good morning", "en", "fr", "bonjour"),
        ("Good morning, my friend.", "en", "de", "Guten Morgen, mein Freund."),
        ("THANK YOU", "en", "it", "GRAZIE"),
        ("thank you very much", "en", "pt", "muito obrigado"),
        ("good, morning", "en", "fr", "bon, matin"),
        ("The cat drinks", "en", "de", "Der Katze drinks"),
        ("water and bread", "en", "es", "agua y pan"),
        ("On Monday I read", "en", "es", "En lunes yo leer"),
        ("'hello' (yes)", "en", "es", "'hola' (sí)"),
        ("I don\u2019t know", "en", "fr", "Je ne sais pas"),
        ("don't", "en", "de", "nicht"),
        ("hola", "es", "en", "hello"),
        ("la casa roja", "es", "en", "the house red"),
        ("buenos días", "es", "fr", "bonjour"),
        ("l'eau est froide", "fr", "en", "the water is cold"),
        ("Das Haus ist groß. Das Buch.", "de", "en", "The house is big. The book."),
        ("cafe\u0301", "es", "en", "coffee"),
        ("12 % — 3.5!", "en", "es", "12 % — 3.5!"),
        ("", "en", "es", ""),
    ],
)
def test_translation(text: str, source: str, target: str, expected: str) -> None:
    assert LEXICON.translate(text, source, target).text == expected


def test_unknown_words_stay_and_are_named_once() -> None:
    translation = LEXICON.translate("Zork's cat sees zork, Zork's zork", "en", "es")
    assert translation.text == "Zork's gato sees zork, Zork's zork"
    assert translation.unknown == ("Zork's", "sees", "zork")


known = st.sampled_from([row[0] for row in ROWS[1:] if row[0].isalpha() and row[0].islower()])
unknown = st.text(alphabet="xqz", min_size=4, max_size=8)
gaps = st.sampled_from([", ", ". ", " — ", "; ", "\n", " (", ") ", "… "])


@given(parts=st.lists(st.tuples(st.one_of(known, unknown), gaps), min_size=1, max_size=15))
def test_the_skeleton_of_a_text_survives(parts: list[tuple[str, str]]) -> None:
    text = "".join(word + gap for word, gap in parts)
    translation = LEXICON.translate(text, "en", "de")
    strange = [word for word, _ in parts if set(word) <= set("xqz")]
    assert translation.unknown == tuple(dict.fromkeys(strange))
    rest = translation.text
    for word, gap in parts:
        written, found, rest = rest.partition(gap)
        assert found == gap
        assert written == word if word in strange else written.strip()


@pytest.mark.parametrize(
    ("text", "unlike", "expected"),
    [
        ("How are you today?", "es", "en"),
        ("Der Hund schläft im Garten", "en", "de"),
        ("Je ne sais pas où il est", "en", "fr"),
        ("¿Dónde está la biblioteca?", "en", "es"),
        ("Il gatto mangia il pesce", "en", "it"),
        ("O gato come pão com manteiga", "en", "pt"),
        ("hotel", "es", "en"),
        ("hotel", "en", "es"),
        ("xyzzy", "es", None),
        ("", "es", None),
    ],
)
def test_detection(text: str, unlike: str, expected: str | None) -> None:
    assert LEXICON.detect(text, unlike=unlike) == expected
