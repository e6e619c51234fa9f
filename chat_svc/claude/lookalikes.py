# ruff: noqa: RUF001  (looking alike is what these characters are here for)
"""Text as a reader takes it: look-alikes as the letters and brackets that they look like.

Compatibility forms (full-width, mathematical, circled) are what Unicode says they stand for, and
digits of all scripts are 0 to 9. Marks on letters and what is not drawn are left out. Letters of
other scripts, and digits in the place of letters, become the Latin ones that the tags of our fences
are spelled with; `i` and `l` are one.
"""

import re
import unicodedata

from chassis.observability.terminal import plain

MOST_KEPT = 20_000
"""Characters whose look is remembered: more than any language has, fewer than there are."""

_LETTERS = {
    "a": "аαɑ⍺ᗅᎪꓮ𐊠4@∀ⲁᗩꬰ",
    "c": "сϲςⲥᏟꓚ¢ᴄ𐐕ⅽ",
    "e": "еҽ℮εꬲ⋿Ꭼꓰⴹєɛ3ə€ⲉ",
    "f": "ꬵꞙքϝꓝғſ𐊇",
    "g": "ɡցƍᏀᏳꓖԍɢ9ⳓ",
    "k": "кκⲕᏦꓗқ",
    "l": "iі1ıιɩⲓӏⅼᎥᏞꓡꓲⳑ",
    "n": "ոռηⲛꓠпиɴ∩πⴖ",
    "o": "оοσօסഠဝჿⲟꓳⵔ〇ଠ0ه◯○∅°◌⚪⭕⭘◦⊙𐐄ⵙ",
    "p": "рρϱⲣᏢꓑ⍴þᑭ𐐙",
    "r": "гᴦⲅᎡᏒꓣʀ𐒴",
    "s": "ѕꜱƽտᏕᏚꓢ$5§𐑈𐐝",
    "t": "тτᎢꓔⲧ⟙⊤†7ʇⵜ𐊗",
    "u": "υսʋꓴ∪⋃μцⴎⵡᑌ𐓎",
    "w": "ԝѡաᎳꓪωɯⲱᗯ",
    "y": "уүγყᎩꓬʏⲩ𐊲",
    "<": "‹«〈《⟨⟪⦑⧼❮❰❬≺≪⋘ᐸ˂⪡⪻⟪◁◀◂◄⊲⏴⋖⩽⪕⋜˱⮜ᐊᑉ",
    "/": "ノ丿〳╱",
    ">": "›»〉》⟩⟫⦒⧽❯❱❭≻≫⋙ᐳ˃⪢⪼⟫▷▶▸►⊳⏵⋗⩾⪖⋝˲⮞ᐅᐉ",
}
_BY_NAME = re.compile(
    r"(?:LATIN|REGIONAL INDICATOR SYMBOL|NEGATIVE|SQUARED|CIRCLED)\b.*?\b([A-Z])(?: WITH .*)?"
)
"""Letters that Unicode does not take apart, such as small capitals and those with a stroke."""


def _kept(mark: str) -> str:
    return "" if unicodedata.category(mark) in {"Mn", "Mc", "Me"} else mark


def _same(mark: str) -> str:
    """A character by what it looks like: nothing, one or several."""
    if not plain(mark, keep="\t\n\r\x0b\x0c"):
        return ""
    if unicodedata.category(mark) == "Nd":
        return str(unicodedata.decimal(mark))
    found = "".join(map(_kept, unicodedata.normalize("NFKD", mark).casefold()))
    named = _BY_NAME.fullmatch(unicodedata.name(mark, ""))
    return named[1].lower() if named else found


_LOOKS = {
    ord(other): letter
    for letter, others in _LETTERS.items()
    for written in others
    for other in {written, written.upper(), written.casefold()}
    if len(other) == 1 and (other == written or not other.isascii())
}


class _Fold(dict[int, str]):
    """What each character looks like, found out when it is first met."""

    def __missing__(self, code: int) -> str:
        look = "".join(_LOOKS.get(ord(one), one) for one in _same(chr(code)))
        if len(self) < MOST_KEPT:
            self[code] = look
        return look


_FOLD = _Fold(_LOOKS)


def fold(text: str) -> str:
    """The text as it looks, in small letters."""
    return text.translate(_FOLD)


def folded_places(text: str) -> tuple[str, list[int]]:
    """The text as it looks, and for each of its characters where in the text it comes from."""
    looks = [_FOLD[ord(mark)] for mark in text]
    places = [at for at, look in enumerate(looks) for _ in look]
    return "".join(looks), places
