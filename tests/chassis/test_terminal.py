"""What others wrote never steers a terminal: not in our tools, not in JSON on the bus."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.bus import encoded, refusal_headers
from chassis.terminal import escaped, one_line, plain, visible
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
ANY = st.text(st.one_of(st.characters(), st.sampled_from(STEERING)))


class Words(Model):
    text: str


def steers(text: str, but: str = "") -> bool:
    return any(mark in text for mark in STEERING if mark not in but)


def test_every_control_and_unseen_character_is_known() -> None:
    assert plain("".join(STEERING)) == "\t\n"
    assert plain("".join(STEERING), keep="") == ""


@given(ANY)
def test_nothing_that_steers_is_left(text: str) -> None:
    assert not steers(plain(text), "\n\t")
    assert not steers(one_line(text))
    assert not steers(visible(text))
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(
    "text", ["hello", "¿Qué pasó?", "漢字", "مرحبا", "नमस्ते", "\U0001f642 ❤️", "a\u00a0b\u3000c"]
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
