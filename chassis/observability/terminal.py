"""Text from elsewhere on its way to a terminal: nothing in it steers, hides or reorders.

What people, agents and other services wrote may hold control characters, marks that turn the
direction of writing around, and characters that nobody sees.
"""

import re
from json import dumps
from unicodedata import category

SHAPING = "".join(map(chr, [0x2800, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
"""The blank of Braille, and selectors of a character's form: of use in texts, not in names."""
_STEERING = (
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: what a terminal obeys.
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # Of no width, of direction, ends of lines.
    "\ud800-\udfff"  # Halves of characters.
    "\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a"  # Shorthand and music.
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"  # Tags.
)
_UNSEEN = re.compile(f"[{_STEERING}{SHAPING}]")
"""Control characters and those that are not drawn. Some of them Python calls printable."""
_UNSEEN_IN_TEXTS = re.compile(f"[{_STEERING}]")


def plain(text: str, keep: str = f"\n\t{SHAPING}") -> str:
    """The text without what steers or hides; of such characters, those in `keep` stay."""
    if _is_plain_ascii(text):
        return text
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else "", text)


def is_name(text: str) -> bool:
    """Whether everything in the text is seen, and a letter, digit or symbol is in it."""
    return plain(text, keep="") == text and any(category(mark)[0] in "LNS" for mark in text)


def one_line(text: str) -> str:
    """The text as one line of a terminal; blanks and ends of lines become single spaces."""
    return plain(" ".join(text.split()), keep=SHAPING)


def quoted(text: str, signs: str) -> str:
    """The text as one line that looks like nothing but one value among others.

    Args:
        text: anybody's.
        signs: what it may have besides letters and digits; with anything else, or empty, it is
            put in the quotes of JSON.
    """
    line = one_line(text)
    as_it_is = line and all(mark.isalnum() or mark in signs for mark in line)
    return line if as_it_is else dumps(line, ensure_ascii=False)


def visible(text: str) -> str:
    r"""The text as one line with what steers or hides spelled out, such as `\x1b`."""
    if _is_plain_ascii(text):
        return text
    return _UNSEEN_IN_TEXTS.sub(lambda found: ascii(found[0])[1:-1], text)


def escaped(json: str) -> str:
    r"""JSON that means the same, with what steers or hides written as `\uXXXX`.

    Args:
        json: as this process wrote it, without line breaks outside of its strings.
    """
    if _is_plain_ascii(json):
        return json
    return _UNSEEN_IN_TEXTS.sub(_as_json, json)


def escaped_bytes(json: bytes) -> bytes:
    """`escaped` for JSON in UTF-8; what is plain ASCII is looked at once."""
    if json.isascii() and b"\x7f" not in json:
        return json
    return escaped(json.decode()).encode()


def _is_plain_ascii(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _as_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
