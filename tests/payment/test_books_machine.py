"""Any order of holds, bills, ends, refunds, payments by hand and repeats, against a small model."""

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from chassis.bus.envelopes import new_id
from chassis.db.database import AlreadyHandled
from contracts.cards import RefundCard
from contracts.errors import Conflict, PaymentRequired, Refusal
from contracts.ledger import EnterPayment, RefundPayment
from contracts.payment import ExtendHold, HoldReply
from payment_svc.app import build
from payment_svc.ledger.wallets import open_wallet
from tests.payment.books_compare import compare
from tests.payment.books_helpers import Desk, bucks, entered, hold_of, micro, refund_of
from tests.payment.books_model import Hold, Model, Refused
from tests.payment.conftest import payment_settings
from tests.payment.helpers import completed, failed
from tests.support.stack import Stack

FEE = (37, 1000)
TASKS = 3
AMOUNTS = st.one_of(
    st.integers(0, 2_000_000), st.sampled_from([0, 1, 7, 500_000, 1_000_000, 5_000_000])
)
PARTS = st.lists(st.none() | st.integers(1, 120), min_size=1, max_size=4)
PAID = AMOUNTS.map(lambda amount: amount or 1)
PICK = st.integers(0, 1_000)
WHO = st.integers(0, 1)


