"""The rule planner: plans what a person typed into the chat onto the agents of a list.

It is pure: no input or output, no clock, no chance. It knows agents only from the list that it
is given, and finds them by their skills, capabilities and descriptions.
"""

from chat_svc.planner.account import Topic
from chat_svc.planner.agents import kind_of, terms
from chat_svc.planner.gate import Purchase, Reason, cap_of, objections, told
from chat_svc.planner.model import (
    MAX_ALTERNATIVES,
    MAX_STEPS,
    RESULT_KEY,
    Candidate,
    Earlier,
    Made,
    Plan,
    PlannedStep,
    Text,
    money,
)
from chat_svc.planner.payload import payload_for, text_in
from chat_svc.planner.plan import plan, too_dear
from chat_svc.planner.talk import TO_LOOK_UP
from chat_svc.planner.wish import QUALITIES

__all__ = [
    "MAX_ALTERNATIVES",
    "MAX_STEPS",
    "QUALITIES",
    "RESULT_KEY",
    "TO_LOOK_UP",
    "Candidate",
    "Earlier",
    "Made",
    "Plan",
    "PlannedStep",
    "Purchase",
    "Reason",
    "Text",
    "Topic",
    "cap_of",
    "kind_of",
    "money",
    "objections",
    "payload_for",
    "plan",
    "terms",
    "text_in",
    "told",
    "too_dear",
]
