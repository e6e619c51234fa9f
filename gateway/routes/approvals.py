"""Steps that wait for a person, and what the person says."""

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import TypeAdapter

from contracts import api
from contracts.approvals import (
    DECIDE_APPROVAL,
    LIST_APPROVALS,
    ApprovalList,
    DecideApproval,
    ListApprovals,
)
from contracts.base import Call
from gateway.asking import answer, as_shown, ask, known_id
from gateway.errors import problems
from gateway.identity import Identity
from gateway.pages import LINKED, Paging, page_of
from gateway.parameters import PathId, StrictRoute

router = APIRouter(tags=["spending"], route_class=StrictRoute)


class ShownApprovals(ApprovalList):
    """A page of approvals, with numbers."""

    approvals: list[api.Approval]  # type: ignore[assignment]  # approvals with numbers


_MANY = as_shown(LIST_APPROVALS, ShownApprovals)
_DECIDE: Call[DecideApproval, api.Approval] = as_shown(DECIDE_APPROVAL, api.Approval)
_LIST = TypeAdapter(list[api.Approval])
LIMITED = "A credential that has limits approves nothing."


@router.get(
    "/api/approvals",
    summary="The steps that wait, or waited, for a person, newest first",
    response_model=list[api.Approval],
    responses={200: LINKED, **problems(504)},
)
async def list_approvals(request: Request, page: Paging) -> Response:
    """Those that cost more than their session or key may spend unasked (its `approveAbove`)."""
    question = ListApprovals(limit=page.limit, cursor=page.cursor)
    found = await ask(request, _MANY, question)
    return page_of(request, page, found.approvals, _LIST, found.next_cursor)


@router.post(
    "/api/steps/{id}/approve",
    summary="Let a step go on that waits for a person",
    response_model=api.Approval,
    responses=problems(403, 404, 409, 504),
)
async def approve_step(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """Up to the `amount` that it waits with; then its money is set aside and its agent called."""
    return await _decided(request, id, approve=True)


@router.post(
    "/api/steps/{id}/reject",
    summary="Let a step fail that waits for a person",
    response_model=api.Approval,
    responses=problems(403, 404, 409, 504),
)
async def reject_step(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """Nothing is set aside for it, and its agent is not called."""
    return await _decided(request, id, approve=False)


async def _decided(request: Request, id_: str, *, approve: bool) -> Response:
    identity: Identity | None = getattr(request.state, "identity", None)
    if identity is not None and identity.limited:
        raise HTTPException(403, LIMITED)
    order = DecideApproval(step_id=known_id(id_, "Step"), approve=approve)
    approval = await ask(request, _DECIDE, order)
    return answer(approval)
