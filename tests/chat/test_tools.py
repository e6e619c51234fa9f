"""Moves with tools: one, several side by side, a chain; what is wrong with one can be mended."""

from decimal import Decimal

import pytest

from chat_svc import marketplace
from chat_svc.domain import negotiation_id_of, step_id_of, task_id_of
from chat_svc.orchestrator import Move, Say, Situation, ToolCall
from contracts.task import LIST_TASKS
from tests.chat.script import Script, calls, invoke, results, use
from tests.chat.services import new_skill
from tests.support.scripted_agent import accepts, answers, is_busy, refuses, says
from tests.support.talk import NOTHING
from tests.task.plans import wraps

DONE = Move("All done.", result="done")
HOLD = "SELECT status, list_price FROM payment.holds WHERE id = $1"


async def test_one_tool(script: Script, skill: str):
    account = await script.talk.system.account()
    async with script.talk.agent(skill, answers("Waves.", 0.1)) as poet:
        end = await script.reply(account, calls(invoke("c1", poet.id), text="Let me see."), DONE)
    (done,) = script.last(end).rounds
    assert (done.text, done.calls[0].input["agent_id"]) == ("Let me see.", poet.id)
    found = results(script.last(end))["c1"]
    assert Decimal(found.pop("cost")) == Decimal("0.1")
    assert Decimal(found.pop("external_cost")) == 0
    assert found == {
        "call_id": "c1",
        "agent_id": poet.id,
        "agent": poet.name,
        "skill": skill,
        "status": "completed",
        "result": "Waves.",
        "troubles": [],
    }
    assert poet.does.keys == [step_id_of(end.turn_id, "c1", 0)]
    assert (end.text, end.message.orchestrator, end.message.llm) == ("All done.", "script", None)
    assert (end.status, end.total, end.bill) == (
        "completed",
        Decimal("0.1"),
        {poet.name: Decimal("0.1")},
    )
    assert script.last(end).left == Decimal("0.9")


async def test_two_side_by_side_and_their_results_together(script: Script, skill: str):
    account, other = await script.talk.system.account(), new_skill()
    async with (
        script.talk.agent(skill, answers("one", 0.1)) as one,
        script.talk.agent(other, answers("two", 0.2), price="0.20") as two,
    ):
        both = calls(invoke("c1", one.id), invoke("c2", two.id))
        end = await script.reply(account, both, DONE)
    (done,) = script.last(end).rounds
    assert [result.call_id for result in done.results] == ["c1", "c2"]
    assert [one["result"] for one in results(script.last(end)).values()] == ["one", "two"]
    assert len(script.asked[end.turn_id]) == 2
    assert (end.status, end.total) == ("completed", Decimal("0.3"))


async def test_a_chain_of_moves(script: Script, skill: str):
    """The second move uses the result of the first by its id; the raw form comes back."""
    account, after = await script.talk.system.account(), new_skill()
    async with (
        script.talk.agent(skill, wraps("first", 0.1)) as first,
        script.talk.agent(after, wraps("second", 0.2), price="0.20") as second,
    ):
        end = await script.reply(
            account,
            calls(invoke("c1", first.id, "sea"), raw={"words": ["kept", 1]}),
            calls(invoke("c2", second.id, {"$result": "c1"})),
            DONE,
        )
    rounds = script.last(end).rounds
    assert rounds[0].raw == {"words": ["kept", 1]}
    assert results(script.last(end))["c2"]["result"] == "second(first(sea))"
    plans = script.talk.events(end.turn_id, "plan.proposed")
    assert [plan.body["round"] for plan in plans] == [0, 1]
    assert (end.status, end.total) == ("completed", Decimal("0.3"))


async def test_one_waits_for_another_of_the_same_move(script: Script, skill: str):
    account, after = await script.talk.system.account(), new_skill()
    async with (
        script.talk.agent(skill, wraps("first", 0.1)) as first,
        script.talk.agent(after, wraps("second", 0.2), price="0.20") as second,
    ):
        move = calls(invoke("b", second.id, {"$result": "a"}), invoke("a", first.id, "sea"))
        end = await script.reply(account, move, DONE)
    assert results(script.last(end))["b"]["result"] == "second(first(sea))"
    assert (end.status, end.total) == ("completed", Decimal("0.3"))


