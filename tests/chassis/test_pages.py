"""Cursors say where a page ended, and nothing that is not ours passes for one."""

from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.db.pages import (
    MOST_PAGE_BYTES,
    decode_cursor,
    encode_cursor,
    fitting,
    next_in_time,
    place_in_time,
)
from contracts.base import Model, Page
from contracts.errors import Invalid

words = st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]), max_size=40)
offsets = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    timezones=offsets,
)
ids = st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z")


class Row(NamedTuple):
    created_at: datetime
    id: str


class View(Model):
    text: str


@given(st.lists(words, min_size=1, max_size=4))
def test_a_cursor_holds_what_it_was_given(parts: list[str]) -> None:
    cursor = encode_cursor(*parts)
    assert decode_cursor(cursor, len(parts)) == tuple(parts)
    assert cursor.replace("-", "").replace("_", "").isalnum() or cursor == ""
    with pytest.raises(Invalid):
        decode_cursor(cursor, len(parts) + 1)


@given(words, words, st.sampled_from("\n\0"))
def test_a_part_that_would_be_read_as_two_is_refused(one: str, other: str, between: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        encode_cursor(one + between + other)


@given(st.text(max_size=60), st.integers(1, 3))
def test_any_text_is_ours_or_refused(text: str, parts: int) -> None:
    try:
        found = decode_cursor(text, parts)
    except Invalid:
        return
    assert encode_cursor(*found) == text


@given(moments, ids)
def test_a_place_in_time_survives_the_way_there_and_back(moment: datetime, id_: str) -> None:
    rows = [Row(moment, id_), Row(moment, "older")]
    cursor = next_in_time(rows, 1)
    assert place_in_time(Page(cursor=cursor)) == (moment, id_)
    assert cursor is not None
    assert len(cursor) <= 200  # What a request may carry.


@given(st.datetimes(timezones=offsets))
def test_every_moment_is_a_place_or_refused(moment: datetime) -> None:
    """Also those that PostgreSQL's driver cannot bring to UTC."""
    page = Page(cursor=encode_cursor(moment.isoformat(), "id"))
    try:
        place = place_in_time(page)
    except Invalid:
        with pytest.raises(OverflowError):
            moment.astimezone(UTC)
        return
    assert place == (moment, "id")
    assert place[0].tzinfo is UTC


def test_without_a_cursor_a_list_begins_at_its_start() -> None:
    assert place_in_time(Page()) is None


@given(st.integers(0, 5), st.integers(1, 5))
def test_there_is_a_next_page_when_there_are_more_rows(count: int, limit: int) -> None:
    rows = [Row(datetime(2024, 1, 1, tzinfo=UTC), str(n)) for n in range(count)]
    cursor = next_in_time(rows, limit)
    assert (cursor is not None) == (count > limit)
    if cursor is not None:
        assert decode_cursor(cursor, 2)[1] == str(limit - 1)


def test_a_page_carries_what_it_can_and_at_least_one() -> None:
    heavy = View(text="x" * (MOST_PAGE_BYTES // 2))
    light = View(text="x")
    assert fitting([]) == []
    assert fitting([light] * 500) == [light] * 500
    assert fitting([heavy] * 5) == [heavy]
    assert fitting([View(text="é" * MOST_PAGE_BYTES), light]) == [View(text="é" * MOST_PAGE_BYTES)]
