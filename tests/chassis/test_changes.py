"""Whose data changed is told: after the commit, before the reply, and not when nothing changed."""

import asyncio
from collections.abc import Sequence
from functools import partial

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from chassis.bus.changes import Changes
from chassis.bus.envelopes import new_id, origin
from chassis.db.database import Database
from chassis.db.groups import GroupCommit, Member
from chassis.db.transaction import Transaction
from chassis.handling.injection import Reading
from contracts.changes import MOST_ACCOUNTS, TELLS, Changed, subject
from contracts.envelope import Envelope
from contracts.errors import Conflict
from tests.chassis import probe
from tests.chassis.probe import ASK, Answer, Happened, Question
from tests.support.polling import eventually
from tests.support.stack import Stack, running


async def answer(request: Question, tx: Transaction, here: Envelope, db: Database) -> Answer:
    """Write something, for the account that asks and for others; or fail after that was done."""
    await probe.note(tx.conn, request.text, "written")
    if request.text.startswith("others"):
        tx.touches("bob")
        tx.publish(Happened(task_id=new_id()), account="carl")
    if request.text.startswith("conflict"):
        async with db.transaction(here) as other:
            await probe.note(other.conn, request.text, "kept")
        raise Conflict("After something was done.")
    return Answer(text=request.text)


async def look(request: Question, tx: Reading) -> Answer:
    await probe.note(tx.conn, request.text, "looked")
    return Answer(text=request.text)


class Ear:
    """What comes over one connection, in its order: hints that name accounts, and replies."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: list[list[str] | str | None] = []
        self.headers: dict[str, str] = {}

    async def listen(self) -> None:
        await self.client.subscribe(">", cb=self._hear)
        await self.client.flush()
        await self.client.flush()

    async def _hear(self, message: Msg) -> None:
        if message.subject == subject("probe"):
            accounts = Changed.model_validate_json(message.data).accounts
            if accounts is None or accounts:
                self.heard.append(accounts)
        elif message.subject == "here":
            self.heard.append("reply")
            self.headers = message.headers or {}

    async def ask(self, text: str, account: str) -> list[list[str] | str | None]:
        """All that is heard up to the reply."""
        self.heard.clear()
        headers = origin("admin", "probe.ask", account).headers()
        body = Question(text=text).model_dump_json().encode()
        await self.client.publish(ASK.subject, body, reply="here", headers=headers)
        await eventually(self._replied)
        return self.heard[: self.heard.index("reply")]

    async def _replied(self) -> bool:
        return "reply" in self.heard


async def test_a_hint_is_ahead_of_the_reply(probe_stack: Stack) -> None:
    client = await nats.connect(probe_stack.nats_url)
    ear = Ear(client)
    service = probe.build(probe_stack)
    service.answer(ASK, partial(answer, db=service.database))
    async with running(service):
        await ear.listen()
        for _ in range(3):
            assert await ear.ask("mine", "ann") == [["ann"]]
            assert ear.headers[TELLS] == "true"
        assert await ear.ask("others", "ann") == [["ann", "bob", "carl"]]
        assert await ear.ask("conflict", "ann") == [["ann"]]
    async with running(probe.build(probe_stack, look)):
        assert await ear.ask("nothing", "ann") == []
        assert ear.headers[TELLS] == "true"
    await client.close()


async def test_a_group_names_all_its_accounts_and_too_many_are_everybody(
    probe_stack: Stack,
) -> None:
    client = await nats.connect(probe_stack.nats_url)
    ear = Ear(client)
    service = probe.build(probe_stack)

    async def work(_tx: Transaction, _group: Sequence[Member[str]]) -> None:
        """Nothing; who takes part is what counts."""

    async with running(service):
        await ear.listen()
        group: GroupCommit[str] = GroupCommit(service.database, work)
        people = ["ann", "bob", "carl"]
        await asyncio.gather(
            *(group.add("c", origin("test", "test", name), "item") for name in people)
        )

        async def heard() -> bool:
            return bool(ear.heard)

        await eventually(heard)
        assert ear.heard[0] == people
        ear.heard.clear()
        service.changes.note(f"account-{number}" for number in range(MOST_ACCOUNTS + 1))
        await eventually(heard)
        assert ear.heard[0] is None
    await client.close()


async def test_changes_of_one_moment_are_one_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.bus.changes.GATHER_S", 0.2)
    sent: list[list[str] | None] = []

    class Sending:
        async def publish(self, _subject: str, body: bytes) -> None:
            sent.append(Changed.model_validate_json(body).accounts)

    async def client() -> Client:
        return Sending()  # type: ignore[return-value]  # as far as it is used

    changes = Changes("probe", client)
    changes.note(["ann"])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for name in ("bob", "carl", "bob"):
        changes.note([name])
    assert sent == [["ann"]]
    await changes.tell()
    assert sent == [["ann"], ["bob", "carl"]]
    await changes.tell()
    changes.note([])
    changes.note(["dora"])

    async def told() -> bool:
        return len(sent) > 2

    await eventually(told)
    assert sent[2:] == [["dora"]]