async def test_what_waits_for_a_failed_call_fails_with_it_and_the_move_ends(
    script: Script, skill: str
):
    account, after = await script.talk.system.account(), new_skill()
    async with (
        script.talk.agent(skill, says({"detail": "Out of ink."}, 500)) as bad,
        script.talk.agent(after) as never,
    ):
        move = calls(invoke("a", bad.id), invoke("b", never.id, {"$result": "a"}))
        end = await script.reply(account, move, DONE)
    found = results(script.last(end))
    assert (found["a"]["reason"], found["b"]["reason"]) == ("agent_error", "dependency_failed")
    assert "Out of ink" in found["a"]["error"]
    assert all(one.error for one in script.last(end).rounds[0].results)
    assert never.does.calls == []
    assert (end.status, end.total) == ("failed", NOTHING)


async def test_bad_calls_come_back_as_errors_and_are_mended(script: Script, skill: str):
    account = await script.talk.system.account()
    async with script.talk.agent(skill, answers("Waves.", 0.1)) as poet:
        end = await script.reply(
            account,
            calls(use("a", "fly"), invoke("b", "nobody"), use("c", "invoke_agent", skill=skill)),
            calls(invoke("d", poet.id), invoke("e", poet.id, {"$result": "b"})),
            DONE,
        )
    rounds = script.last(end).rounds
    assert [one.error for one in rounds[0].results] == [True, True, True]
    assert [one.error for one in rounds[1].results] == [False, True]
    assert len(poet.does.calls) == 1
    assert (end.text, end.status, end.total) == ("All done.", "completed", Decimal("0.1"))


async def test_inputs_that_are_none_come_back_as_errors(script: Script):
    account = await script.talk.system.account()
    wrong = ['"text"', ["a", "list"], None, 7, {"n": float("nan")}]
    made = [ToolCall(f"t{n}", "get_task", input_) for n, input_ in enumerate(wrong)]
    end = await script.reply(account, calls(*made, use("good", "get_task")), DONE)
    found = results(script.last(end))
    assert [found[call.id]["status"] for call in made] == ["failed"] * len(made)
    assert found["good"]["status"] == "not_begun"
    assert len(script.asked[end.turn_id]) == 2
    assert end.text == "All done."


async def test_a_move_whose_ids_are_no_good_ends_the_turn_honestly(script: Script, skill: str):
    account = await script.talk.system.account()
    async with script.talk.agent(skill) as poet:
        end = await script.reply(account, calls(invoke("a", poet.id), invoke("a", poet.id)))
    assert "cannot be carried out" in end.text
    assert (end.message.task_id, poet.does.calls) == (None, [])


async def test_the_agents_and_the_task_can_be_looked_at(script: Script, skill: str):
    account = await script.talk.system.account()
    looks = use("l", "list_agents", skill=skill.upper()), use("t", "get_task")
    async with script.talk.agent(skill, answers("Waves.", 0.1)) as poet:
        end = await script.reply(
            account,
            calls(*looks),
            calls(invoke("i", poet.id)),
            calls(use("t2", "get_task"), use("l2", "list_agents", skill="no such skill")),
            DONE,
        )
    situation = script.last(end)
    before, after = results(situation, 0), results(situation, 2)
    (listed,) = before["l"]["agents"]
    assert (listed["agent_id"], listed["agent"], listed["available"]) == (poet.id, poet.name, True)
    assert (listed["price"], listed["negotiable"]) == ("0.100000", False)
    assert (before["t"]["status"], before["t"]["steps"]) == ("not_begun", [])
    assert Decimal(before["t"]["left"]) == 1
    assert after["l2"] == {"agents": []}
    (step,) = after["t2"]["steps"]
    assert (step["result"], step["status"]) == ("Waves.", "completed")
    assert Decimal(after["t2"]["cost"]) == Decimal("0.1")
    assert Decimal(after["t2"]["left"]) == Decimal("0.9")
    assert (end.status, end.total) == ("completed", Decimal("0.1"))


