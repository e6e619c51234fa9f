"""Turns that the release before began: its plan becomes the first round, and is gone on with.

Can go when no turn of that release is open any more, two minutes after its last replica stopped.
"""

from decimal import Decimal
from typing import Any

from chassis.db.transaction import Transaction
from chat_svc import store, store_rounds, telling
from chat_svc.domain import Choice, StoredCall, Work, finished
from contracts.task import RESULT_KEY


async def known(tx: Transaction, turn: store.Found) -> tuple[store.Found, list[StoredCall]]:
    """A locked turn and its calls; those of the release before are made its calls first."""
    calls = await store_rounds.calls_of(tx.conn, turn.id)
    if calls or turn.progress is None:
        return turn, calls
    calls = [_call(str(n), work) for n, work in enumerate(turn.progress["works"])]
    await store_rounds.insert_round(
        tx.conn, turn_id=turn.id, round=0, text="", raw={"notes": turn.progress.get("notes", [])}
    )
    await store_rounds.insert_calls(tx.conn, turn.id, calls)
    orchestrator = turn.progress["orchestrator"]
    changes = {"round": 1, "task_begun": True, "orchestrator": orchestrator, "progress": None}
    return await store.update_turn(tx.conn, turn.id, **changes), calls


def _call(id_: str, old: dict[str, Any]) -> StoredCall:
    choices = [
        Choice.model_validate(one | {"payload": _referring(one["payload"])})
        for one in old["choices"]
    ]
    ended = {"completed": True, "failed": False}.get(old["status"])
    work = Work(
        skill=old["skill"],
        choices=choices,
        depends_on=[str(index) for index in old["dependsOn"]],
        attempt=old["attempt"],
        troubles=old["troubles"],
        finished=ended,
    )
    first = choices[0]
    input_ = {"agent_id": first.agent_id, "skill": work.skill, "payload": first.payload}
    call = StoredCall(id_, 0, "invoke_agent", input_, work)
    if ended is None:
        return call
    if ended:
        nothing = Decimal(0)  # What it cost was not kept; the bill says it.
        said = telling.completed(call, old["result"] or "", nothing, nothing)
    else:
        said = telling.failed(call, "agent_error", old["error"] or "")
    return finished(call, said, well=ended)


def _referring(value: Any) -> Any:
    """A payload that refers to calls by their ids, not by their places."""
    if isinstance(value, dict):
        if set(value) == {RESULT_KEY} and isinstance(value[RESULT_KEY], int):
            return {RESULT_KEY: str(value[RESULT_KEY])}
        return {key: _referring(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_referring(item) for item in value]
    return value
