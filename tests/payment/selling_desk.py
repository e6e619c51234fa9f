"""A seller on the books: handlers and background work driven directly, each in its transaction."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from chassis.bus.envelopes import new_id, origin
from contracts import selling
from contracts.registry import AgentRegistered
from payment_svc.ledger.wallets import open_wallet
from payment_svc.payouts import owners, paying, requests, settling
from tests.payment.books_helpers import Desk, hold_of, payment_for_step, refund_of
from tests.payment.helpers import completed, failed


def listed(agent: str, owner: str | None, at: datetime | None = None) -> AgentRegistered:
    """The registry's word of whose an agent is; without a moment, of now."""
    return AgentRegistered(
        agent_id=agent,
        name=agent,
        skills=["translate"],
        base_price=Decimal(1),
        endpoint_url="http://agents.example",
        owner=owner,
        told_at=at or datetime.now(UTC),
    )


@dataclass
class Shop:
    """A payer with money, a seller, and an agent of the seller's."""

    desk: Desk
    payer: str = field(default_factory=new_id)
    seller: str = field(default_factory=new_id)
    agent: str = field(default_factory=new_id)

    async def open(self, grant: str = "1000") -> "Shop":
        await open_wallet(self.desk.db, self.payer, Decimal(grant))
        await self.list(self.agent, self.seller)
        return self

    async def list(self, agent: str, owner: str | None, at: datetime | None = None) -> None:
        async with self.desk.db.transaction(origin("registry", "listed")) as tx:
            await owners.on_agent_registered(listed(agent, owner, at), tx)

    async def work(self, cost: str, *, agent: str | None = None, payer: str | None = None) -> str:
        """A step that is done and paid; its id."""
        task, step, payer = new_id(), new_id(), payer or self.payer
        agent = agent or self.agent
        hold = hold_of(step, task, Decimal(cost), Decimal(cost), agent)
        await self.desk.hold(payer, hold)
        await self.desk.complete(payer, completed(task, step, cost, agent_id=agent))
        return step

    async def fault(self) -> str:
        """A step that comes to nothing by the agent's fault."""
        task, step = new_id(), new_id()
        await self.desk.hold(self.payer, hold_of(step, task, Decimal(1), Decimal(1), self.agent))
        await self.desk.fail(self.payer, failed(task, step, agent_id=self.agent))
        return step

    async def refund(self, step: str, amount: str | None = None) -> Any:
        payment = await payment_for_step(self.desk, step)
        return await self.desk.refund(self.payer, refund_of(payment, amount))

    async def settle(self) -> None:
        await settling.settle_due(self.desk.db, self.desk.settings)

    async def ask(self, amount: str | None = None, id_: str | None = None) -> selling.PayoutView:
        """Ask for a payout."""
        here = self.desk.here(self.seller)
        request = selling.RequestPayout(
            payout_id=id_ or new_id(), amount=None if amount is None else Decimal(amount)
        )
        async with self.desk.db.transaction(here) as tx:
            reply = await requests.request_payout(request, tx, here, self.desk.settings)
        return reply.payout

    async def pay(self, client: Any = None) -> None:
        await paying.work(self.desk.db, client, self.desk.settings)

    async def has(self, seller: str | None = None) -> selling.SellerView:
        here = self.desk.here(seller or self.seller)
        async with self.desk.db.transaction(here) as tx:
            return await requests.get_seller(selling.GetSeller(), tx, here, self.desk.settings)

    async def earnings(self, **more: Any) -> selling.EarningsList:
        here = self.desk.here(self.seller)
        async with self.desk.db.transaction(here) as tx:
            return await requests.list_earnings(selling.ListEarnings(**more), tx, here)

    async def payouts(self, **more: Any) -> selling.PayoutList:
        here = self.desk.here(self.seller)
        async with self.desk.db.transaction(here) as tx:
            return await requests.list_payouts(selling.ListPayouts(**more), tx, here)
