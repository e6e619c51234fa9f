"""Text from elsewhere on its way to a terminal: nothing in it steers, hides or reorders.

What people, agents and other services wrote may hold control characters, marks that turn the
direction of writing around, and characters that nobody sees.
"""

import re

_UNSEEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: what a terminal obeys.
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # Of no width, of direction, ends of lines.
    "\ud800-\udfff"  # Halves of characters.
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # Shorthand, music, tags.
    "]"
)
"""Control characters and those that are not drawn; selectors of a drawn character's form stay."""


def plain(text: str, keep: str = "\n\t") -> str:
    """The text without what steers or hides; of such characters, those in `keep` stay."""
    if text.isprintable():
        return text
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else "", text)


def one_line(text: str) -> str:
    """The text as one line of a terminal; blanks and ends of lines become single spaces."""
    return plain(" ".join(text.split()), keep="")


def visible(text: str) -> str:
    r"""The text as one line with what steers or hides spelled out, such as `\x1b`."""
    if text.isprintable():
        return text
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def escaped(json: str) -> str:
    r"""JSON that means the same, with what steers or hides written as `\uXXXX`.

    Args:
        json: as this process wrote it, without line breaks outside of its strings.
    """
    if json.isprintable():
        return json
    return _UNSEEN.sub(_as_json, json)


def escaped_bytes(json: bytes) -> bytes:
    """`escaped` for JSON in UTF-8; what is plain ASCII is looked at once."""
    if json.isascii() and b"\x7f" not in json:
        return json
    return escaped(json.decode()).encode()


def _as_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
