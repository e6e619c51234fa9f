"""The books: the wallet, statements, receipts, refunds, payments by hand."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter

from contracts import api, bodies
from contracts.ledger import (
    CHECK_LEDGER,
    ENTER_PAYMENT,
    GET_RECEIPT,
    GET_WALLET,
    LIST_ENTRIES,
    REFUND_PAYMENT,
    CheckLedger,
    EnterPayment,
    GetReceipt,
    GetWallet,
    LedgerCheck,
    ListEntries,
    RefundPayment,
)
from contracts.registry import GET_AGENT, GetAgent
from contracts.task import GET_TASK, GetTask
from gateway.asking import answer, ask, effect_of, known_id, made, only_own, shown
from gateway.auth import admin_only
from gateway.bodies import JsonRoute
from gateway.errors import problems
from gateway.pages import LINKED, SAME, Paging, listed
from gateway.parameters import PathId, StrictRoute, Truth

router = APIRouter(tags=["books"], route_class=StrictRoute)
posts = APIRouter(tags=["books"], route_class=JsonRoute)


_ENTRY_LIST = TypeAdapter(list[api.LedgerEntry])


@router.get(
    "/api/wallet",
    summary="The wallet",
    response_model=api.Wallet,
    responses={**SAME, **problems(404, 504)},
)
async def get_wallet(request: Request) -> Response:
    """What is in it, what of that is set aside for running steps, and what is available."""
    wallet = await ask(request, GET_WALLET, GetWallet())
    return answer(shown(api.Wallet, wallet))


@router.get(
    "/api/ledger",
    summary="A statement, newest first",
    response_model=list[api.LedgerEntry],
    responses={200: LINKED, **problems(504)},
)
async def list_ledger_entries(
    request: Request,
    page: Paging,
    account: Annotated[str, Query(min_length=1, max_length=80)] = "wallet",
) -> Response:
    """Lines of `wallet`, `agent:<id>`, `platform_fees`, `card_clearing` or `hold:<task id>`."""
    question = made(ListEntries, ledger_account=account, limit=page.limit, cursor=page.cursor)
    return await listed(request, page, LIST_ENTRIES, question, _ENTRY_LIST)


@router.get(
    "/api/ledger/check",
    summary="Whether the books add up",
    response_model=LedgerCheck,
    responses=problems(504),
    dependencies=[Depends(admin_only)],
)
async def check_ledger(request: Request, full: Truth = False) -> Response:
    """Every rule of the books, with how many rows break it.

    It reads what moved since the latest checkpoint; with `full` everything, which takes as long
    as the books are thick.
    """
    check = await ask(request, CHECK_LEDGER, CheckLedger(full=full))
    return answer(check)


@router.get(
    "/api/tasks/{id}/receipt",
    summary="What each step of a task cost",
    response_model=api.Receipt,
    responses=problems(404, 504),
)
async def get_receipt(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """Quoted, held, charged, fee, refunded and external, step by step, and the totals."""
    task_id = known_id(id, "Task")
    await only_own(request, task_id)
    await ask(request, GET_TASK, GetTask(task_id=task_id))
    receipt = await ask(request, GET_RECEIPT, GetReceipt(task_id=task_id))
    return answer(shown(api.Receipt, receipt))


@posts.post(
    "/api/payments/bazaarbucks",
    summary="Pay an agent by hand",
    response_model=api.BazaarBucksPayment,
    responses=problems(400, 402, 404, 409, 415, 504),
)
async def pay_agent(request: Request, body: bodies.NewPayment) -> Response:
    """Through the same ledger, within the task's budget; the task counts it as a step."""
    task = (await ask(request, GET_TASK, GetTask(task_id=body.task_id))).task
    await ask(request, GET_AGENT, GetAgent(agent_id=body.agent_id))
    order = EnterPayment(
        payment_id=body.payment_id or effect_of(request),
        task_id=task.id,
        agent_id=body.agent_id,
        amount=body.amount,
        max_budget=task.max_budget,
    )
    entered = await ask(request, ENTER_PAYMENT, order)
    return answer(shown(api.BazaarBucksPayment, entered.payment))


@posts.post(
    "/api/payments/bazaarbucks/{id}/refund",
    summary="Give back what was paid for a step",
    response_model=api.BazaarBucksPayment,
    responses=problems(400, 404, 409, 415, 504),
)
async def refund_payment(request: Request, id: PathId, body: bodies.Refund) -> Response:  # noqa: A002  (as above)
    """In full without an `amount`, else in part; the task's cost follows."""
    order = RefundPayment(
        payment_id=known_id(id, "Payment"),
        refund_id=body.refund_id or effect_of(request),
        amount=body.amount,
    )
    refunded = await ask(request, REFUND_PAYMENT, order)
    return answer(shown(api.BazaarBucksPayment, refunded.payment))
