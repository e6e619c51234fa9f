"""Answers that are pages of a list: written straight from rows, for services or for the API.

A page has up to 500 rows. Each as a model, validated and written twice over, costs many times what
reading them did, and the rows are our own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, get_type_hints

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json
from typing_extensions import TypedDict

from chassis.db.pages import MOST_PAGE_BYTES
from chassis.observability.terminal import escaped_bytes
from contracts.base import Model, ReplyT

Made = Callable[[Any], object]


class Written:
    """Writes rows as a model would be written, without making one."""

    def __init__(self, model: type[Model], made: Mapping[str, Made]) -> None:
        """Find out what the model's fields are; what they hold is not validated."""
        hints = get_type_hints(model, include_extras=True)
        fields = {name: hints[name] for name in model.model_fields}
        typed: Any = TypedDict  # mypy knows only those that are written out.
        as_dict = typed(f"{model.__name__}Row", fields)
        as_dict.__pydantic_config__ = model.model_config
        self._fields = [(name, made.get(name) or attrgetter(name)) for name in fields]
        self._adapter: TypeAdapter[Any] = TypeAdapter(as_dict)
        self._inner = {
            name: TypeAdapter(kind) for name, kind in fields.items() if _has_models(kind)
        }

    def __call__(self, row: object) -> bytes:
        """A row's JSON: of anything that has the model's fields as attributes."""
        values = {name: of(row) for name, of in self._fields}
        for name, adapter in self._inner.items():
            values[name] = adapter.validate_python(values[name], from_attributes=True)
        return escaped_bytes(self._adapter.dump_json(values, by_alias=True))


class Listing(Generic[ReplyT]):
    """A list of a service: what its pages are as replies, and as the API shows them."""

    def __init__(
        self, reply: type[ReplyT], view: type[Model], shown: type[Model], **made: Made
    ) -> None:
        """Prepare the writing of rows.

        Args:
            reply: the message with a page: its items and `next_cursor`.
            view: what its items are.
            shown: what they are in the API's JSON.
            made: how a field is made of a row, when it is not simply in it.
        """
        (name,) = set(reply.model_fields) - {"next_cursor"}
        self._name = to_json(reply.model_fields[name].alias or name)
        self._view = Written(view, made)
        self._shown = Written(shown, made)

    def written(self, page: "Listed[ReplyT]", *, shown: bool) -> tuple[bytes, str | None]:
        """A page's body, and the cursor of the next one if the body does not tell it."""
        write = self._shown if shown else self._view
        items = _fitting([*page.rows[: page.limit]], write)
        after = page.after(page.rows, len(items))
        if page.newest_last:
            items.reverse()
        array = b"[%s]" % b",".join(items)
        if shown:
            return array, after
        return b'{%s:%s,"nextCursor":%s}' % (self._name, array, to_json(after)), None


@dataclass(frozen=True, slots=True)
class Listed(Generic[ReplyT]):
    """A page of a list, which is written when it is known for whom.

    Attributes:
        listing: which list.
        rows: newest first, with one more than `limit` when there are more.
        limit: how many are shown at most; fewer when they are heavy.
        after: the cursor behind so many of the rows.
        newest_last: whether they are shown the other way round.
    """

    listing: Listing[ReplyT]
    rows: Sequence[Any]
    limit: int
    after: Callable[[Sequence[Any], int], str | None]
    newest_last: bool = False

    def written(self, *, shown: bool) -> tuple[bytes, str | None]:
        """Its body, and the cursor of the next page if the body does not tell it."""
        return self.listing.written(self, shown=shown)


def _fitting(rows: list[Any], write: Written) -> list[bytes]:
    """The first of these, as many as one page carries; at least one."""
    weight = 0
    items: list[bytes] = []
    for row in rows:
        item = write(row)
        weight += len(item)
        if items and weight > MOST_PAGE_BYTES:
            break
        items.append(item)
    return items


def _has_models(kind: Any) -> bool:
    if isinstance(kind, type):
        return issubclass(kind, BaseModel)
    return any(_has_models(inner) for inner in getattr(kind, "__args__", ()))
