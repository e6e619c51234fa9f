"""What a handler takes, found out once, when its service is wired.

A handler is a plain function. It takes the body of a message, and by their types what the message
comes with: its `Transaction` (a `Reading` if it only looks), its `Envelope`, its `Durable`, and
`ReplyTo`. All else is bound in
app.py (`functools.partial`), where mypy sees it.
"""

import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NewType, get_type_hints

from pydantic import ValidationError

from chassis.db.transaction import Transaction
from contracts import numbers
from contracts.base import Model
from contracts.envelope import Envelope
from contracts.errors import Invalid
from contracts.topology import Durable

ReplyTo = NewType("ReplyTo", str)
"""The subject that whoever sent a request waits on."""
Reading = Annotated[Transaction, "reads"]
"""What a request looks through that changes nothing: nobody is told that something changed."""
Function = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Handler:
    """A function, and what it takes of each message.

    Attributes:
        function: with all bound that is the same for every message.
        body: the parameter that takes the body, and its model.
        tx, here, reply_to: the parameters that take these, if any does.
        reads: whether its transaction changes nothing.
    """

    function: Function
    body: tuple[str, type[Model]]
    tx: str | None
    here: str | None
    reply_to: str | None
    reads: bool

    async def __call__(
        self, body: Model, here: Envelope, reply_to: str, tx: Transaction | None = None
    ) -> Any:
        """Run the function for a message."""
        given: dict[str, Any] = {self.body[0]: body}
        if self.tx is not None:
            given[self.tx] = tx
        if self.here is not None:
            given[self.here] = here
        if self.reply_to is not None:
            given[self.reply_to] = reply_to
        return await self.function(**given)

    def read(self, body: bytes) -> Model:
        """A message's body as the handler takes it.

        Raises:
            Invalid: it is none, or has a number that would become another one.
        """
        model = self.body[1]
        try:
            numbers.check(body)
            return model.model_validate_json(body)
        except (ValueError, RecursionError):
            return _read_slowly(model, body)


def handler(function: Function, durable: Durable | None = None) -> Handler:
    """The function as a handler; it is told which durable it works for, if it wants to know.

    Raises:
        TypeError: it takes no body, or something that is neither bound nor comes with a message.
    """
    hints = get_type_hints(_plain(function), include_extras=True)
    found: dict[object, str] = {}
    bodies: list[tuple[str, type[Model]]] = []
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints.get(name)
        if parameter.default is not inspect.Parameter.empty:
            continue
        if kind in (Transaction, Reading, Envelope, Durable, ReplyTo):
            found[kind] = name
        elif isinstance(kind, type) and issubclass(kind, Model):
            bodies.append((name, kind))
        else:
            raise TypeError(f"{named(function)} takes {name}, which nobody binds")
    if len(bodies) != 1:
        raise TypeError(f"{named(function)} takes not one body, but {len(bodies)}")
    if Durable in found:
        function = partial(function, **{found[Durable]: durable})
    return Handler(
        function,
        bodies[0],
        tx=found.get(Reading, found.get(Transaction)),
        here=found.get(Envelope),
        reply_to=found.get(ReplyTo),
        reads=Reading in found,
    )


def named(function: Function) -> str:
    """The name of the function that is behind what was bound to it."""
    return str(_plain(function).__name__)


def described(function: Function) -> Function:
    """A function that only takes the body, for AsyncAPI to describe."""
    plain, (name, model) = _plain(function), handler(function).body

    async def stands_for() -> None:
        """Never called."""

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    stands_for.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # read by inspect
        [inspect.Parameter(name, kind, annotation=model)]
    )
    stands_for.__annotations__ = {name: model}
    stands_for.__name__, stands_for.__doc__ = plain.__name__, plain.__doc__
    return stands_for


def _plain(function: Function) -> Any:
    return function.func if isinstance(function, partial) else function


def _read_slowly(model: type[Model], body: bytes) -> Model:
    """The body, or a sentence about what is wrong with it.

    The quick parser does not say what is no JSON and what only is of another shape, and it does not
    take all that Python's own does: half a character, or a hundred lists in one another.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Invalid("The body is not JSON.") from None
    try:
        numbers.check(body)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"The body's JSON cannot be taken: {error}.") from None
    try:
        return model.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        text = str(first["msg"]).removeprefix("Value error, ")
        said = f"{place}: {text}" if place else text
        raise Invalid(f"The request is not valid: {said}") from None