async def test_the_account_is_looked_at_and_nobody_elses(script: Script, skill: str):
    account, other = await script.talk.system.account(), await script.talk.system.account()
    async with script.talk.agent(skill, answers("Waves.", 0.1)) as poet:
        first = await script.reply(account, calls(invoke("i", poet.id)), DONE)
    looks = use("w", "get_wallet"), use("t", "list_tasks"), use("r", "get_receipt")
    end = await script.reply(account, calls(*looks), DONE)
    seen = results(script.last(end))
    (task,) = seen["t"]["tasks"]
    assert task["task_id"] == seen["r"]["task_id"] == first.message.task_id
    (line,) = seen["r"]["lines"]
    assert (line["agent_id"], Decimal(line["charged"])) == (poet.id, Decimal("0.1"))
    assert Decimal(seen["r"]["total"]) == Decimal(task["cost"]) == Decimal("0.1")
    assert Decimal(seen["w"]["held"]) == 0
    assert (end.message.task_id, end.message.cost_breakdown) == (None, None)

    stranger = use("r", "get_receipt", task_id=first.message.task_id)
    theirs = await script.reply(other, calls(use("t", "list_tasks"), stranger), DONE)
    seen = results(script.last(theirs))
    assert seen["t"] == {"tasks": []}
    assert not seen["r"].get("lines")


async def test_tools_alone_make_no_task(script: Script):
    account = await script.talk.system.account()
    end = await script.reply(account, calls(use("l", "list_agents")), Move("Many."))
    assert (end.text, end.message.task_id, end.message.cost_breakdown) == ("Many.", None, None)
    assert (await script.talk.system.ask(LIST_TASKS, account)).tasks == []


async def test_a_busy_agent_is_replaced_and_the_result_says_so(
    script: Script, skill: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(marketplace, "SAMPLE", 0)  # As when so many others are older.
    account = await script.talk.system.account()
    async with (
        script.talk.agent(skill, is_busy()) as busy,
        script.talk.agent(skill, answers("Waves.", 0.2), price="0.20") as free,
    ):
        end = await script.reply(account, calls(invoke("a", busy.id)), DONE)
    found = results(script.last(end))["a"]
    assert (found["agent_id"], found["result"]) == (free.id, "Waves.")
    assert busy.name in found["troubles"][0]
    assert "busy" in found["troubles"][0]
    holds = [await script.talk.system.rows(HOLD, step_id_of(end.turn_id, "a", n)) for n in (0, 1)]
    assert [rows[0]["status"] for rows in holds] == ["released", "captured"]
    assert (end.status, end.total, end.bill) == (
        "completed",
        Decimal("0.2"),
        {free.name: Decimal("0.2")},
    )


async def test_a_failure_that_a_later_move_makes_good(script: Script, skill: str):
    account = await script.talk.system.account()
    async with script.talk.agent(skill, says("no", 500), answers("Waves.", 0.1)) as moody:
        end = await script.reply(
            account, calls(invoke("a", moody.id)), calls(invoke("b", moody.id)), DONE
        )
    assert (end.status, end.total) == ("completed", Decimal("0.1"))


async def test_a_call_never_costs_more_than_its_limit(script: Script, skill: str):
    account = await script.talk.system.account()
    async with script.talk.agent(skill, answers("Waves.", 5), price="0.20") as greedy:
        move = calls(invoke("a", greedy.id, max_price="0.15"))
        end = await script.reply(account, move, DONE)
    assert end.total == Decimal("0.15")


async def test_a_price_that_was_agreed_on_is_paid(script: Script, skill: str):
    account = await script.talk.system.account()
    talk = script.talk

    async def with_the_agreement(situation: Situation, _say: Say) -> Move:
        return calls(invoke("b", poet.id, negotiation_id=results(situation)["n"]["negotiation_id"]))

    haggles = [refuses("Too little."), accepts()]
    async with talk.agent(skill, answers("Waves.", 1), price="1", haggles=haggles) as poet:
        end = await script.reply(
            account,
            calls(use("n", "negotiate_price", agent_id=poet.id, max_price="5")),
            with_the_agreement,
            DONE,
            max_budget="0.9",
        )
    agreed = results(script.last(end), 0)["n"]
    assert agreed["agreed"], agreed
    assert agreed["negotiation_id"] == negotiation_id_of(end.turn_id, "n")
    assert Decimal(agreed["list_price"]) == 1
    assert all(Decimal(offer["offered"]) <= Decimal("0.9") for offer in agreed["offers"])
    assert end.total == Decimal(agreed["price"]) < 1
    (event,) = talk.events(end.turn_id, "price.negotiated")
    assert event.body["taskId"] == task_id_of(end.turn_id)
    (call,) = poet.does.calls
    assert call.payload["negotiated_price"] == float(agreed["price"])
