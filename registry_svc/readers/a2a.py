"""What an A2A agent says of itself, on its card.

The agent is one listing, with all its skills: a message of this protocol names no skill, so one of
them cannot be bought by itself. It is listed where its card was asked for, since the card says anew
where, and in which wire, it is called.
"""

from collections.abc import Iterator
from typing import Any

from chassis.outbound import CallError, Outbound
from chassis.protocols.a2a_card import Card, NoCard, find_card
from contracts.errors import BadAnswer
from registry_svc.readers.offer import Offer

MOST_SKILLS, MAX_SKILL_CHARS = 50, 100
MAX_NAME_CHARS, MAX_DESCRIPTION_CHARS = 200, 2_000
TAKES: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string", "description": "What the agent is asked, in words."}},
    "required": ["text"],
}
"""The protocol has no schema of what an agent takes: it is a message, first of all a text."""


async def read(http: Outbound, url: str, timeout_s: float) -> list[Offer]:
    """The one offer that an agent's card makes.

    Raises:
        BadAnswer: there is no card, or none of an agent that can be called.
    """
    try:
        card = await find_card(http, url, timeout_s)
        await http.judge(card.interface.url, timeout_s)
    except NoCard as error:
        raise BadAnswer(str(error)) from None
    except CallError as error:
        raise BadAnswer(
            f"{url} cannot be reached, or its card leads astray: {error.why}."
        ) from None
    skills = tuple(dict.fromkeys(_skills(card)))[:MOST_SKILLS]
    if not skills:
        raise BadAnswer("The agent's card names no skill.")
    described = card.description or "; ".join(filter(None, (one.name for one in card.skills)))
    said = {"streaming": card.streaming, "push-notifications": card.pushes}
    return [
        Offer(
            name=card.name[:MAX_NAME_CHARS],
            description=described[:MAX_DESCRIPTION_CHARS],
            skills=skills,
            base_price=None,
            endpoint_url=url,
            protocol="a2a",
            input_schema=TAKES,
            capabilities=tuple(name for name, has in said.items() if has),
        )
    ]


def _skills(card: Card) -> Iterator[str]:
    """Ids first, so that each skill is there; then what they are tagged with."""
    for skill in card.skills:
        yield from _word(skill.id or skill.name)
    for skill in card.skills:
        for tag in skill.tags:
            yield from _word(tag)


def _word(said: str) -> Iterator[str]:
    if (word := " ".join(said.split())) and len(word) <= MAX_SKILL_CHARS:
        yield word
