"""What others wrote never steers a terminal: not in our tools, not in JSON on the bus."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.bus.calls import encoded, refusal_headers
from chassis.observability.terminal import (
    SHAPING,
    escaped,
    is_name,
    one_line,
    plain,
    quoted,
    visible,
)
from contracts.base import Model
from contracts.errors import Invalid

DRAWN = set("\u06dd\u070f\u08e2") | set(map(chr, [*range(0x600, 0x606), 0x890, 0x891]))
DRAWN |= set(map(chr, [0x110BD, 0x110CD, *range(0x13430, 0x13440)]))
"""Signs of some scripts that have the category of invisible ones, and are drawn."""
STEERING = [
    mark
    for mark in map(chr, range(0x110000))
    if unicodedata.category(mark) in {"Cc", "Cf", "Zl", "Zp", "Cs"} and mark not in DRAWN
]
IGNORABLE = [
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810)),
    *(*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164),
    *(*range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFF9)),
    *(*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)),
]
"""What Unicode calls Default_Ignorable_Code_Point; some are letters, and printable to Python."""
STEERING += [mark for mark in map(chr, IGNORABLE) if mark not in {*STEERING, *SHAPING}]
ANY = st.text(st.one_of(st.characters(), st.sampled_from(STEERING)))


class Words(Model):
    text: str


def steers(text: str, but: str = "") -> bool:
    return any(mark in text for mark in STEERING if mark not in but)


def test_every_control_and_unseen_character_is_known() -> None:
    assert plain("".join(STEERING)) == "\t\n"
    unseen = [*STEERING, *map(chr, IGNORABLE), *SHAPING]
    assert plain("".join(unseen), keep="") == ""
    for mark in unseen:
        assert plain(f"a{mark}b", keep="") == "ab", ascii(mark)
        assert not is_name(mark), ascii(mark)
        assert not is_name(f"a{mark}b"), ascii(mark)


@pytest.mark.parametrize("text", ["a", "Haiku Agent", "7", "詩", "नमस्ते", "🙂", "C++", "a-b"])
def test_a_name_is_what_is_seen(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize("text", ["", " ", "\u3000", "...", "\u0301", "❤\ufe0f"])
def test_a_name_has_a_letter_a_digit_or_a_symbol_and_nothing_unseen(text: str) -> None:
    assert not is_name(text)


@given(ANY)
def test_a_quoted_text_is_one_value(text: str) -> None:
    said = quoted(text, "_.")
    assert not steers(said)
    if said.startswith('"'):
        assert json.loads(said) == one_line(text)
    else:
        assert said == one_line(text)
        assert not set(said) & set(" =,:\"'")


@given(ANY)
def test_nothing_that_steers_is_left(text: str) -> None:
    assert not steers(plain(text), "\n\t")
    assert not steers(one_line(text))
    assert not steers(visible(text))
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "¿Qué pasó?",
        "漢字",
        "مرحبا",
        "नमस्ते",
        "\U0001f642 ❤️",
        "a\u00a0b\u3000c",
        "葛\U000e0100",
        "⠓\u2800⠊",
    ],
)
def test_what_is_drawn_stays(text: str) -> None:
    assert plain(text) == visible(text) == escaped(text) == text


@given(ANY.filter(lambda text: not any("\ud800" <= mark <= "\udfff" for mark in text)))
def test_json_means_the_same_and_steers_nothing(text: str) -> None:
    written = json.dumps({text: [text]}, ensure_ascii=False)
    assert not steers(escaped(written))
    assert json.loads(escaped(written)) == {text: [text]}
    body = encoded(Words(text=text)).decode()
    assert not steers(body)
    assert Words.model_validate_json(body).text == text


@given(ANY)
def test_a_refusal_travels_as_one_line(text: str) -> None:
    assert not any(steers(value) for value in refusal_headers(Invalid(text)).values())
