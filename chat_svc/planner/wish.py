"""One thing that a person wants done, as it was understood."""

from dataclasses import dataclass

from chat_svc.planner.clauses import Mention
from chat_svc.planner.families import Family
from chat_svc.planner.views import Argument


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that a person wants done.

    Attributes:
        request: the words for it as typed, with the text that belongs to it.
        family: the kind of work, None when no known verb says it.
        argument: what it is about.
        mention: the agent asked for by name, None when anyone may do it.
        weak: whether an agent that offers the very subject comes before the family.
        data: the text that came with it, for an agent that is asked in the person's words.
        elliptic: whether it only names a language ("and to French").
    """

    request: str
    family: Family | None
    argument: Argument
    mention: Mention | None = None
    weak: bool = False
    data: str | None = None
    elliptic: bool = False
