"""What people say is stored once, with one turn; everyone reads their own conversation."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis import topology
from chassis.bus import stored
from chassis.bus.envelopes import new_id, origin
from chassis.endings import end
from chassis.keeper import Keeper
from chassis.keeping.forgetting import WORDS
from chassis.observability.telemetry import kind_of
from chat_svc import store
from chat_svc.domain import task_id_of
from contracts.chat import (
    FORGET_MESSAGES,
    LIST_MESSAGES,
    MAX_CONTENT,
    POST_MESSAGE,
    MessageView,
)
from contracts.envelope import ERROR_CODE, ERROR_TEXT, TURN
from contracts.errors import Busy, Conflict, Invalid, NotFound, Refusal
from contracts.topology import EVENTS
from contracts.turns import GET_TURN, TurnView
from contracts.users import ADMIN
from tests.support.polling import eventually
from tests.support.scripted_agent import answers, waits_for
from tests.support.stack import Stack
from tests.support.talk import Talk

HELLO = "Hello"


async def test_what_is_posted_is_stored_with_a_turn(talk: Talk):
    account, turn_id = await talk.system.account(), new_id()
    said = "  What agents\n are available?\t"
    reply = await talk.system.ask(POST_MESSAGE, account, turn_id=turn_id, content=said)
    assert (reply.turn_id, reply.message.content, reply.message.role) == (turn_id, said, "user")
    turn = await talk.turn(turn_id)
    assert (turn["account"], turn["content"], turn["max_budget"]) == (account, said, 1)
    assert turn["deadline_at"] - turn["created_at"] == timedelta(seconds=120)
    assert (await talk.messages(account))[0] == reply.message
    await talk.end(turn_id)


async def test_posting_again_is_answered_the_same(talk: Talk):
    account, turn_id = await talk.system.account(), new_id()
    same = {"turn_id": turn_id, "content": HELLO}
    replies = await asyncio.gather(
        *(talk.system.ask(POST_MESSAGE, account, **same) for _ in range(4))
    )
    await talk.end(turn_id)
    late = await talk.system.ask(POST_MESSAGE, account, **same)
    assert late.answer == (await talk.messages(account))[-1]
    replies.append(late)
    assert all(reply.model_copy(update={"answer": None}) == replies[0] for reply in replies)
    assert [message.role for message in await talk.messages(account)] == ["user", "assistant"]
    assert len(talk.events(turn_id, "message.posted")) == 2


async def test_a_turn_id_stands_for_one_message_of_one_account(talk: Talk):
    account, other = await talk.system.account(), await talk.system.account()
    turn_id = await talk.say(account, HELLO)
    with pytest.raises(Conflict):
        await talk.say(account, f"{HELLO}!", turn_id=turn_id)
    with pytest.raises(Conflict):
        await talk.say(other, HELLO, turn_id=turn_id)
    await talk.end(turn_id)
    assert await talk.messages(other) == []
    assert len(await talk.messages(account)) == 2


async def test_long_turn_ids_that_begin_alike_are_told_apart(talk: Talk):
    account, most = await talk.system.account(), f"{new_id()}{new_id()}"
    ids = [most[:62], most[:63], f"{most[:63]}-", f"{most[:62]}-u", most]
    ends = [await talk.reply(account, HELLO, turn_id=id_) for id_ in ids]
    assert [end.turn_id for end in ends] == ids
    assert len({message.id for message in await talk.messages(account)}) == 10


@pytest.mark.parametrize(
    "request_",
    [
        {"content": ""},
        {"content": " \t\n\u00a0\u3000"},
        {"content": "half a \ud83d"},
        {"content": "a\x00b"},
        {"content": "x" * (MAX_CONTENT + 1)},
        {"content": 5},
        {"content": None},
        {"content": HELLO, "turnId": "with a space"},
        {"content": HELLO, "turnId": "x" * 65},
        {"content": HELLO, "turnId": ""},
        {"content": HELLO, "maxBudget": "-0.1"},
        {"content": HELLO, "maxBudget": "0.0000001"},
        {"content": HELLO, "maxBudget": "NaN"},
        {"content": HELLO, "maxBudget": "1000001"},
    ],
)
async def test_what_makes_no_sense_is_refused_and_not_stored(talk: Talk, request_: dict[str, Any]):
    account, turn_id = await talk.system.account(), f"turn-{new_id()}"
    body = json.dumps({"turnId": turn_id} | request_).encode()
    headers = origin(ADMIN, "chat.post_message", account).headers()
    client = await talk.system.bus.client()
    answer = await client.request(POST_MESSAGE.subject, body, timeout=10, headers=headers)
    assert answer.headers is not None
    assert answer.headers[ERROR_CODE] == "422"
    assert answer.headers[ERROR_TEXT]
    assert await talk.messages(account) == []
    query = "SELECT 1 FROM chat.turns WHERE account = $1"
    assert await talk.system.rows(query, account) == []


async def test_messages_are_listed_oldest_first_page_by_page(talk: Talk):
    account, other = await talk.system.account(), await talk.system.account()
    said = await insert(talk, account, [f"message {n}" for n in range(130)])
    await insert(talk, other, ["not yours"] * 3)
    newest = await talk.messages(account)
    assert [message.content for message in newest] == said[-100:]
    pages = await all_pages(talk, account, limit=50)
    assert [len(page) for page in pages] == [30, 50, 50]
    assert [message.content for page in pages for message in page] == said
    assert len(await talk.messages(account, limit=130)) == 130
    (page,) = await all_pages(talk, account, limit=500)
    assert len(page) == 130


async def test_a_page_of_long_messages_still_fits_into_an_answer(talk: Talk):
    account = await talk.system.account()
    said = await insert(talk, account, [f"{n} " + "\N{WATER WAVE}" * 199_990 for n in range(4)])
    pages = await all_pages(talk, account)
    assert len(pages) > 1
    assert [message.content for page in pages for message in page] == said


async def test_messages_of_one_task_page_by_page(talk: Talk, skill: str):
    account = await talk.system.account()
    async with talk.agent(skill):
        one, other = [await talk.reply(account, f"Write a {skill} about {n}") for n in (1, 2)]
    about = one.message.task_id
    asked, answered = await talk.messages(account, task_id=about)
    assert (asked.content, answered) == (f"Write a {skill} about 1", one.message)
    pages = await all_pages(talk, account, limit=1, task_id=about)
    assert pages == [[asked], [answered]]
    assert len(await talk.messages(account)) == 4
    stranger = await talk.system.account()
    assert await talk.messages(stranger, task_id=about) == []
    assert await talk.messages(account, task_id="unknown") == []
    assert other.message.task_id != about


async def test_what_was_said_about_a_task_is_forgotten_and_what_it_cost_is_not(
    talk: Talk, skill: str
):
    account, stranger = await talk.system.account(), await talk.system.account()
    async with talk.agent(skill):
        end = await talk.reply(account, f"Write a {skill} about my secret")
        kept = await talk.reply(account, f"Write a {skill} about the sea")
    about = {"task_id": end.message.task_id}
    with pytest.raises(NotFound):
        await talk.system.ask(FORGET_MESSAGES, stranger, **about)
    assert (await talk.system.ask(FORGET_MESSAGES, account, **about)).messages == 2
    with pytest.raises(NotFound):
        await talk.system.ask(FORGET_MESSAGES, account, **about)
    assert await talk.messages(account, **about) == []
    assert (await talk.messages(account))[-1] == kept.message
    turns = await talk.system.rows("SELECT * FROM chat.turns WHERE account = $1", account)
    assert len(turns) == 2
    assert "secret" not in str([dict(turn) for turn in turns])
    assert await talk.system.task(account, task_id_of(end.turn_id)) == end.task
    with pytest.raises(Conflict, match="forgotten"):
        await talk.say(account, f"Write a {skill} about my secret", turn_id=end.turn_id)


@contextlib.asynccontextmanager
async def keeping(stack: Stack) -> AsyncIterator[None]:
    """The keeper of the bus, who alone may delete there."""
    keeper = Keeper(topology.Settings(_env_file=None, nats_url=stack.nats_url))
    at_work = asyncio.create_task(keeper.run())
    try:
        yield
    finally:
        await end(at_work)


async def test_the_event_stream_forgets_it_too(stack: Stack, talk: Talk, skill: str):
    account, client = await talk.system.account(), await talk.system.bus.client()
    async with talk.agent(skill):
        gone = await talk.reply(account, f"Write a {skill} about my secret")
        about = gone.message.task_id
        stays = await talk.reply(account, f"Write a {skill} about the sea")

    async def turns(*about: str | None) -> set[str]:
        """The turns whose words the stream still has about these."""
        pages = [
            await stored.read(client, EVENTS.name, f"bazaar.evt.*.*.{one}", 1, 100) for one in about
        ]
        found = [one for page in pages for one in page.messages if kind_of(one.subject) in WORDS]
        return {one.headers[TURN] for one in found}

    async def wishes(task_id: str | None) -> list[bool]:
        """Of each task's beginning that the stream still has, whether it tells the secret."""
        subject = f"bazaar.evt.task.created.{task_id}"
        page = await stored.read(client, EVENTS.name, subject, 1, 100)
        return ["my secret" in one.data.decode() for one in page.messages]

    assert await turns(gone.turn_id) == await turns(about) == {gone.turn_id}
    assert await wishes(about) == [True]
    await talk.system.ask(FORGET_MESSAGES, account, task_id=about)
    later = await talk.reply(account, f"Write a {skill} about me", task_id=about)

    async def none() -> bool:
        query = "SELECT forgotten_at FROM chat.turns WHERE id = $1"
        ((at,),) = await talk.system.rows(query, gone.turn_id)
        return at is None

    async with keeping(stack):
        await eventually(none)
    assert await turns(gone.turn_id, about) == {later.turn_id}
    assert await wishes(about) == []
    assert await wishes(stays.message.task_id) == [False]
    assert await turns(stays.turn_id) == {stays.turn_id}


