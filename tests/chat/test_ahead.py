"""What is read for a turn while it is stored: it saves time, and nothing hangs on it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chassis.bus.calls import Bus
from chassis.bus.envelopes import new_id
from chassis.db.transaction import Transaction
from chat_svc import ahead
from chat_svc.ahead import Ahead
from chat_svc.orchestrator import Move
from contracts.envelope import Envelope
from contracts.errors import Internal, Refusal, TooSlow
from contracts.listings import CHOOSE_AGENTS
from tests.chat.script import Script
from tests.chat.services import deciding
from tests.support.stack import Stack, running
from tests.support.talk import Talk


@pytest.fixture
async def chat(stack: Stack, market: Talk) -> AsyncIterator[Script]:
    """A chat service whose orchestrator is the test's, and who talks to it."""
    script = Script(market)
    async with running(deciding(stack, script)):
        yield script


@contextmanager
def looks(monkeypatch: pytest.MonkeyPatch, *refuses: bool) -> Iterator[list[str]]:
    """For which messages the market is looked at, by their types; the n-th look may be refused."""
    whole, asked = Bus.ask, list[str]()

    async def ask(self: Bus, call: Any, request: Any, cause: Envelope) -> Any:
        if call.subject == CHOOSE_AGENTS.subject:
            asked.append(cause.type)
            if any(refuses[len(asked) - 1 : len(asked)]):
                raise TooSlow("The registry did not answer in time.")
        return await whole(self, call, request, cause)

    with monkeypatch.context() as listening:
        listening.setattr(Bus, "ask", ask)
        yield asked


async def test_the_order_to_think_finds_what_was_read_for_it(
    chat: Script, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ahead, "FRESH_S", 60.0)
    account = await chat.talk.system.account()
    await chat.reply(account, Move("One."))
    with looks(monkeypatch) as asked:
        end = await chat.reply(account, Move("Two."))
    assert end.text == "Two."
    assert asked == ["chat.post_message"]
    assert [one.answer for one in chat.last(end).history] == ["One."]


@pytest.mark.parametrize("why", ["too many", "too old", "refused"])
async def test_an_order_for_which_nothing_was_read_reads_by_itself(
    chat: Script, monkeypatch: pytest.MonkeyPatch, why: str
):
    monkeypatch.setattr(ahead, "MOST", 0 if why == "too many" else 8)
    monkeypatch.setattr(ahead, "FRESH_S", 0.0 if why == "too old" else 60.0)
    account = await chat.talk.system.account()
    with looks(monkeypatch, why == "refused") as asked:
        end = await chat.reply(account, Move("Done."))
    assert end.text == "Done."
    assert asked[-1].startswith("chat.think")


async def test_nothing_is_kept_of_a_turn_that_was_not_stored(
    chat: Script, monkeypatch: pytest.MonkeyPatch
):
    whole, forgotten, taken = Transaction.flush, list[str](), list[str]()
    turn_id = new_id()

    async def flush(self: Transaction, statement: Any) -> None:
        if self.cause is not None and self.cause.type == "chat.post_message" and not forgotten:
            raise Internal("it fails at the last moment")
        await whole(self, statement)

    def forget(self: Ahead, id_: str) -> None:
        forgotten.append(id_)
        taken.extend(self._reading)
        sound(self, id_)

    sound = Ahead.forget
    monkeypatch.setattr(Transaction, "flush", flush)
    monkeypatch.setattr(Ahead, "forget", forget)
    account = await chat.talk.system.account()
    with pytest.raises(Refusal):
        await chat.talk.say(account, "hello", turn_id=turn_id)
    assert forgotten == [turn_id]
    assert taken == [turn_id]
