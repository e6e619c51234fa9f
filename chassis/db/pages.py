"""Cursors of paged lists: where the next page begins, in a form that callers take as it is."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Select, func, select

from contracts.base import Model, Page
from contracts.errors import Invalid

SEPARATOR = "\n"
SEQUENCE_DIGITS = 18
MOST_PAGE_BYTES = 1024 * 1024
"""A page ends before it gets heavier; a message may be several times as heavy."""
ViewT = TypeVar("ViewT", bound=Model)


def encode_cursor(*parts: str) -> str:
    """An opaque, URL-safe cursor that holds `parts`, such as a time and an id.

    Raises:
        ValueError: a part has a line break or a NUL, which no sort key of ours has.
    """
    if any(SEPARATOR in part or "\x00" in part for part in parts):
        raise ValueError("a cursor's part must not contain a line break or a NUL")
    return base64.urlsafe_b64encode(SEPARATOR.join(parts).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, parts: int) -> tuple[str, ...]:
    """The `parts` that `encode_cursor` was given.

    What they mean is for the caller to check: a forged cursor can hold any text but NUL.

    Raises:
        Invalid: the text is not a cursor with that many parts.
    """
    padding = "=" * (-len(cursor) % 4)
    try:
        text = base64.b64decode(cursor + padding, altchars=b"-_", validate=True).decode()
        found = tuple(text.split(SEPARATOR))
        ours = len(found) == parts and encode_cursor(*found) == cursor
    except ValueError:
        ours = False
    if not ours:
        raise Invalid("The cursor is not one of ours.")
    return found


def place_in_time(page: Page) -> tuple[datetime, str] | None:
    """The (time, id) that a page of a list ordered by both begins after; None for the first page.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    if page.cursor is None:
        return None
    moment, id_ = decode_cursor(page.cursor, 2)
    try:
        parsed = datetime.fromisoformat(moment)
        in_utc = parsed.astimezone(UTC) if parsed.tzinfo else None
    except (ValueError, OverflowError):
        in_utc = None
    if in_utc is None:
        raise Invalid("The cursor is not one of ours.")
    return in_utc, id_


def next_in_time(rows: Sequence[Any], limit: int) -> str | None:
    """The cursor behind the last of `limit` rows, when the query found one more than that.

    Args:
        rows: newest first, each with `created_at` and `id`.
        limit: how many of them are shown.
    """
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return encode_cursor(last.created_at.isoformat(), last.id)


def next_in_sequence(rows: Sequence[Any], limit: int, name: str = "seq") -> str | None:
    """`next_in_time` for rows in the order of a number, which has this name."""
    return encode_cursor(str(getattr(rows[limit - 1], name))) if len(rows) > limit else None


def place_in_sequence(page: Page) -> int | None:
    """The number that a page of a list ordered by one begins after; None for the first page.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    if page.cursor is None:
        return None
    (number,) = decode_cursor(page.cursor, 1)
    if not (number.isascii() and number.isdecimal() and len(number) <= SEQUENCE_DIGITS):
        raise Invalid("The cursor is not one of ours.")
    return int(number)


def loadable(
    page: Select[*tuple[Any, ...]], order: Sequence[str], heavy: str
) -> Select[*tuple[Any, ...]]:
    """Those rows of a page that `fitting` can show, and one more, so that no other is loaded.

    Args:
        page: a query in the order of the page.
        order: its columns by which it is ordered, each descending.
        heavy: the column that makes rows heavy; its size is known without reading it.
    """
    rows = page.subquery()
    falling = [rows.c[name].desc() for name in order]
    weight = func.sum(func.octet_length(rows.c[heavy]))
    # Of those before the row before: the first that is too much is the sign that there are more.
    before = weight.over(order_by=falling, rows=(None, -2)).label("before")
    weighed = select(rows, before).subquery()
    columns = [weighed.c[column.key] for column in rows.c]
    light = func.coalesce(weighed.c.before, 0) <= MOST_PAGE_BYTES
    return select(*columns).where(light).order_by(*(weighed.c[name].desc() for name in order))


def fitting(views: Sequence[ViewT]) -> list[ViewT]:
    """The first of these, as many as one page carries; at least one."""
    weight = 0
    for place, view in enumerate(views):
        weight += len(view.model_dump_json(ensure_ascii=True))
        if place and weight > MOST_PAGE_BYTES:
            return list(views[:place])
    return list(views)