async def test_what_became_of_a_turn(talk: Talk, skill: str):
    account, stranger, gate = await talk.system.account(), "a-stranger", asyncio.Event()
    async with talk.agent(skill, waits_for(gate, answers("Waves."))) as slow:
        turn_id = await talk.say(account, f"Write a {skill} about the sea")
        await slow.does.called()
        asked = await talk.system.ask(GET_TURN, account, turn_id=turn_id)
        assert asked == TurnView(turn_id=turn_id, task_id=task_id_of(turn_id), done=False)
        gate.set()
        end = await talk.end(turn_id)
    ended = await talk.system.ask(GET_TURN, account, turn_id=turn_id)
    assert (ended.done, ended.task_id, ended.message) == (True, task_id_of(turn_id), end.message)
    for who, asked_for in ((stranger, turn_id), (account, "unknown")):
        with pytest.raises(NotFound, match="Turn not found"):
            await talk.system.ask(GET_TURN, who, turn_id=asked_for)
    alone = await talk.reply(account, "What agents are available?")
    found = await talk.system.ask(GET_TURN, account, turn_id=alone.turn_id)
    assert (found.task_id, found.message) == (None, alone.message)
    await talk.system.ask(FORGET_MESSAGES, account, task_id=task_id_of(turn_id))
    forgotten = await talk.system.ask(GET_TURN, account, turn_id=turn_id)
    assert (forgotten.done, forgotten.message) == (True, None)


