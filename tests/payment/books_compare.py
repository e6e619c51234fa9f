"""Whether the real books are those of the model."""

from tests.payment.books_helpers import Desk, micro
from tests.payment.books_model import Model


async def compare(desk: Desk, model: Model, agents: list[str]) -> None:
    """The check is clean, and every balance is the model's."""
    assert await desk.broken() == []
    names = [f"wallet:{one}" for one in model.grants] + [f"agent:{one}" for one in agents]
    found = {
        row.id: (micro(row.posted), micro(row.held), micro(row.owed))
        for row in await desk.rows(
            "SELECT id, posted, held, owed FROM payment.ledger_accounts WHERE id = ANY($1)", names
        )
    }
    for one in model.grants:
        left, held = model.grants[one] - model.spent(account=one), model.held(account=one)
        assert found[f"wallet:{one}"] == (left, held, max(0, held - left))
    for one in agents:
        assert found.get(f"agent:{one}", (0, 0, 0)) == (model.earned(one), 0, 0)
    for task, owner in model.owners.items():
        await compare_task(desk, model, task, owner)


async def compare_task(desk: Desk, model: Model, task: str, owner: str) -> None:
    """A task's receipt and budget are the model's."""
    receipt = await desk.receipt(owner, task)
    lines = {line.step_id: line for line in receipt.lines}
    due = {
        id_: (h.status, h.asked, h.held, h.captured, h.external, h.fee, h.refunded + h.bought_back)
        for id_, h in model.holds.items()
        if h.task == task and h.account == owner and (h.status != "released" or h.asked)
    }
    assert {
        id_: (
            one.status,
            *(
                micro(amount)
                for amount in (
                    one.quoted,
                    one.held,
                    one.charged,
                    one.external,
                    one.fee,
                    one.refunded,
                )
            ),
        )
        for id_, one in lines.items()
    } == due
    assert micro(receipt.total) == model.spent(task=task) <= model.budgets[task]
    (budget,) = await desk.rows(
        "SELECT held, captured FROM payment.budgets WHERE task_id = $1", task
    )
    assert (micro(budget.held), micro(budget.captured)) == (
        model.held(task=task),
        model.spent(task=task),
    )
