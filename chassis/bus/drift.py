"""Where settings of streams and consumers on the server differ from those that are wanted."""

from collections.abc import Mapping
from typing import Any

NANOSECONDS = frozenset({"max_age", "duplicate_window", "ack_wait", "inactive_threshold"})
BY_ITSELF = {
    "max_consumers": -1,
    "max_msgs": -1,
    "max_bytes": -1,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "max_deliver": -1,
    "max_waiting": 512,
    "retention": "limits",
    "compression": "none",
    "deliver_policy": "all",
    "replay_policy": "instant",
}
"""Settings as the server makes them when nobody says anything."""


def differences(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Where the server's settings differ from the wanted ones, as readable words.

    A setting that is not wanted has to be as the server makes it by itself: what nobody asked for
    can end a consumer too. Times are in seconds in these words, in nanoseconds in the settings.
    """
    wrong = []
    for key in sorted({*wanted, *found} - {"metadata"}):
        is_, should_be = (_plain(key, settings.get(key)) for settings in (found, wanted))
        if is_ != should_be:
            wrong.append(f"{name}.{key} is {is_}, not {should_be or BY_ITSELF.get(key)}")
    ours = {k: v for k, v in (found.get("metadata") or {}).items() if not k.startswith("_nats.")}
    return [*wrong, *([f"{name}.metadata is {ours}, not empty"] if ours else [])]


def _plain(key: str, value: Any) -> Any:
    """A setting as it compares: without enumerations, and empty when it says nothing."""
    value = getattr(value, "value", value)
    if value == BY_ITSELF.get(key):
        return None
    if key in NANOSECONDS and value:
        return value / 1e9
    return value or None
