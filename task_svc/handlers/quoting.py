"""POST /api/quotes: what a call costs at most, and calls that name such a quote."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chassis.db.database import Database
from contracts.envelope import Envelope
from contracts.errors import Internal, Invalid, Unavailable
from contracts.quotes import AskQuote, QuoteView
from contracts.registry import Billing
from contracts.task import InvokeAgent
from task_svc import store_secrets
from task_svc.domain import Quote
from task_svc.pricing import at_the_ceiling, how_many, promise_of, size_of
from task_svc.promise import Promise
from task_svc.saga import Saga
from task_svc.sealing import Sealed, seal, unseal


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Seals:
    """What quotes are sealed with, and for how long they hold.

    Attributes:
        ttl_s: seconds.
        secret: the same for all replicas; None before the start.
    """

    ttl_s: float
    now: Callable[[], datetime] = _now
    secret: bytes | None = None

    async def learn(self, db: Database) -> None:
        """Read the secret; the first replica that ever starts makes it."""
        async with db.transaction() as tx:
            self.secret = await store_secrets.of_quotes(tx.conn)

    def known(self) -> bytes:
        """The secret of a service that has started."""
        if self.secret is None:
            raise Internal("There is no secret to seal quotes with.")
        return self.secret


async def ask_quote(request: AskQuote, saga: Saga, seals: Seals, here: Envelope) -> QuoteView:
    """Say what a call would cost now, and promise it for a while.

    Raises:
        NotFound: no such agent.
        Invalid: the agent bills by size, without a ceiling, and there is no payload.
        Unavailable: the registry is of a release that does not know how agents bill.
    """
    quote = await saga.quotes.of(request.agent_id, here)
    billing = quote.billing
    if billing is None:
        raise Unavailable("The registry does not say how agents bill; ask again later.")
    any_size = billing.mode == "fixed" or request.payload is None
    payload = request.payload or {}
    if request.payload is not None or billing.mode == "fixed":
        promise = promise_of(quote, payload, saga.tolerance)
    else:
        promise = at_the_ceiling(billing)
    if promise is None:
        raise Invalid(f"{quote.agent_name} bills by size: say the payload.")
    promised = Sealed(
        w=promise.work,
        p=promise.purchases,
        b=quote.base_price,
        d=quote.dynamic_price,
        n=None if any_size else size_of(payload),
        k=how_many(billing, payload),
        x=int((seals.now() + timedelta(seconds=seals.ttl_s)).timestamp()),
    )
    return QuoteView(
        quote_id=seal(seals.known(), here.account, request.agent_id, promised),
        agent_id=request.agent_id,
        agent_name=quote.agent_name,
        price=promise.price,
        work=promise.work,
        purchases=promise.purchases,
        expires_at=promised.expires_at,
    )


def as_quoted(quote: Quote, request: InvokeAgent, seals: Seals, account: str) -> Quote:
    """A quote of this moment, whose promise is what was promised when its caller asked.

    The agent did not hear of that: what its present listing allows is no overbilling.

    Args:
        quote: with the promise of this moment.
        request: the call; as it is when it names no quote.
        seals: ours.
        account: who calls.

    Raises:
        NotFound: there is no such quote of this account.
        Conflict: it is of another agent, or has expired.
        Invalid: the payload is larger than what was quoted.
    """
    if request.quote_id is None:
        return quote
    then = unseal(seals.known(), account, request.agent_id, request.quote_id, seals.now())
    if then.n is not None and (size := size_of(request.payload)) > then.n:
        raise Invalid(
            f"The payload has {size} characters, and the quote is for {then.n}; ask for another."
        )
    billing = quote.billing or Billing()
    if (asked := how_many(billing, request.payload)) > then.k:
        raise Invalid(
            f"{billing.purchases_of} is {asked}, and the quote is for {then.k}; ask for another."
        )
    price = then.w + then.p
    fair = max(price, quote.promise.fair) if quote.promise else price
    promise = Promise(work=then.w, purchases=then.p, most=price, fair=fair)
    return quote.model_copy(
        update={"base_price": then.b, "dynamic_price": then.d, "promise": promise}
    )
