"""What a schema cannot say of a request that is right: loaded by the schemathesis command."""

import os
import re
from typing import Any
from uuid import uuid4

import schemathesis

CREDENTIAL = os.environ.get("BAZAAR_CREDENTIAL")
LONG_TEXTS = os.environ.get("BAZAAR_LONG_TEXTS") == "true"
"""Whether texts as long as they may be are made up, which is most of the work of a run."""
QUIET = frozenset({"/api/events", "/api/hubchat/stream"})
"""Streams of what happens from now on, which may be nothing: they are read from the beginning."""
_KEY = re.compile(r"[!-~]{1,200}")
_CURSOR = re.compile(r"[!-~]{0,200}")


@schemathesis.hook
def before_load_schema(_context: Any, document: dict[str, Any]) -> None:
    """Say nothing of the limits of long texts, unless they are to be tried."""
    schemas = document["components"]["schemas"]
    if not LONG_TEXTS:
        del schemas["NewTask"]["properties"]["userQuery"]["maxLength"]
        del schemas["ChatInput"]["properties"]["content"]["maxLength"]


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Make each key a new one, and leave out cursors that no list has handed out; see `QUIET`.

    An id that an earlier answer left empty would make the path another one.
    """
    for name, value in (case.path_parameters or {}).items():
        if value in ("", None):
            case.path_parameters[name] = "nobody"
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and _KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = f"{uuid4().hex}-{key}"[:200]
    cursor = (case.query or {}).get("cursor")
    if isinstance(cursor, str) and _CURSOR.fullmatch(cursor):
        del case.query["cursor"]
    if case.operation.path in QUIET and not (case.headers or {}).get("Last-Event-ID"):
        case.headers["Last-Event-ID"] = "0"


if CREDENTIAL:

    @schemathesis.auth()
    class Bearer:
        """Says who asks; the checks take it away again to see what happens then."""

        def get(self, _case: Any, _context: Any) -> str | None:
            return CREDENTIAL

        def set(self, case: Any, data: str, _context: Any) -> None:
            case.headers["Authorization"] = f"Bearer {data}"
