"""A crash right before and right after every commit of a turn: nothing is done or paid twice."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from chassis.bus.envelopes import new_id
from chassis.db.transaction import Transaction
from chassis.outbox import relay
from chassis.service import Service
from chat_svc.domain import charge_id_of, negotiation_id_of, step_id_of
from chat_svc.orchestrator import Move, Say, Situation
from contracts.envelope import Envelope
from contracts.errors import Internal
from tests.chat.script import Script, Step, calls, invoke, results, tokens, use
from tests.chat.services import deciding, new_skill
from tests.support.scripted_agent import accepts, refuses, says
from tests.support.stack import Stack, running
from tests.support.talk import NOTHING, End, Talk
from tests.task.plans import wraps

POINTS = 11
"""Commits of the turn below: posted, three moves, two questions, three ends of steps, the charge,
the bill."""
SOON = 0.3
"""Seconds until the relay takes what did not leave from memory."""
POSTING = "chat.post_message"
PAID = "SELECT count(*) FROM payment.bazaarbucks_payments WHERE task_id = $1 GROUP BY step_id"


class Crash(Internal):
    """The process is gone: what it had in memory is lost."""

    def __init__(self) -> None:
        super().__init__("crash")


@dataclass
class Doom:
    """Crashes the first commits of every message: before they are made, or right after.

    Attributes:
        plans: for each account, whether the first, the second ... commit crashes after it was
            made, or before.
        crashes: how often each message's commit crashed.
    """

    plans: dict[str, tuple[bool, ...]] = field(default_factory=dict)
    crashes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def haunt(self, service: Service) -> None:
        """Have a service crash as planned."""
        whole = service.database.transaction

        @asynccontextmanager
        async def doomed(cause: Envelope | None = None, **how: bool) -> AsyncIterator[Transaction]:
            async with whole(cause, **how) as tx:
                yield tx
                if cause is not None and cause.account in self.plans:
                    self._crash(cause, tx)

        setattr(service.database, "transaction", doomed)  # noqa: B010  (mypy has no say in it)

    def _crash(self, cause: Envelope, tx: Transaction) -> None:
        # A request that is repeated is another message.
        what = POSTING if cause.type == POSTING else cause.id
        plan, before = self.plans[cause.account], self.crashes[cause.account, what]
        if before >= len(plan):
            return
        self.crashes[cause.account, what] += 1
        if not plan[before]:
            raise Crash

        def die() -> None:
            raise Crash

        tx.then(die)  # Ahead of what would leave from memory.

    def points(self, account: str) -> int:
        """At how many messages it crashed for an account."""
        return sum(one == account for one, _ in self.crashes)


async def test_a_crash_around_every_commit(
    stack: Stack, market: Talk, skill: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relay, "GRACE_S", SOON)
    script, doom, last = Script(market), Doom(), new_skill()
    services = [deciding(stack, script, charge_llm=True) for _ in range(2)]
    for service in services:
        doom.haunt(service)
    async with (
        running(*services),
        market.agent(skill, says("no", 500), price="0.10") as bad,
        market.agent(
            skill, wraps("good", 0.2), price="0.20", haggles=[refuses("No."), accepts()]
        ) as good,
        market.agent(last, wraps("last", 0.1)) as final,
    ):
        plans = [(False,), (True,), (False, True)]
        accounts = [await market.system.account() for _ in plans]
        doom.plans = dict(zip(accounts, plans, strict=True))
        steps = the_turn(bad.id, good.id, final.id)
        ends = await asyncio.gather(*(insist(script, account, steps) for account in accounts))
        await market.quiet()
        doom.plans.clear()
        for account, end in zip(accounts, ends, strict=True):
            await once(script, account, end)
    assert all(doom.points(account) >= POINTS for account in accounts)
    for agent, call_id, attempt in ((bad, "i", 0), (good, "i", 1), (final, "j", 0)):
        expected = [step_id_of(end.turn_id, call_id, attempt) for end in ends]
        assert sorted(agent.does.keys) == sorted(expected)


def the_turn(bad: str, good: str, final: str) -> tuple[Step, ...]:
    """Two questions, a chain whose first agent is replaced, the answer."""
    spent = tokens(1_000, 100)

    async def answer(situation: Situation, _say: Say) -> Move:
        return Move(results(situation)["j"]["result"], tokens=spent)

    return (
        calls(
            use("l", "list_agents"),
            use("n", "negotiate_price", agent_id=good, max_price="0.3"),
            tokens=spent,
        ),
        calls(invoke("i", bad, "sea"), invoke("j", final, {"$result": "i"}), tokens=spent),
        answer,
    )


async def insist(script: Script, account: str, steps: tuple[Step, ...]) -> End:
    """Say something, and again with the same id as whoever got no answer does."""
    turn_id, content = f"turn-{new_id()}", f"wish {new_id()}"
    script.scripts[content] = steps
    for _ in range(3):
        with contextlib.suppress(Internal):
            await script.talk.say(account, content, turn_id=turn_id, max_budget="5")
    return await script.talk.end(turn_id)


async def once(script: Script, account: str, end: End) -> None:
    """One answer, one payment for each step, and every sum agrees."""
    talk, about = script.talk, end.message.task_id
    assert end.text == "last(good(sea))"
    assert (end.status, len(talk.ends[end.turn_id])) == ("completed", 1)
    assert [one.role for one in await talk.messages(account)] == ["user", "assistant"]
    assert end.message.llm is not None
    assert end.message.llm.charged == end.message.llm.usd == Decimal("0.009")
    assert end.message.llm.input == 3_000
    assert end.total > NOTHING
    assert [row["count"] for row in await talk.system.rows(PAID, about)] == [1, 1, 1]
    assert await talk.system.wallet(account) == (100 - end.total, NOTHING)
    negotiated = [
        said.body["negotiationId"] for said in talk.events(end.turn_id, "price.negotiated")
    ]
    assert negotiated == [negotiation_id_of(end.turn_id, "n")]
    entered = talk.events(end.turn_id, "payment.entered")
    assert [said.body["paymentId"] for said in entered] == [charge_id_of(end.turn_id)]
    for type_ in ("turn.completed", "task.created", "task.completed"):
        assert len(talk.events(end.turn_id, type_)) == 1, type_
