"""Answers in chunks, put together again."""

from hypothesis import given
from hypothesis import strategies as st

from chassis.outbound import TooMuch, Unreachable
from chassis.outbound.chunks import Unchunker, unchunked
from tests.chassis.test_outbound_calls import LIMITS


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=40), st.sampled_from(["", ";x=y"]))
def test_chunks_are_put_together_again(pieces: list[bytes], extension: str) -> None:
    chunks = [f"{len(one):X}{extension}\r\n".encode() + one + b"\r\n" for one in pieces]
    raw = bytearray(b"".join(chunks) + b"0\r\n\r\n")
    assert unchunked(raw, LIMITS) == b"".join(pieces)


def refusal(raw: bytes) -> str | None:
    """Why this is not taken; None when it is."""
    try:
        unchunked(bytearray(raw), LIMITS)
    except (TooMuch, Unreachable) as error:
        return error.why
    return None


@given(st.binary(max_size=200))
def test_what_is_no_chunks_is_refused_in_words(raw: bytes) -> None:
    assert refusal(raw) != ""


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=20),
    st.sampled_from(["", ";x=y"]),
    st.sampled_from(["\r\n", "\n"]),
    st.integers(1, 9),
)
def test_chunks_are_read_alike_however_they_arrive(
    pieces: list[bytes], extension: str, line: str, at_once: int
) -> None:
    chunks = [f"{len(one):X}{extension}{line}".encode() + one + line.encode() for one in pieces]
    raw = b"".join(chunks) + f"0{line}{line}".encode()
    reader = Unchunker(LIMITS)
    found = [reader.feed(raw[at : at + at_once]) for at in range(0, len(raw), at_once)]
    assert b"".join(found) == b"".join(pieces) == unchunked(bytearray(raw), LIMITS)
    assert reader.done
