"""Questions of services that did not hear of something: what became of it, told again.

They are asked slowly, of many at once, by whoever waits too long: a stream that lost messages has
them again from the service that owns what happened.
"""

from typing import Literal

from pydantic import Field

from contracts.base import Call, Id, Model

MOST = 100
"""What can be asked after at once, of each kind."""

Standing = Literal["open", "ended", "unknown"]
"""Whether something goes on, has come to its end, or was never heard of."""


class TellEnds(Model):
    """Asks for the ends of steps and tasks to be told again: the same events, by the same ids.

    Whoever had heard of them before passes them over, so that this can be asked at any time.
    """

    step_ids: list[Id] = Field(default_factory=list, max_length=MOST)
    task_ids: list[Id] = Field(default_factory=list, max_length=MOST)


class EndsTold(Model):
    """How they stand; `step.completed`, `task.failed` and so on follow for those that have ended.

    Of a task without an orchestrator nothing follows: nobody waits for its end.
    """

    steps: dict[str, Standing]
    tasks: dict[str, Standing]


class CountRunning(Model):
    """Asks how many steps agents have in hand."""

    agent_ids: list[Id] = Field(max_length=MOST)


class Running(Model):
    """How many steps each agent has in hand, at one moment.

    Attributes:
        steps: by agent, of those that were asked for.
        leaving: how many transactions there were at that moment whose events had perhaps not
            left yet.
    """

    steps: dict[str, int]
    leaving: int = Field(ge=0)


class WhatWasHeard(Model):
    """Asks which messages of a durable were handled, of some that were published."""

    durable: Id
    message_ids: list[Id] = Field(max_length=MOST)


class Heard(Model):
    """Which were."""

    message_ids: list[Id]


TELL_ENDS = Call("task", "tell_ends", TellEnds, EndsTold)
COUNT_RUNNING = Call("task", "count_running", CountRunning, Running)
WHAT_WAS_HEARD = Call("task", "what_was_heard", WhatWasHeard, Heard)
