"""Names and codes of languages."""

import langcodes
from langcodes.tag_parser import LanguageTagError

from agents.errors import UnsupportedError


def base_language(tag: str) -> str:
    """The language of a tag, without region: "fr" for "fr-FR", "en" for "eng"."""
    return langcodes.Language.get(tag).language or tag


def parse_language(text: str) -> str:
    """The tag of a language given as a tag ("fr", "fr-FR", "fra") or by its name in any language.

    Raises UnsupportedError (422) when there is no such language.
    """
    wanted = text.strip()
    unknown = UnsupportedError(f"Unknown language {wanted!r}: give a name or an ISO code.")
    if not wanted.isprintable():
        raise unknown
    try:
        found = langcodes.Language.get(wanted)
    except LanguageTagError:
        found = langcodes.Language.make()
    if found.language and found.is_valid():
        return found.to_tag()
    try:
        return langcodes.find(wanted).to_tag()
    except LookupError as error:
        raise unknown from error