class Books(RuleBasedStateMachine):
    """Two wallets, three tasks with tight budgets, two agents, an uneven fee."""

    runner: asyncio.Runner
    desk: Desk

    def __init__(self) -> None:
        super().__init__()
        self.accounts = [new_id() for _ in range(2)]
        self.agents = [new_id() for _ in range(2)]
        self.tasks = [new_id() for _ in range(TASKS)]
        self.model = Model(
            dict(zip(self.accounts, (4_000_000, 2_500_000), strict=True)),
            dict(zip(self.tasks, (3_000_000, 1_500_000, 999_999), strict=True)),
            FEE,
        )
        self.told: list[tuple[str, Any, str]] = []
        self.refunds: list[tuple[str, RefundPayment, Any]] = []
        self.entries: list[tuple[str, EnterPayment, Any]] = []
        self.payments: dict[str, str] = {}
        self.top_ups: list[list[Any]] = []
        for account, grant in self.model.grants.items():
            self.run(open_wallet(self.desk.db, account, bucks(grant)))
        self.fees_before = self.fees()

    def run(self, work: Awaitable[Any]) -> Any:
        """What came of it, or the refusal."""

        async def outcome() -> Any:
            try:
                return await work
            except Refusal as refused:
                return refused

        return self.runner.run(outcome())

    def agrees(self, outcome: Any, due: Refused | tuple[Refused, ...] | None) -> Any:
        """The outcome is the refusal that is due, or none."""
        found = type(outcome) if isinstance(outcome, Refusal) else None
        if due is None:
            assert found is None, outcome
        else:
            assert found is not None, outcome
            assert issubclass(found, due), outcome
        return outcome

    def fees(self) -> int:
        found = self.runner.run(
            self.desk.rows("SELECT posted FROM payment.ledger_accounts WHERE id = 'platform_fees'")
        )
        return micro(found[0].posted) if found else 0

    def chosen(self, pick: int) -> tuple[str, Hold]:
        ids = list(self.model.holds)
        return ids[pick % len(ids)], self.model.holds[ids[pick % len(ids)]]

    def place(self, id_: str, want: Hold) -> None:
        budget = bucks(self.model.budgets[want.task])
        request = hold_of(id_, want.task, bucks(want.asked), budget, want.agent)
        request = request.model_copy(update={"replaces": want.replaces})
        reply = self.agrees(
            self.run(self.desk.hold(want.account, request)), self.model.place(id_, want)
        )
        if isinstance(reply, HoldReply):
            assert micro(reply.held) == self.model.holds[id_].held

    def tell(self, account: str, event: Any, id_: str, due: Refused | None) -> None:
        send = self.desk.fail if event.type == "step.failed" else self.desk.complete
        self.agrees(self.run(send(account, event, id_)), due)

    @rule(who=WHO, task=st.integers(0, TASKS - 1), agent=WHO, amount=AMOUNTS)
    def hold(self, who: int, task: int, agent: int, amount: int) -> None:
        account, name = self.accounts[who], self.tasks[task]
        self.place(new_id(), Hold(account, name, self.agents[agent], amount, amount))

    @rule(who=WHO, task=st.integers(0, TASKS - 1), amount=PAID, many=st.integers(2, 4))
    def holds_at_once(self, who: int, task: int, amount: int, many: int) -> None:
        account, name = self.accounts[who], self.tasks[task]
        budget = bucks(self.model.budgets[name])
        ids = [new_id() for _ in range(many)]
        wanted = [hold_of(id_, name, bucks(amount), budget, self.agents[0]) for id_ in ids]

        async def together() -> list[Any]:
            asked = [self.desk.hold(account, one) for one in [*wanted, wanted[0]]]
            return await asyncio.gather(*asked, return_exceptions=True)

        *answers, again = self.runner.run(together())
        won = [id_ for id_, a in zip(ids, answers, strict=True) if isinstance(a, HoldReply)]
        fits = max(0, self.model.room(account, name)) // amount
        won += [ids[0]] if isinstance(again, HoldReply) and ids[0] not in won else []
        assert len(won) == min(many, fits)
        for id_ in won:
            assert (
                self.model.place(id_, Hold(account, name, self.agents[0], amount, amount)) is None
            )

    @precondition(lambda self: self.model.holds)
    @rule(pick=PICK, change=st.sampled_from(["", "agent", "asked", "task", "account", "replaces"]))
    def hold_again(self, pick: int, change: str) -> None:
        id_, known = self.chosen(pick)
        want = Hold(known.account, known.task, known.agent, known.asked, known.asked)
        want.replaces = known.replaces
        if change == "asked":
            want.asked += 1
        elif change == "replaces":
            want.replaces = None if known.replaces else "another"
        elif change == "account":
            want.account = next(one for one in self.accounts if one != known.account)
        elif change:
            others = self.agents if change == "agent" else self.tasks
            setattr(want, change, next(one for one in others if one != getattr(known, change)))
        self.place(id_, want)

    @precondition(lambda self: self.model.holds)
    @rule(pick=PICK, amount=AMOUNTS, who=st.integers(0, 9), more=st.integers(0, 300_000))
    def hold_in_the_place_of(self, pick: int, amount: int, who: int, more: int) -> None:
        instead, old = self.chosen(pick)
        account = old.account if who else self.accounts[0]
        self.model.budgets[old.task] += more  # The hold that says so may yet be declined.
        budget = bucks(self.model.budgets[old.task])
        id_, want = new_id(), Hold(account, old.task, self.agents[1], amount, amount)
        want.replaces = instead
        request = hold_of(id_, old.task, bucks(amount), budget, want.agent)
        request = request.model_copy(update={"replaces": instead})
        due = self.model.replace(id_, want)
        self.agrees(self.run(self.desk.hold(account, request)), due)
        if due is None:
            assert self.run(self.desk.hold(account, request)).held == bucks(amount)
        else:
            self.model.budgets[old.task] -= more

    @rule(who=WHO, cents=st.integers(1, 90), times=st.integers(1, 3))
    def top_up(self, who: int, cents: int, times: int) -> None:
        account, amount = self.accounts[who], Decimal(cents) / 100
        id_ = self.runner.run(self.desk.open_top_up(account, amount))

        async def told() -> list[str]:
            asked = [self.desk.pay_top_up(id_, amount) for _ in range(times)]
            return await asyncio.gather(*asked)

        came = self.runner.run(told())
        assert sorted(came) == ["credited"] + ["was credited before"] * (times - 1)
        self.model.top_up(account, micro(amount))
        self.top_ups.append([account, id_, cents, 0])

    @precondition(lambda self: self.top_ups)
    @rule(pick=PICK, cents=st.integers(1, 90), times=st.integers(1, 3))
    def take_a_top_up_back(self, pick: int, cents: int, times: int) -> None:
        found = self.top_ups[pick % len(self.top_ups)]
        account, id_, paid, back = found
        more = min(cents, paid - back)
        found[3] = back + more
        charge: dict[str, Any] = {
            "id": f"ch_{id_}",
            "object": "charge",
            "payment_intent": f"pi_{id_}",
        }
        charge["amount_refunded"] = back + more

        async def told() -> None:
            asked = [self.desk.stripe_tells("charge.refunded", charge, 0) for _ in range(times)]
            await asyncio.gather(*asked)

        self.runner.run(told())
        self.model.take_back(account, more * 10_000)

    @precondition(lambda self: self.model.holds)
    @rule(pick=PICK, amount=AMOUNTS, who=WHO)
    def extend(self, pick: int, amount: int, who: int) -> None:
        id_, known = self.chosen(pick)
        account = self.accounts[who]
        request = ExtendHold(hold_id=id_, amount=bucks(amount))
        due = self.model.extend(id_, account, amount)
        reply = self.agrees(self.run(self.desk.extend(account, request)), due)
        assert isinstance(reply, Refusal) or micro(reply.held) == known.held

    @precondition(lambda self: self.model.holds)
    @rule(pick=PICK, cost=st.integers(0, 110), external=st.integers(0, 60), full=st.booleans())
    def complete(self, pick: int, cost: int, external: int, full: bool) -> None:
        id_, known = self.chosen(pick)
        work = known.held if full else known.held * cost // 100
        bought = 0 if full else known.held * external // 100
        event = completed(
            known.task, id_, bucks(work), external_cost=bucks(bought), agent_id=known.agent
        )
        due, message = self.model.complete(id_, work, bought), new_id()
        self.tell(known.account, event, message, due)
        if due is None:
            self.told.append((known.account, event, message))

    @precondition(lambda self: self.model.holds)
    @rule(pick=PICK)
    def fail(self, pick: int) -> None:
        id_, known = self.chosen(pick)
        self.model.fail(id_, known.account, known.task, known.agent)
        event, message = failed(known.task, id_, agent_id=known.agent), new_id()
        self.tell(known.account, event, message, None)
        self.told.append((known.account, event, message))

    @rule(who=WHO, task=st.integers(0, TASKS - 1))
    def fail_before_it_is_held(self, who: int, task: int) -> None:
        account, id_ = self.accounts[who], new_id()
        self.model.fail(id_, account, self.tasks[task], self.agents[0])
        event = failed(self.tasks[task], id_, agent_id=self.agents[0])
        self.tell(account, event, new_id(), None)

    @precondition(lambda self: self.told)
    @rule(pick=PICK)
    def tell_again(self, pick: int) -> None:
        account, event, message = self.told[pick % len(self.told)]
        again = self.desk.fail if event.type == "step.failed" else self.desk.complete
        # The group of captures leaves out what it knows; the other consumer says so.
        with contextlib.suppress(AlreadyHandled):
            self.runner.run(again(account, event, message))

    def refundable(self) -> list[str]:
        return [id_ for id_, h in self.model.holds.items() if h.captured - h.fee > 0]

    def payment(self, step: str) -> str:
        if step not in self.payments:
            found = self.runner.run(
                self.desk.rows(
                    "SELECT id FROM payment.bazaarbucks_payments"
                    " WHERE step_id = $1 AND type = 'agent_payment'",
                    step,
                )
            )
            self.payments[step] = found[0].id
        return self.payments[step]

    @precondition(lambda self: self.refundable())
    @rule(pick=PICK, parts=PARTS, who=st.integers(0, 9))
    def refund(self, pick: int, parts: list[int | None], who: int) -> None:
        ids = self.refundable()
        for part in parts:
            self.refund_part(ids[pick % len(ids)], part, who)

    def refund_part(self, step: str, part: int | None, who: int) -> None:
        known = self.model.holds[step]
        account = known.account if who else self.accounts[0]
        amount = None if part is None else max(1, known.captured * part // 100)
        request = refund_of(self.payment(step), None if amount is None else bucks(amount))
        before = known.refunded
        due = self.model.refund(step, account, amount)
        reply = self.agrees(self.run(self.desk.refund(account, request)), due)
        if due is None:
            assert micro(reply.payment.amount) == known.refunded - before
            self.refunds.append((account, request, reply))

    @precondition(lambda self: self.refunds)
    @rule(pick=PICK)
    def refund_again(self, pick: int) -> None:
        account, request, reply = self.refunds[pick % len(self.refunds)]
        assert self.run(self.desk.refund(account, request)) == reply
        changed = request.model_copy(update={"amount": reply.payment.amount + bucks(1)})
        self.agrees(self.run(self.desk.refund(account, changed)), Conflict)

    def bought(self) -> list[str]:
        return [id_ for id_, h in self.model.holds.items() if h.external]

    @precondition(lambda self: self.bought())
    @rule(pick=PICK, who=st.integers(0, 9))
    def refund_what_was_bought(self, pick: int, who: int) -> None:
        ids = self.bought()
        step = ids[pick % len(ids)]
        account = self.model.holds[step].account if who else self.accounts[0]
        found = self.runner.run(
            self.desk.rows(
                "SELECT id FROM payment.stripe_payments WHERE step_id = $1 AND type = 'card_spend'",
                step,
            )
        )
        request = RefundCard(payment_id=found[0].id, refund_id=new_id())
        due = self.model.refund_card(step, account)
        reply = self.agrees(self.run(self.desk.refund_card(account, request)), due)
        if due is None:
            assert self.run(self.desk.refund_card(account, request)) == reply

    @rule(who=WHO, task=st.integers(0, TASKS - 1), agent=WHO, amount=PAID)
    def pay_by_hand(self, who: int, task: int, agent: int, amount: int) -> None:
        account, name = self.accounts[who], self.tasks[task]
        budget = bucks(self.model.budgets[name])
        request = entered(name, bucks(amount), agent_id=self.agents[agent], max_budget=budget)
        due = self.model.enter(
            request.payment_id, Hold(account, name, self.agents[agent], amount, amount)
        )
        reply = self.agrees(self.run(self.desk.enter(account, request)), due)
        if due is None:
            self.entries.append((account, request, reply))

    @precondition(lambda self: self.entries)
    @rule(pick=PICK, change=st.sampled_from(["", "amount", "agent_id", "task_id"]))
    def pay_by_hand_again(self, pick: int, change: str) -> None:
        account, request, reply = self.entries[pick % len(self.entries)]
        other = {"amount": request.amount + bucks(1), "agent_id": "x", "task_id": new_id()}
        changed = request.model_copy(update={change: other[change]} if change else {})
        answer = self.run(self.desk.enter(account, changed))
        if change:
            self.agrees(answer, Conflict)
        else:
            assert answer == reply

    @precondition(lambda self: self.refunds)
    @rule(pick=PICK, amount=PAID)
    def pay_by_hand_with_the_id_of_a_refund(self, pick: int, amount: int) -> None:
        account, refund, _ = self.refunds[pick % len(self.refunds)]
        request = entered(self.tasks[0], bucks(amount), payment_id=refund.refund_id)
        self.agrees(self.run(self.desk.enter(account, request)), (Conflict, PaymentRequired))

    def teardown(self) -> None:
        for step in self.refundable():
            self.refund_part(step, 33, 1)  # An uneven part of each, so that rounding shows.
        self.runner.run(compare(self.desk, self.model, self.agents))
        assert self.fees() - self.fees_before == self.model.fees()


@pytest.fixture
def desk(stack: Stack) -> Iterator[tuple[asyncio.Runner, Desk]]:
    """The handlers on a loop of their own; what they publish stays in the outbox."""
    config = payment_settings(stack, platform_fee_rate=Decimal(FEE[0]) / FEE[1])
    with asyncio.Runner() as runner:

        async def opened() -> Desk:
            service = build(config)
            return Desk(service, config)

        desk = runner.run(opened())
        yield runner, desk
        runner.run(desk.db.engine.dispose())


def test_the_books_are_the_models(desk: tuple[asyncio.Runner, Desk]) -> None:
    machine = type("TheBooks", (Books,), {"runner": desk[0], "desk": desk[1]})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=14,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
