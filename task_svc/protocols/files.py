"""Files in results: told by reference, and never fetched."""

import base64

MAX_URI_CHARS = 2_048
MAX_INLINE_BYTES = 32_768
"""A file that an agent sends along is passed on as a data URI up to this size."""


def linked(uri: str, name: str = "", media_type: str = "", size: int | None = None) -> str:
    """A line for a file that is somewhere else, by its address alone."""
    if len(uri) > MAX_URI_CHARS:
        return _line(name, media_type, size, "left out: its address is too long")
    return _line(name, media_type, size, " ".join(uri.split()))


def inline(data: bytes, name: str = "", media_type: str = "") -> str:
    """A line for a file that was sent along; a large one is named, and left out."""
    if len(data) > MAX_INLINE_BYTES:
        return _line(name, media_type, len(data), "left out: too large to be sent along")
    kind = media_type or "application/octet-stream"
    return _line(
        name, media_type, len(data), f"data:{kind};base64,{base64.b64encode(data).decode()}"
    )


def inline_base64(data: str, name: str = "", media_type: str = "") -> str:
    """The same for what was sent as text."""
    try:
        return inline(base64.b64decode(data, validate=True), name, media_type)
    except ValueError:
        return _line(name, media_type, None, "left out: it cannot be read")


def _line(name: str, media_type: str, size: int | None, where: str) -> str:
    about = [part for part in (media_type[:100], size and f"{size} bytes") if part]
    named = " ".join((name or "file").split())[:200]
    return f"{named} ({', '.join(about)}): {where}" if about else f"{named}: {where}"
