"""Which requests the replicas of a service have in hand: asked by those who wait for a reply.

A queue group answers a ping by any replica, also by the successor of the one that died with the
request. So all are asked at once, on core NATS: `bazaar.hands.<context>`. One that does not answer
is asked by itself, `bazaar.hands.<context>.<instance>`: if nobody listens there, it is gone. One of
release 0.2.0 does not know the question.
"""

from pydantic import Field

from contracts.base import Id, Model
from contracts.envelope import MessageId

HANDS = "bazaar.hands"
MOST_ASKED = 1024
"""Requests that are asked after at once."""


def subject(context: str, instance: str | None = None) -> str:
    """Where the replicas of a context are asked, or one of them."""
    return f"{HANDS}.{context}" + (f".{instance}" if instance else "")


class WhoHas(Model):
    """Asks who has requests in hand.

    Attributes:
        requests: the ids of their envelopes.
    """

    requests: list[MessageId] = Field(max_length=MOST_ASKED)


class InHand(Model):
    """What a replica answers.

    Attributes:
        instance: the process; no other one ever has this id.
        requests: which of those it has in hand, or knows that somebody will answer.
    """

    instance: Id
    requests: list[MessageId]
