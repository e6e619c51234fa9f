"""Dead letters: which there are, one whole, and one sent again to where it came from.

Anybody who may look is told of them (`looking`). The gateway asks here for its administrators, who
may also have one sent again; whether somebody is one, the gateway decides.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import structlog
from nats.aio.client import Client
from nats.js.errors import NotFoundError
from pydantic import Field

from chassis.bus import stored
from contracts.base import Model
from contracts.envelope import DEDUPLICATION
from contracts.errors import Invalid, NotFound
from contracts.permissions import LETTERS
from contracts.topology import DEADLETTER, DURABLES

AT_ONCE = 50
MOST_BYTES = 1024 * 1024
"""Of a body that is told; a longer one is told by its beginning, as text."""
MOST_READ_BYTES = 8 * MOST_BYTES
"""Of the bodies that are read for a page; one of long letters has fewer of them."""
WINDOW, WIDEST = 10, 10_000
"""Numbers that are read at once, going back; more of them where letters were sent again."""
SUBJECT, CONSUMER = "bazaar-subject", "bazaar-consumer"
SUBJECTS = "bazaar.dlq.>"
OF_THE_STORE = ("bazaar-", "Nats-")
"""Headers that a dead letter got when it was put aside, and that the next message gets anew."""
Json = dict[str, Any]

log = structlog.get_logger()


class Which(Model):
    """A dead letter, by its number in the stream."""

    number: int = Field(ge=1, lt=2**63)


class Wanted(Model):
    """The newest letters, or those before the number that the page before ended with."""

    limit: int = Field(default=AT_ONCE, ge=1, le=500)
    before: int = Field(default=2**63 - 1, ge=1, lt=2**63)


async def answer(client: Client, subject: str, body: bytes) -> bytes:
    """The answer to a request of the gateway on `LETTERS`.

    Raises:
        Invalid: there is no such request, or the letter does not say where it came from.
        NotFound: there is no such letter.
        ValidationError: the body names none.
        NatsError: the streams cannot be read or written now.
    """
    what = subject.removeprefix(f"{LETTERS}.")
    if what == "list":
        found = await listed(client, Wanted.model_validate_json(body or b"{}"))
    elif what == "show":
        found = await whole(client, Which.model_validate_json(body).number)
    elif what == "replay":
        found = {"subject": await _again(client, Which.model_validate_json(body).number)}
    else:
        raise Invalid("There is no such request about dead letters.")
    return json.dumps(found).encode()


async def listed(client: Client, wanted: Wanted) -> Json:
    """A page without the bodies, oldest first; how many there are in all, and what is before it.

    Letters that were sent again leave gaps, and the server reads forwards only: so this goes back
    window by window, wider ones where nothing is left.
    """
    state = (await client.jetstream().stream_info(DEADLETTER.name)).state
    found: list[Json] = []
    end, wide, read_bytes = min(wanted.before - 1, state.last_seq), WINDOW, 0
    while end >= state.first_seq and len(found) < wanted.limit and read_bytes < MOST_READ_BYTES:
        first = max(end - wide + 1, state.first_seq)
        window = await _between(client, first, end)
        found = [_head(one) for one in window] + found
        read_bytes += sum(len(one.data) for one in window)
        end, wide = first - 1, WINDOW if window else min(2 * wide, WIDEST)
    found = found[-wanted.limit :]
    older = bool(found) and found[0]["sequence"] > state.first_seq
    before = found[0]["sequence"] if older else None
    return {"deadLetters": found, "inAll": state.messages, "before": before}


async def _between(client: Client, first: int, last: int) -> list[stored.Stored]:
    """The letters with these numbers, both included."""
    found: list[stored.Stored] = []
    while first <= last:
        page = await stored.read(client, DEADLETTER.name, SUBJECTS, first, last - first + 1)
        found += [one for one in page.messages if one.sequence <= last]
        if not page.left:
            break
        first = page.messages[-1].sequence + 1
    return found


async def whole(client: Client, number: int) -> Json:
    """One with its body: JSON, or text when it is none."""
    one = await _read(client, number)
    return shown(one)


def shown(one: stored.Stored) -> Json:
    """A message of a stream with all that is in it."""
    return _head(one) | {"data": _data(one.data)}


def _data(body: bytes) -> Any:
    """A body's JSON; its text when it is none, or the beginning of it when that is long."""
    try:
        return (
            body[:MOST_BYTES].decode(errors="replace")
            if len(body) > MOST_BYTES
            else json.loads(body)
        )
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


async def _again(client: Client, number: int) -> str:
    """Publish a letter where it came from, with its own `ce-id`, then delete it; the subject.

    Whoever had handled it passes over it. Cut off in between, it is there still, and may be sent
    once more. Of one message several durables may have put aside, a letter each: sent again one
    after the other, it is published once, for all of them hear it. Else each that still fails
    would leave as many new letters as there are durables.
    """
    one = await _read(client, number)
    subject = one.headers.get(SUBJECT, "")
    if not any(_fits(subject, durable.filter) for durable in DURABLES):
        raise Invalid(f"Dead letter {number} does not say where it came from.")
    kept = {k: v for k, v in one.headers.items() if not k.startswith(OF_THE_STORE)}
    if (place := _place(one.headers)) is not None:
        kept[DEDUPLICATION] = f"again-{place}"
    js: Any = client.jetstream()
    await js.publish(subject, one.data, headers=kept)
    try:
        await js.delete_msg(DEADLETTER.name, number)
    except NotFoundError:
        log.info("dead letter was deleted meanwhile", number=number)
    log.info("dead letter sent again", number=number, subject=subject)
    return subject


def _place(headers: Mapping[str, str]) -> str | None:
    """Which number the message had in its stream, as `handling.dead_letters` writes it."""
    durable, _, place = headers.get(DEDUPLICATION, "").rpartition("-")
    return place if durable and durable == headers.get(CONSUMER) else None


async def _read(client: Client, number: int) -> stored.Stored:
    page = await stored.read(client, DEADLETTER.name, SUBJECTS, number, 1)
    if not page.messages or page.messages[0].sequence != number:
        raise NotFound("Dead letter not found")
    return page.messages[0]


def _head(one: stored.Stored) -> Json:
    return {
        "sequence": one.sequence,
        "time": one.time,
        "subject": one.subject,
        "headers": dict(one.headers),
    }


def _fits(subject: str, filter_: str) -> bool:
    """Whether a subject without wildcards is one that a filter with `*` and `>` lets through."""
    if not re.fullmatch(r"[^\s*>.]+(\.[^\s*>.]+)+", subject):
        return False
    tokens, wanted = subject.split("."), filter_.split(".")
    if wanted[-1] == ">":
        tokens, wanted = tokens[: len(wanted) - 1], wanted[:-1]
    if len(tokens) != len(wanted):
        return False
    return all(want in ("*", token) for token, want in zip(tokens, wanted, strict=True))
