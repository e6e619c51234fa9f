"""Disputes: money that a payer wants back after the time in which nobody asks why."""

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from contracts import api, bodies
from contracts.disputes import (
    DECIDE_DISPUTE,
    LIST_DISPUTES,
    NOTE_DISPUTE,
    OPEN_DISPUTE,
    DecideDispute,
    ListDisputes,
    NoteDispute,
    OpenDispute,
)
from gateway.asking import answer, ask, effect_of, known_id, made, shown
from gateway.auth import is_admin
from gateway.bodies import JsonRoute
from gateway.errors import problems
from gateway.pages import LINKED, Paging, listed
from gateway.parameters import PathId, StrictRoute

router = APIRouter(tags=["disputes"], route_class=StrictRoute)
posts = APIRouter(tags=["disputes"], route_class=JsonRoute)


_LIST = TypeAdapter(list[api.Dispute])


@posts.post(
    "/api/payments/bazaarbucks/{id}/dispute",
    summary="Ask for a payment back that is too old to be refunded at once",
    response_model=api.Dispute,
    responses=problems(400, 404, 409, 415, 504),
)
async def open_dispute(request: Request, id: PathId, body: bodies.NewDispute) -> Response:  # noqa: A002  (the path's own word)
    """Its seller may accept; else an admin decides. Until then it is not paid out."""
    order = made(
        OpenDispute,
        dispute_id=effect_of(request),
        payment_id=known_id(id, "Payment"),
        note=body.note,
        amount=body.amount,
    )
    return answer(shown(api.Dispute, (await ask(request, OPEN_DISPUTE, order)).dispute))


@router.get(
    "/api/disputes",
    summary="Disputes, newest first",
    response_model=list[api.Dispute],
    responses={200: LINKED, **problems(504)},
)
async def list_disputes(request: Request, page: Paging) -> Response:
    """Of the account, as payer or as seller; an admin sees all."""
    question = ListDisputes(limit=page.limit, cursor=page.cursor, as_admin=is_admin(request))
    return await listed(request, page, LIST_DISPUTES, question, _LIST)


@posts.post(
    "/api/disputes/{id}/note",
    summary="Say one's own side of a dispute",
    response_model=api.Dispute,
    responses=problems(400, 404, 409, 415, 504),
)
async def note_dispute(request: Request, id: PathId, body: bodies.DisputeNote) -> Response:  # noqa: A002  (as above)
    """In place of what this side said before, until it is decided."""
    order = NoteDispute(dispute_id=known_id(id, "Dispute"), note=body.note)
    return answer(shown(api.Dispute, (await ask(request, NOTE_DISPUTE, order)).dispute))


@posts.post(
    "/api/disputes/{id}/decision",
    summary="Decide a dispute",
    response_model=api.Dispute,
    responses=problems(400, 404, 409, 415, 504),
)
async def decide_dispute(request: Request, id: PathId, body: bodies.Decision) -> Response:  # noqa: A002  (as above)
    """Its seller may accept it; an admin may accept or refuse."""
    order = DecideDispute(
        dispute_id=known_id(id, "Dispute"),
        accept=body.accept,
        note=body.note,
        as_admin=is_admin(request),
    )
    return answer(shown(api.Dispute, (await ask(request, DECIDE_DISPUTE, order)).dispute))
