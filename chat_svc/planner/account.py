"""Questions about oneself and the marketplace: what is asked, told from words alone.

A message is such a question when it names a topic and every other word of it belongs to asking
about oneself. "Why is gold so expensive" has a word left over, and is a question to the world.
"""

from enum import Enum

from chat_svc.planner.forms import form, has, spelled, word_set
from chat_svc.planner.vocabulary import ABOUT_US, EVERYTHING, says, unclaimed

_LONGEST = 160


class Topic(Enum):
    """What is asked about, in the order in which it is looked for, by the key of its words."""

    REFUND = "refund"
    PRICE = "why"
    AGENTS = "agents"
    SPENDING = "spending"
    BALANCE = "balance"
    TASKS = "tasks"


def about_us(folded: str) -> Topic | None:
    """The topic of a question about oneself or the marketplace; None for everything else."""
    if len(folded) > _LONGEST:
        return None
    return _topic(folded) or (Topic.AGENTS if _is_on_the_market(folded) else None)


def _topic(folded: str) -> Topic | None:
    words = set(folded.replace("?", " ").replace("'s", " ").split())
    strange = 1 if words & word_set("me") else 0
    if len(unclaimed(folded, ABOUT_US, most=2)) > strange:
        return None
    for topic in Topic:
        if not says(topic.value, folded) or (topic is Topic.PRICE and not has("asks_why", folded)):
            continue
        if topic is Topic.AGENTS and not has("asks_who", folded):
            continue
        return topic
    return None


def _is_on_the_market(folded: str) -> bool:
    """Whether a question is about agents, their work or their prices, and about nothing else."""
    rest = form("market").sub(" ", folded)
    strange = 1 if has("account_ours", folded) else 0
    asked = form("account_asks").match(folded) is not None and rest != folded
    return asked and len(unclaimed(rest, EVERYTHING, most=2)) <= strange


def is_enough(folded: str) -> bool:
    """Whether a message only says that nothing is wanted any more."""
    rest, found = spelled("enough").subn(" ", form("last_said").split(folded)[-1])
    return found > 0 and set(form("account_word").findall(rest)) <= word_set("account_polite")
