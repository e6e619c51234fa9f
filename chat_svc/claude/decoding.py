r"""What becomes of a text when its codes are resolved: `&lt;`, `%3C`, `\u003c` and their like.

Codes may be of codes, so it is done several times. Every character keeps its place in the text
that it comes from.
"""

import html
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

MOST_ROUNDS = 5

_CODE = re.compile(
    r"(?P<html>&(?:#0{0,99}[0-9]{1,7}|#x0{0,99}[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30}(?=;)"
    r"|lt|gt|amp|nbsp|shy|laquo|raquo);?)"
    r"|(?P<url>%[0-7][0-9a-f]|%[c-f][0-9a-f](?:%[89ab][0-9a-f]){1,3})"
    r"|(?:%|\\{1,16})u(?P<high>d[89ab][0-9a-f]{2})(?:%|\\{1,16})u(?P<low>d[c-f][0-9a-f]{2})"
    r"|\\{1,16}(?-i:U)(?P<eight>[0-9a-f]{8})"
    r"|(?:%|\\{1,16})u(?P<four>[0-9a-f]{4})"
    r"|\\{1,16}(?:[ux]\{0{0,99}(?P<braced>[0-9a-f]{1,8})\}"
    r"|x(?P<two>[0-9a-f]{2})|(?P<css>0{0,4}[0-9][a-f])|(?P<octal>[0-7]{2,3})"
    r"|o\{0{0,99}(?P<octals>[0-7]{1,8})\}|(?P<blank>[nrt]))",
    re.IGNORECASE,
)
"""A code of one character, as HTML, URLs and the strings of programming languages have it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A text after some rounds.

    Attributes:
        text: what was resolved so far.
        starts: for each of its characters, where what it comes from begins in the first text.
        ends: where that ends.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def place(self, at: int) -> tuple[int, int]:
        """Where in the first text a character comes from."""
        return self.starts[at], self.ends[at]


def readings(text: str) -> Iterator[Reading]:
    """The text as it stands, and after each round that resolves something."""
    reading: Reading | None = Reading(text, range(len(text)), range(1, len(text) + 1))
    for _ in range(MOST_ROUNDS):
        if reading:
            yield reading
            reading = _resolved(reading)


def _resolved(reading: Reading) -> Reading | None:
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0

    def stays(until: int) -> None:
        parts.append(reading.text[at:until])
        starts.extend(reading.starts[at:until])
        ends.extend(reading.ends[at:until])

    for code in _CODE.finditer(reading.text):
        mark = _meant(code)
        if mark == code[0]:
            continue
        stays(code.start())
        at = code.end()
        parts.append(mark)
        starts += [reading.starts[code.start()]] * len(mark)
        ends += [reading.ends[at - 1]] * len(mark)
    if not at:
        return None
    stays(len(reading.text))
    return Reading("".join(parts), starts, ends)


def _meant(code: re.Match[str]) -> str:
    """What a code stands for; itself if there is no such character."""
    kind = code.lastgroup or ""
    if kind == "html":
        return html.unescape(code[0])
    if kind == "url":
        return unquote(code[0], errors="replace")
    if kind == "blank":
        return " "
    if kind == "low":
        pair = bytes.fromhex(code["high"] + code["low"])
        return pair.decode("utf-16-be")
    number = int(code[kind], 8 if kind.startswith("octal") else 16)
    return chr(number) if number <= sys.maxunicode else code[0]
