"""What the API refuses today although earlier releases took it, decided one by one.

Bodies of callers only: what services send each other is never narrowed. A field that is not known
was ignored, so a wish that was misspelt was lost; an amount could be written so that people read
another number than we did; and a schema without limits hid those that there were.
"""

AMOUNT = ("can no longer be number", "can no longer be string")
NOT_BLANK = r"pattern was None and is '[^\\s\\u001c-\\u001f\\u0085\\ufeff]'"
UNKNOWN_FIELDS = "it has other additionalProperties"

NARROWED: dict[str, frozenset[str]] = {
    "api_bodies/NewTask.v1": frozenset(
        {
            *(f"it.maxBudget {broken}" for broken in AMOUNT),
            "it.requiredSkills[]: maxLength is narrower",
            "it.requiredSkills[]: minLength is narrower",
            f"it.requiredSkills[]: {NOT_BLANK}",
            f"it.userQuery: {NOT_BLANK}",
            UNKNOWN_FIELDS,
        }
    ),
    "api_bodies/Invocation.v1": frozenset(
        {*(f"it.maxPrice {broken}" for broken in AMOUNT), UNKNOWN_FIELDS}
    ),
    "api_bodies/ChatInput.v1": frozenset(
        {
            "it.content: maxLength is narrower",
            "it.content: minLength is narrower",
            f"it.content: {NOT_BLANK}",
            *(f"it.maxBudget {broken}" for broken in AMOUNT),
            UNKNOWN_FIELDS,
        }
    ),
    **dict.fromkeys(
        ("api_bodies/NewPayment.v1", "api_bodies/Refund.v1", "api_bodies/OpenCheckout.v1"),
        frozenset({*(f"it.amount {broken}" for broken in AMOUNT), UNKNOWN_FIELDS}),
    ),
}
