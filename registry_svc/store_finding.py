"""SQL of looking for agents: pages of what fits, and candidates for a choice."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Integer,
    Numeric,
    Select,
    String,
    Text,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    union,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db.statements import Statement
from contracts.listings import Filters, Sorting
from registry_svc.domain import Agent
from registry_svc.pricing import SURGES
from registry_svc.store import COLUMNS, ON_SALE
from registry_svc.tables import agent_words, agents

PRICE_NOW = agents.c.base_price * case(
    *((agents.c.active <= top, factor) for top, factor in SURGES[:-1]), else_=SURGES[-1][1]
)
"""As `pricing.dynamic_price` has it."""
MOST_CANDIDATES = 400
"""Agents that are read for one choice, about; shared by the words that are looked for."""
FEWEST_PER_WORD, MOST_PER_WORD = 10, 80
"""Of the cheapest that have a word, and half as many of the best rated."""
FEW_AWAY = 5
"""Of those that do not answer, just enough to say that they are there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: behind the agent with this sort key and number."""

    key: Decimal
    seq: int


def sort_key(agent: Agent, sort: Sorting) -> Decimal:
    """What an agent is sorted by, beside its number."""
    return {"price": agent.base_price, "rating": agent.stars}.get(sort, Decimal(0))


async def page(
    conn: AsyncConnection,
    filters: Filters,
    words: Sequence[str],
    owner: tuple[str, bool] | None,
    sort: Sorting,
    after: Place | None,
    limit: int,
) -> list[Agent]:
    """Agents that fit, one more than `limit` if there is one.

    Args:
        conn: in whose transaction.
        filters: what they have to be like.
        words: all of which they are found by.
        owner: whose they are, and whether also those that are not on the market.
        sort: their order.
        after: where the page before ended.
        limit: how many are wanted.
    """
    query = select(*COLUMNS).where(*_fitting(filters, words, owner))
    if after is not None:
        query = query.where(_behind(sort, after))
    found = await conn.execute(_sorted(query, sort).limit(limit + 1))
    return [Agent(**row) for row in found.mappings()]


def _fitting(
    filters: Filters, words: Sequence[str], owner: tuple[str, bool] | None
) -> list[ColumnElement[bool]]:
    asked: list[ColumnElement[bool]] = []
    if owner is not None:
        asked.append(agents.c.owner == owner[0])
    if owner is None or not owner[1]:
        asked.append(ON_SALE)
    for word in words:
        has = select(literal(1)).where(
            agent_words.c.agent_id == agents.c.id, agent_words.c.word == word
        )
        asked.append(has.exists())
    if filters.available is not None:
        asked.append(agents.c.available.is_(filters.available))
    if filters.max_price is not None:
        # The first is for the index.
        asked += [agents.c.base_price <= filters.max_price, filters.max_price >= PRICE_NOW]
    if filters.min_rating is not None:
        asked.append(agents.c.stars >= filters.min_rating)
    return asked


def _behind(sort: Sorting, after: Place) -> ColumnElement[bool]:
    key, seq = agents.c.base_price, agents.c.seq
    if sort == "newest":
        return seq < after.seq
    if sort == "oldest":
        return seq > after.seq
    if sort == "price":
        return and_(key >= after.key, or_(key > after.key, seq > after.seq))
    stars = agents.c.stars
    return and_(stars <= after.key, or_(stars < after.key, seq > after.seq))


def _sorted(query: Select[Any], sort: Sorting) -> Select[Any]:
    seq = agents.c.seq
    if sort == "newest":
        return query.order_by(seq.desc())
    if sort == "price":
        return query.order_by(agents.c.base_price, seq)
    return query.order_by(agents.c.stars.desc(), seq) if sort == "rating" else query.order_by(seq)


async def candidates(
    conn: AsyncConnection,
    words: Sequence[str],
    ids: Sequence[str],
    sample: int,
    max_price: Decimal | None,
    *,
    away: bool,
) -> list[Agent]:
    """Agents on the market that have one of the words: of each the cheapest and the best rated.

    Args:
        conn: in whose transaction.
        words: roots, or a whole skill.
        ids: who is read in any case.
        sample: how many of the oldest are read in any case.
        max_price: BazaarBucks per call, at the present load.
        away: whether some of those that do not answer are read too.
    """
    each = max(FEWEST_PER_WORD, min(MOST_PER_WORD, MOST_CANDIDATES // max(1, len(words))))
    asked = {
        "words": list(words),
        "ids": list(ids),
        "sample": sample,
        "cheapest": each,
        "best": each // 2,
        "max_price": max_price,
    }
    return await _candidates(away=away, limited=max_price is not None).all(conn, asked)


@cache
def _candidates(*, away: bool, limited: bool) -> Statement[Agent]:
    wanted = select(func.unnest(bindparam("words", type_=ARRAY(Text))).label("word")).subquery()
    ids = any_(bindparam("ids", type_=ARRAY(String)))
    oldest = select(agents.c.id).where(ON_SALE).order_by(agents.c.seq).limit(_number("sample"))
    stars = agent_words.c.stars.desc()
    found: list[Select[Any]] = [
        select(agents.c.id).where(agents.c.id == ids),
        select(oldest.subquery()),
        _best(wanted, _number("cheapest"), available=True),
        _best(wanted, _number("best"), available=True, by=stars),
    ]
    if away:
        found.append(_best(wanted, FEW_AWAY, available=False))
    ids_found = union(*found).subquery()
    one = select(*COLUMNS).where(agents.c.id == ids_found.c.id, ON_SALE)
    if not away:
        one = one.where(agents.c.available)
    if limited:
        one = one.where(bindparam("max_price", type_=Numeric) >= PRICE_NOW)
    # One after the other, by their ids: the planner would rather read all of the market, once, for
    # some hundred of it. An offset of none keeps it from that.
    row = one.offset(literal_column("0")).lateral()
    return Statement(select(row).select_from(ids_found.join(row, literal(True))), Agent)


def _number(name: str) -> BindParameter[Any]:
    return bindparam(name, type_=Integer)


def _best(
    wanted: Any,
    most: int | BindParameter[Any],
    *,
    available: bool,
    by: ColumnElement[Any] = agent_words.c.base_price,
) -> Select[Any]:
    """The first so many of each word, as the index of that order has them."""
    one = (
        select(agent_words.c.agent_id)
        .where(agent_words.c.word == wanted.c.word, agent_words.c.available.is_(available))
        .order_by(by, agent_words.c.agent_id)
        .limit(most)
        .lateral()
    )
    return select(one.c.agent_id).select_from(wanted.join(one, literal(True)))
