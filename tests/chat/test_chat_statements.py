"""What a turn costs the database: a number of statements that does not grow with history."""

import pytest
from sqlalchemy import event

from chat_svc.orchestrator import Move
from tests.chat.script import Script, calls, invoke, use
from tests.chat.services import deciding
from tests.support.scripted_agent import answers
from tests.support.stack import Stack, running
from tests.support.talk import Talk

OURS = (
    "chat.turns",
    "chat.rounds",
    "chat.calls",
    "chat.messages",
    "chat.inbox",
    "INTO chat.chat_outbox",
)


@pytest.mark.parametrize("calls_at_once", [1, 4])
async def test_a_turn_with_work_and_a_question(
    stack: Stack, market: Talk, skill: str, calls_at_once: int
):
    script, statements = Script(market), list[str]()
    chat = deciding(stack, script, watch_s=3_600, reconcile_s=3_600)

    @event.listens_for(chat.database.engine.sync_engine, "before_cursor_execute")
    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if any(table in statement for table in OURS):
            statements.append(" ".join(statement.split()))

    async with running(chat), market.agent(skill, answers("Waves.", 0.1)) as poet:
        account = await market.system.account()
        work = calls(*(invoke(f"a{n}", poet.id) for n in range(calls_at_once)))
        # What other tests left behind is dealt with by whatever service is there.
        await market.quiet()
        rounds = list[list[str]]()
        for _again in range(3):
            statements.clear()
            await script.reply(account, work, calls(use("b", "get_task")), Move("Done."))
            await market.quiet()
            rounds.append(list(statements))
        # Posted: turn, message, messages out; what the first move is decided by is read meanwhile.
        # Each of three moves: turn, history, moves, calls, but for the first tokens; inbox, turn
        # locked, move, turn, messages out. With calls: these. The first of a task: the person's
        # message.
        # A result, of a step: inbox, turn locked, calls, call. The last of its move: turn and
        # messages out. Of a tool: the turn and its calls before that.
        # The end of the turn is in its last move; the bill: inbox, turn locked, calls, tokens,
        # message, turn, messages out.
        moves = 3 * (5 + 5) - 1 + 2 + 1
        results = 4 * calls_at_once + 2 + 2 + 4 + 2
        # What others left behind may come due meanwhile, and only adds: not in every round.
        fewest = min(rounds, key=len)
        assert len(fewest) == 3 + moves + results + 7, "\n".join(fewest)
