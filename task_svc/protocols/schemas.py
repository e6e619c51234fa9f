"""Whether a payload is at fault when a tool fails, as far as its schema tells without effort.

Patterns and the like are not tried: they are a stranger's, and may take for ever.
"""

from collections.abc import Mapping
from typing import Any

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def complaint(schema: Mapping[str, Any], payload: Mapping[str, Any]) -> str | None:
    """What is wrong with a payload, as a sentence's end; None when nothing plain is."""
    required, known = schema.get("required"), schema.get("properties")
    if isinstance(required, list):
        for name in required:
            if isinstance(name, str) and name not in payload:
                return f"it lacks {name[:100]}"
    if not isinstance(known, Mapping):
        return None
    for name, value in payload.items():
        about = known.get(name)
        if about is None and schema.get("additionalProperties") is False:
            return f"it does not take {name[:100]}"
        if isinstance(about, Mapping) and not _is(value, about.get("type")):
            return f"{name[:100]} is of another type"
    return None


def _is(value: Any, kind: Any) -> bool:
    kinds = kind if isinstance(kind, list) else [kind]
    if not all(isinstance(one, str) and one in _KINDS for one in kinds):
        return True
    if isinstance(value, bool):
        return "boolean" in kinds
    return any(isinstance(value, _KINDS[one]) for one in kinds)
