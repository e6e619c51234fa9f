"""What an orchestrator is: whoever decides, move by move, what is done for a wish.

There are two, Claude and the rules, and one state machine that carries out what they decide. An
orchestrator is asked for one move at a time. It is given all that happened so far and keeps
nothing itself, so that after a crash any replica asks for the next move.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from chat_svc.planner import Candidate
from contracts.chat import Refused


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that is to be used.

    Attributes:
        id: unique in the turn; ids of steps and negotiations are derived from it.
        name: what the orchestrator called it; not checked yet, like `input`.
        input: JSON; one that is no object is what a model wrote in place of one.
    """

    id: str
    name: str
    input: Any


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a tool call.

    Attributes:
        content: JSON. What an agent said in it is untrusted text.
        error: whether it says what was wrong with the call, or that it came to nothing.
    """

    call_id: str
    content: str
    error: bool = False


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the language model used.

    Attributes:
        cached: the part of `input` that it had in its cache.
        written: the part of `input` that it put there.
    """

    model: str
    input: int
    output: int
    cached: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """One decision of an orchestrator: tools to use, or, without any, the answer.

    Attributes:
        text: what it says; the assistant's message when there are no calls.
        calls: carried out side by side; the next move is asked for when all have results.
        raw: the move in the orchestrator's own form, given back to it in `Round.raw`.
        result: what a follow-up ("now translate it") refers to; only with an answer.
        tokens: what the language model used for it.
        refused: why nobody is called for what was wished; only with an answer.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    raw: Any = None
    result: str | None = None
    tokens: Tokens | None = None
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """A move of this turn that was carried out, and its results in the order of the calls."""

    text: str
    calls: tuple[ToolCall, ...]
    results: tuple[ToolResult, ...]
    raw: Any = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier turn of the conversation; `result` as in `Move`."""

    said: str
    answer: str
    rounds: tuple[Round, ...] = ()
    task_id: str | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """All that an orchestrator decides by.

    Attributes:
        said: what the person typed.
        budget: BazaarBucks that the task may cost in all.
        left: BazaarBucks of the budget that are neither paid nor held.
        agents: the marketplace now.
        history: earlier turns, oldest first.
        rounds: this turn so far.
        last: whether a limit of the turn is reached, so that this move has to be the answer.
        seconds_left: until the move has to be there; None without such a limit.
    """

    turn_id: str
    task_id: str
    said: str
    budget: Decimal
    left: Decimal
    agents: Sequence[Candidate]
    history: Sequence[Exchange] = ()
    rounds: Sequence[Round] = field(default=())
    last: bool = False
    seconds_left: float | None = None


Say = Callable[[str], Awaitable[None]]
"""Told each piece of text as the model says it."""


class Trouble(Exception):
    """No move came of it, and asking again at once would not help.

    Attributes:
        message: a sentence for the person, which ends the turn.
        tokens: what was used all the same.
    """

    def __init__(self, message: str, tokens: Tokens | None = None) -> None:
        """Say what went wrong, in words for the person."""
        super().__init__(message)
        self.message = message
        self.tokens = tokens


class Spoiled(Exception):
    """The model answered, but what came is of no use: it was cut off, or makes no sense.

    It is a move like any other, with what it used; the turn asks for the next one.

    Attributes:
        message: a sentence for the person, in case that there is no next one.
        tokens: what was used, as far as it was told.
    """

    def __init__(self, message: str, tokens: Tokens | None = None) -> None:
        """Say what was wrong with it, and what it used."""
        super().__init__(message)
        self.message = message
        self.tokens = tokens


class TryLater(Exception):
    """The model is busy or away; the turn asks again in `delay_s`, until its own limits end it.

    Nothing was answered, so it is no move.

    Attributes:
        message: a sentence for the person, in case it stays so.
        delay_s: as the server asked for, when it did.
    """

    def __init__(self, message: str, delay_s: float) -> None:
        """Say what it waits for, and how long."""
        super().__init__(message)
        self.message = message
        self.delay_s = delay_s


class Orchestrator(Protocol):
    """Decides the next move of a turn.

    Attributes:
        name: `claude` or `rules`; shown with the answer.
    """

    name: str

    async def move(self, situation: Situation, say: Say) -> Move:
        """The next move; asked again for the same situation, another one may come of it.

        Raises:
            Trouble: the turn ends with its sentence.
            Spoiled: this move came to nothing; the next one is to be asked for.
            TryLater: the same situation is to be asked again, later.
        """
        ...
