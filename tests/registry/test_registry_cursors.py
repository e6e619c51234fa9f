import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.db.pages import decode_cursor, encode_cursor, place_in_time
from contracts.base import Page
from contracts.errors import Invalid

part = st.text(st.characters(exclude_characters="\n\x00", exclude_categories=["Cs"]))


@given(st.lists(part, min_size=1))
def test_a_cursor_holds_what_was_put_in(parts: list[str]) -> None:
    cursor = encode_cursor(*parts)
    assert decode_cursor(cursor, len(parts)) == tuple(parts)
    assert cursor.isascii()
    assert cursor.replace("-", "").replace("_", "").isalnum() or not cursor


@given(st.text(), st.integers(1, 3))
def test_any_text_is_a_cursor_of_ours_or_refused(text: str, parts: int) -> None:
    try:
        found = decode_cursor(text, parts)
    except Invalid:
        return
    assert encode_cursor(*found) == text


@given(st.lists(part, min_size=1))
def test_a_cursor_with_another_number_of_parts_is_refused(parts: list[str]) -> None:
    with pytest.raises(Invalid):
        decode_cursor(encode_cursor(*parts), len(parts) + 1)


def test_no_sort_key_has_a_line_break_or_a_nul() -> None:
    for text in ("a\nb", "a\x00b"):
        with pytest.raises(ValueError, match="line break"):
            encode_cursor(text)
    forged = base64.urlsafe_b64encode(b"a\x00b").decode()
    with pytest.raises(Invalid):
        decode_cursor(forged, 1)


@given(st.datetimes(timezones=st.just(UTC)), part)
def test_a_place_in_time_is_found_again(moment: datetime, id_: str) -> None:
    cursor = encode_cursor(moment.isoformat(), id_)
    assert place_in_time(Page.model_construct(cursor=cursor)) == (moment, id_)


@pytest.mark.parametrize("moment", ["", "now", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00"])
def test_a_forged_time_is_refused(moment: str) -> None:
    with pytest.raises(Invalid):
        place_in_time(Page(cursor=encode_cursor(moment, "id")))


def test_the_first_page_has_no_place() -> None:
    assert place_in_time(Page()) is None
