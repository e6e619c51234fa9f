"""What a message means in its conversation: a free answer, an answer to a question, or wishes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from chat_svc.planner import frame
from chat_svc.planner.account import Topic, about_us, is_enough
from chat_svc.planner.agents import Names
from chat_svc.planner.answers import answer, on_agents
from chat_svc.planner.changes import Change, read_change, repeated, reshaped, translation
from chat_svc.planner.clauses import begin
from chat_svc.planner.forms import form
from chat_svc.planner.hearing import Heard, hear
from chat_svc.planner.languages import Target, find_targets
from chat_svc.planner.match import Profile
from chat_svc.planner.model import Earlier, Plan
from chat_svc.planner.wish import AT_END, SUMMARIZE, Style, Wish
from chat_svc.planner.wishes import read_wishes

NOTHING_DONE = "All right: nobody is called, and nothing is charged."
WHAT_WITH_IT = (
    "What shall be done with this text? Say for example “summarize it” or “translate it to French”."
)
TO_LOOK_UP = "That is in your account: GET /api/wallet, /api/tasks and the receipt of each task."
_MOST_BACK = 5
_WORD_FOR_WORD = 20_000

Understood = tuple[list[Wish], Sequence[Earlier]]


def _given(wishes: Sequence[Wish], text: str) -> list[Wish]:
    first, *rest = wishes
    return [replace(frame.with_text(first, text), request=f"{first.request}: {text}"), *rest]


def _target_at_end(heard: Heard) -> Target | None:
    """The languages that a short text ends with: "hello world to french"."""
    plain = heard.source.plain
    last = None if heard.pasted else next(reversed(find_targets(plain)), None)
    return last if last and last.start and not plain[last.end :].strip(AT_END) else None


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation over a list of agents, with the money that is left for it."""

    profiles: Sequence[Profile]
    names: Names
    budget: Decimal
    left: Decimal

    def free(self, heard: Heard, text: str, earlier: Sequence[Earlier]) -> Plan | None:
        """What is answered without any wish being read; None for all else."""
        plain = heard.source.plain.strip()
        if is_enough(plain):
            return Plan(reply=NOTHING_DONE)
        topic = about_us(plain)
        reply = answer(text, self.profiles, self.names, self.budget, self.left)
        if earlier and read_change(heard, self.names):
            return None
        if reply is not None:
            open_ = self._open(earlier, _MOST_BACK) if form("said").match(plain) else None
            return None if open_ and open_[0][0].lacks_text else Plan(reply=reply)
        place = frame.place_only(heard)
        one = frame.Conversation(earlier).meant(place) if place and earlier else []
        if one:
            return Plan(reply=f"{one[0]}\n\n{WHAT_WITH_IT}", refused="no_plan")
        if topic is Topic.AGENTS:
            return Plan(reply=on_agents(self.profiles, plain))
        return Plan(reply=TO_LOOK_UP, about=topic) if topic and heard.zones is None else None

    def understood(
        self, heard: Heard, earlier: Sequence[Earlier], depth: int = _MOST_BACK
    ) -> Understood:
        """The wishes in a message, and the turns before it that they may refer to."""
        change = read_change(heard, self.names) if earlier and depth else None
        again = change if change and change.again else None
        if again and (repeats := self._repeated(again, earlier, depth)):
            return repeats
        if earlier and depth and (answered := self._answered(heard, change, earlier, depth)):
            return answered
        talked = any(turn.result is not None for turn in earlier)
        changed = (
            reshaped(change, heard.source.plain) if change and (talked or change.options) else []
        )
        wishes = changed or read_wishes(heard, self.names.find, talked=talked)
        if earlier and wishes[0].lacks_text and earlier[-1].result is None:
            text = self._left(earlier)
            if text is not None:
                wishes = _given(wishes, text)
        return wishes, earlier

    def _left(self, earlier: Sequence[Earlier]) -> str | None:
        """The text that the last message gave, or the result that it pointed at, for nothing."""
        given = hear(earlier[-1].said)
        place = frame.place_only(given)
        if place is not None:
            return next(iter(frame.Conversation(earlier[:-1]).meant(place)), None)
        return given.pasted or (given.zones.material if given.zones else None)

    def _answered(
        self, heard: Heard, change: Change | None, earlier: Sequence[Earlier], depth: int
    ) -> Understood | None:
        """The wish of before, with the slot filled that it left open; None when it is none."""
        open_ = self._open(earlier, depth)
        if open_ is None:
            return None
        wishes, before = open_
        target = _target_at_end(heard) if wishes[0].lacks_target else None
        # "Hello to French" is a text and a language here, where nothing is to be translated yet.
        said = target and wishes[0].lacks_text and form("said").match(heard.source.plain)
        if change is not None and not said:
            tags = change.tags if frame.lacks_language(wishes) else ()
            filled = [frame.with_targets(w, tags) if w.lacks_target else w for w in wishes]
            return (filled, before) if tags else None
        short = wishes[0].family is SUMMARIZE and not heard.pasted
        lacks = not short and (wishes[0].lacks_text or heard.pasted)
        if lacks and self._is_material(heard):
            text = heard.zones.material if heard.pasted and heard.zones else heard.text.strip()
            if target is None:
                return _given(wishes, text), before
            first, *rest = _given(wishes, heard.source.original(0, target.start).strip())
            return [frame.with_targets(first, target.tags), *rest], before
        return None

    def _open(self, earlier: Sequence[Earlier], depth: int) -> Understood | None:
        """The wishes of the last turn when it ended with a question of ours."""
        last = earlier[-1] if earlier else None
        if last is None or not depth or last.result is not None:
            return None
        heard = hear(last.said[:_WORD_FOR_WORD])
        if self.free(heard, last.said, ()) is not None:
            return None
        wishes, before = self.understood(heard, earlier[:-1], depth - 1)
        meant = any(turn.result is not None for turn in before)
        asks = wishes[0].family.style is not Style.REQUEST
        lacking = asks and not (wishes[0].lacks_text and meant)
        return (wishes, before) if lacking or frame.lacks_language(wishes) else None

    def _is_material(self, heard: Heard) -> bool:
        """Whether a message gives a text, and asks for nothing itself."""
        clause = begin(heard.source.plain, 0, self.names.find)
        return not clause.asks and clause.mention is None and any(map(str.isalnum, heard.text))

    def _repeated(self, again: Change, earlier: Sequence[Earlier], depth: int) -> Understood | None:
        places = reversed(range(len(earlier)))
        free = ((at, self.free(hear(earlier[at].said), earlier[at].said, ())) for at in places)
        asked = next((at for at, reply in free if reply is None), None)
        if asked is None:
            return None
        wishes, before = self.understood(hear(earlier[asked].said), earlier[:asked], depth - 1)
        targeted = any(wish.family.targeted for wish in wishes)
        if again.only_translates() and not targeted and earlier[asked].result is not None:
            # "The same in French" after a summary: it need not be made and paid once more.
            return [translation(again.tags)], earlier[: asked + 1]
        # "With the summary" may mean one that was made after what is repeated.
        return repeated(wishes, again), earlier if again.text is not None else before
