"""What a schema cannot say of a request that is right: loaded by the schemathesis command."""

import itertools
import re
from typing import Any

import schemathesis

_KEY = re.compile(r"[!-~]{1,200}")
_CURSOR = re.compile(r"[!-~]{0,200}")
_numbers = itertools.count()


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Make keys new ones, and leave out cursors that no list has handed out."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and _KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = f"{next(_numbers)}-{key}"[:200]
    cursor = (case.query or {}).get("cursor")
    if isinstance(cursor, str) and _CURSOR.fullmatch(cursor):
        del case.query["cursor"]