async def test_a_task_that_is_worked_on_is_not_forgotten(talk: Talk, skill: str):
    account, gate = await talk.system.account(), asyncio.Event()
    async with talk.agent(skill, waits_for(gate, answers("Waves."))) as slow:
        turn_id = await talk.say(account, f"Write a {skill} about the sea")
        await slow.does.called()
        with pytest.raises(Busy):
            await talk.system.ask(FORGET_MESSAGES, account, task_id=task_id_of(turn_id))
        gate.set()
        await talk.end(turn_id)
    assert len(await talk.messages(account)) == 2


async def test_what_is_said_while_it_is_forgotten_is_not_lost(
    talk: Talk, skill: str, monkeypatch: pytest.MonkeyPatch
):
    account, gate = await talk.system.account(), asyncio.Event()
    delete, said = store.delete_messages, list[str]()

    async def delete_meanwhile(conn: AsyncConnection, whose: str, task_id: str) -> int:
        wish = f"Write a {skill} about the moon"
        said.append(await talk.say(account, wish, task_id=task_id))
        return await delete(conn, whose, task_id)

    async with talk.agent(skill, answers("Waves."), waits_for(gate, answers("Moon."))):
        end = await talk.reply(account, f"Write a {skill} about the sea")
        monkeypatch.setattr(store, "delete_messages", delete_meanwhile)
        with pytest.raises(Busy):
            await talk.system.ask(FORGET_MESSAGES, account, task_id=end.message.task_id)
        gate.set()
        assert (await talk.end(said[0])).text == "Moon."
    assert len(await talk.messages(account)) == 4


@pytest.mark.parametrize("cursor", ["nonsense", "LTE", "MTIzCjQ1Ng", "OTk5OTk5OTk5OTk5OTk5OTk5OQ"])
async def test_a_cursor_that_is_not_ours_is_refused(talk: Talk, cursor: str):
    with pytest.raises(Refusal) as refused:
        await talk.messages("demo", cursor=cursor)
    assert isinstance(refused.value, Invalid)


async def insert(talk: Talk, account: str, contents: list[str]) -> list[str]:
    """Messages of long ago."""
    query = """
        INSERT INTO chat.messages (id, account, turn_id, role, content)
        SELECT gen_random_uuid()::text, $1, 'long-ago', 'user', content
        FROM unnest($2::text[]) WITH ORDINALITY AS said (content, place) ORDER BY place
    """
    await talk.system.rows(query, account, contents)
    return contents


async def all_pages(talk: Talk, account: str, **page: Any) -> list[list[MessageView]]:
    """All pages of a conversation, oldest first."""
    pages: list[list[MessageView]] = []
    cursor: str | None = None
    while True:
        found = await talk.system.ask(LIST_MESSAGES, account, **page, cursor=cursor)
        pages.insert(0, found.messages)
        cursor = found.next_cursor
        if cursor is None:
            return pages
