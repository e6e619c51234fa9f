"""Gives a result the form that was asked for, as far as it has enough to give."""

import re

from chat_svc.rules.memory import Form

_SENTENCE = re.compile(r"(?<=[.!?…])\s+(?=[^\W\d_a-zß-ÿ]|[\"'“„«¿¡\[])")
_LISTED = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s", re.MULTILINE)


def shaped(text: str, form: Form) -> str:
    """The text in at most so many sentences, or as points; what cannot be honoured is said."""
    if form.points is None:
        return " ".join(_sentences(text)[: form.sentences])
    if _LISTED.search(text):
        return text
    points = _sentences(text)[: form.points or None]
    shown = "\n".join(f"- {point}" for point in points)
    if form.points and len(points) < form.points:
        return f"{shown}\n\n(The summary has no more than {len(points)} to give.)"
    return shown


def _sentences(text: str) -> list[str]:
    return [one.strip() for one in _SENTENCE.split(text.strip()) if one.strip()]
