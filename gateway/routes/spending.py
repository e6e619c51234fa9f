"""Credentials that may spend no more than so much: sessions, and keys made over HTTP."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import TypeAdapter

from contracts import api, bodies
from contracts.errors import Invalid, NotFound
from contracts.spending import (
    CLOSE_SPENDER,
    GET_SPENDER,
    LIST_SPENDERS,
    OPEN_SPENDER,
    CloseSpender,
    GetSpender,
    ListSpenders,
    OpenSpender,
    SpenderKind,
)
from gateway import spenders
from gateway.asking import (
    answer,
    ask,
    cause_of,
    gateway_of,
    known_id,
    made,
    said_again,
    shown,
    spender_of,
)
from gateway.auth import admin_only
from gateway.bodies import JsonRoute
from gateway.errors import problems
from gateway.identity import Identity
from gateway.pages import LINKED, Paging, listed
from gateway.parameters import PathId, StrictRoute

router = APIRouter(tags=["spending"], route_class=StrictRoute)
posts = APIRouter(tags=["spending"], route_class=JsonRoute)


_LIST = TypeAdapter(list[api.Credential])
LIMITED = "A credential that has limits makes no others."


@posts.post(
    "/api/sessions",
    summary="Make a spending session",
    response_model=api.NewCredential,
    responses=problems(400, 403, 409, 415, 504),
)
async def open_session(request: Request, body: bodies.NewSession) -> Response:
    """A credential of the account that can spend `limit` in all; its `token` is shown this once.

    It calls agents, asks for quotes and sees its own tasks, and nothing else of the account.
    """
    identity: Identity | None = getattr(request.state, "identity", None)
    if identity is not None and identity.limited:
        raise HTTPException(403, LIMITED)
    return await _opened(request, "session", {**dict(body), "scopes": ["read", "write"]})


@router.get(
    "/api/sessions",
    summary="The spending sessions, newest first",
    response_model=list[api.Credential],
    responses={200: LINKED, **problems(504)},
)
async def list_sessions(request: Request, page: Paging) -> Response:
    """Each with what it holds, what it spent, what remains, and whether it is over."""
    question = ListSpenders(kind="session", limit=page.limit, cursor=page.cursor)
    return await listed(request, page, LIST_SPENDERS, question, _LIST)


@router.get(
    "/api/session",
    summary="What is left of the credential that asks",
    response_model=api.Credential,
    responses=problems(404, 504),
)
async def get_session(request: Request) -> Response:
    """Its limits, what it holds and what it spent; 404 for a key of the command line or a token."""
    spender = spender_of(request)
    if spender is None:
        raise NotFound("What your credential spends is not counted.")
    view = await ask(request, GET_SPENDER, GetSpender(spender_id=spender))
    return answer(shown(api.Credential, view))


@router.delete(
    "/api/sessions/{id}",
    summary="Revoke a spending session",
    response_model=api.Credential,
    responses=problems(404, 504),
)
async def close_session(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """At once nothing more is held for it; calls that run are finished and paid."""
    return await _closed(request, "session", id)


@posts.post(
    "/api/keys",
    summary="Make an API key",
    response_model=api.NewCredential,
    responses=problems(400, 409, 415, 504),
    dependencies=[Depends(admin_only)],
)
async def open_key(request: Request, body: bodies.NewKey) -> Response:
    """Of any account, with limits or without; its `token` is shown this once."""
    return await _opened(request, "key", dict(body))


@router.get(
    "/api/keys",
    summary="The API keys made here, newest first",
    response_model=list[api.Credential],
    responses={200: LINKED, **problems(504)},
    dependencies=[Depends(admin_only)],
)
async def list_keys(request: Request, page: Paging) -> Response:
    """Of all accounts, without their secrets; those of the command line are not among them."""
    question = ListSpenders(kind="key", all=True, limit=page.limit, cursor=page.cursor)
    return await listed(request, page, LIST_SPENDERS, question, _LIST)


@router.delete(
    "/api/keys/{id}",
    summary="Revoke an API key made here",
    response_model=api.Credential,
    responses=problems(404, 504),
    dependencies=[Depends(admin_only)],
)
async def close_key(request: Request, id: PathId) -> Response:  # noqa: A002  (the path's own word)
    """It spends nothing more at once, and is refused within seconds everywhere."""
    return await _closed(request, "key", id)


async def _opened(request: Request, kind: SpenderKind, fields: dict[str, Any]) -> Response:
    """Make a credential, for the account that `fields` name or else the caller's."""
    said_again(request)  # The answer has a secret in it, which is kept nowhere.
    ends = fields["expires_at"]
    if ends is not None and ends <= datetime.now(UTC):
        raise Invalid("expiresAt: it is over")
    id_, token, hash_ = spenders.fresh()
    account = fields.pop("account", None)
    order = made(OpenSpender, spender_id=id_, kind=kind, hash=hash_, **fields)
    cause = cause_of(request)
    if account is not None:
        cause = cause.model_copy(update={"account": account})
    view = await gateway_of(request).link.ask(OPEN_SPENDER, order, cause)
    return answer(api.NewCredential(**dict(shown(api.Credential, view)), token=token))


async def _closed(request: Request, kind: SpenderKind, id_: str) -> Response:
    spender = known_id(id_, "Credential")
    order = CloseSpender(spender_id=spender, kind=kind, any_account=kind == "key")
    view = await ask(request, CLOSE_SPENDER, order)
    gateway_of(request).spenders.forget(spender)
    return answer(shown(api.Credential, view))
