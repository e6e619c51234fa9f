"""Rules of a turn: whatever agents do and in whichever order it is heard, a turn ends, honestly."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, get_args

from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat_svc.domain import (
    MAX_AGENTS_PER_STEP,
    REPLACEABLE,
    Choice,
    Progress,
    Work,
    after_failure,
    answer,
    bill,
    find_work,
    message_id_of,
    spec,
    step_id_of,
    task_id_of,
    with_work,
)
from contracts.base import MAX_AMOUNT
from contracts.chat import MessageView
from contracts.task import RESULT_KEY, FailureReason, StepBill

REASONS: tuple[FailureReason, ...] = get_args(FailureReason)
TURN = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
WORDS = st.text("abc \n", max_size=5)
NAMES = ("Ann", "Ben", "Cid")
unhurried = settings(deadline=None, max_examples=100)


@st.composite
def plans(draw: st.DrawFn, most: int = 6) -> Progress:
    """A plan as the orchestrator makes it: steps that may use the results of earlier ones."""
    works = []
    for index in range(draw(st.integers(1, most))):
        uses = draw(st.lists(st.integers(0, index - 1), max_size=2)) if index else []
        choices = [
            Choice(
                agent_id=f"agent-{index}-{n}",
                agent_name=draw(st.sampled_from(NAMES)),
                payload={"text": [{RESULT_KEY: i} for i in uses], "n": n},
            )
            for n in range(draw(st.integers(1, MAX_AGENTS_PER_STEP + 1)))
        ]
        works.append(Work(skill=f"skill-{index}", choices=choices, depends_on=uses))
    notes = draw(st.lists(WORDS, max_size=2))
    return Progress(orchestrator="test", works=works, notes=notes)


class World:
    """What agents do with the orders of a turn, and the reports of it that are on their way."""

    def __init__(self, data: st.DataObject, progress: Progress) -> None:
        self.draw = data.draw
        self.progress = progress
        self.orders = list(enumerate(work.agent for work in progress.works))
        self.done: set[int] = set()
        self.reports: list[tuple[int, FailureReason | None]] = []
        self.calls = 0

    def ready(self) -> list[tuple[int, Choice]]:
        works = self.progress.works
        return [one for one in self.orders if self.done.issuperset(works[one[0]].depends_on)]

    def work(self) -> None:
        """An agent does what it was ordered to do, or fails."""
        order = self.draw(st.sampled_from(self.ready()))
        self.orders.remove(order)
        self.calls += 1
        reason = self.draw(st.none() | st.sampled_from(REASONS))
        if reason is None:
            self.done.add(order[0])
        self.reports.append((order[0], reason))

    def report(self) -> None:
        """One of the reports arrives, not always the oldest."""
        index, reason = self.reports.pop(self.draw(st.integers(0, len(self.reports) - 1)))
        work = self.progress.works[index]
        assert work.status == "open"
        if reason is None:
            result = self.draw(WORDS)
            self.progress = with_work(self.progress, index, status="completed", result=result)
            return
        self.progress, again = after_failure(self.progress, index, reason, f"no {reason}")
        if again:
            following = self.progress.works[index]
            assert reason in REPLACEABLE
            assert following.agent != work.agent
            self.orders.append((index, following.agent))

    def play(self) -> Iterator[None]:
        while self.reports or self.ready():
            if self.reports and (not self.ready() or self.draw(st.booleans())):
                self.report()
            else:
                self.work()
            yield


@unhurried
@given(st.data())
def test_a_turn_is_over_when_and_only_when_nothing_can_go_on(data: st.DataObject):
    world = World(data, data.draw(plans()))
    assert not world.progress.over()
    for _ in world.play():
        assert world.progress.over() == (not world.reports and not world.ready())
    assert world.progress.over()
    works = world.progress.works
    assert world.calls <= MAX_AGENTS_PER_STEP * len(works)
    assert world.progress.succeeded() == all(work.status == "completed" for work in works)
    for index, work in enumerate(works):
        assert work.attempt == len(work.troubles) < MAX_AGENTS_PER_STEP
        assert (work.status == "completed") == (index in world.done) == (work.result is not None)
        assert (work.status == "failed") == (work.error is not None)


@unhurried
@given(st.data(), TURN)
def test_an_order_names_the_steps_as_they_are_now(data: st.DataObject, turn_id: str):
    world = World(data, data.draw(plans()))
    known = {step_id_of(turn_id, i, 0) for i in range(len(world.progress.works))}
    for _ in world.play():
        progress = world.progress
        now = [
            step_id_of(turn_id, index, work.attempt) for index, work in enumerate(progress.works)
        ]
        assert len({*now, task_id_of(turn_id), message_id_of(turn_id)}) == len(now) + 2
        for index, work in enumerate(progress.works):
            order = spec(progress, turn_id, index)
            assert order == spec(progress, turn_id, index)
            uses = [now[i] for i in work.depends_on]
            assert (order.id, order.agent_id) == (now[index], work.agent.agent_id)
            assert order.depends_on == uses
            assert order.payload["text"] == [{RESULT_KEY: id_} for id_ in uses]
            assert (order.replaces is None) == (work.attempt == 0)
            assert order.replaces in {None, *known}
            assert find_work(progress, turn_id, order.id) == index
        known |= set(now)
        assert all(find_work(progress, turn_id, old) is None for old in known - set(now))
        assert find_work(progress, f"{turn_id}x", now[0]) is None


@unhurried
@given(TURN, TURN)
def test_turns_do_not_share_ids(one: str, other: str):
    ids = [
        {task_id_of(turn), message_id_of(turn)}
        | {step_id_of(turn, index, attempt) for index in range(9) for attempt in range(3)}
        for turn in (one, other)
    ]
    assert all(len(own) == 29 for own in ids)
    assert (one == other) or not (ids[0] & ids[1])


@unhurried
@given(st.text(max_size=5) | st.sampled_from(["0", "00"]) | st.none())
def test_a_field_that_is_called_like_a_reference_is_none(text: str | None):
    """An agent's schema may call its field `$result`; what a person typed is no index."""
    payload = {RESULT_KEY: text}
    choice = Choice(agent_id="agent", agent_name="Ann", payload=payload)
    progress = Progress(orchestrator="test", works=[Work(skill="skill", choices=[choice])])
    assert spec(progress, "turn", 0).payload == payload


@unhurried
@given(st.data())
def test_the_answer_says_what_became_of_every_step(data: st.DataObject):
    world = World(data, data.draw(plans()))
    for _ in world.play():
        check_answer(world.progress)  # also of a turn that is stopped half-way


def check_answer(progress: Progress) -> None:
    text, result = answer(progress)
    assert text.strip()
    assert all(note.strip() in text for note in progress.notes)
    done = [work for work in progress.works if work.status == "completed"]
    used = {i for work in done for i in work.depends_on}
    shown = [w for i, w in enumerate(progress.works) if w in done and i not in used]
    assert result == (shown[-1].result if shown else None)
    assert (result is None) == (not done)
    alone = progress.succeeded() and len(shown) == 1
    for work in shown:
        assert (work.result or "").strip() in text
        assert alone or f"{work.agent.agent_name} ({work.skill}):" in text
    for work in progress.works:
        assert all(trouble in text for trouble in work.troubles)
        if work.status == "failed":
            assert f"I could not {work.skill}: {work.error}" in text
        if work.status == "open":
            assert work.skill in text
            blames = f"I did not get to {work.skill}, because it needed" in text
            assert blames == any(progress.works[i].status != "completed" for i in work.depends_on)


def test_a_result_alone_is_the_whole_answer():
    choice = Choice(agent_id="agent", agent_name="Ann", payload={})
    work = Work(skill="skill", choices=[choice], status="completed", result=" as it is\n")
    progress = Progress(orchestrator="test", works=[work])
    assert answer(progress) == (" as it is\n", " as it is\n")


AMOUNTS = st.integers(0, int(MAX_AMOUNT) * 50_000).map(lambda micros: Decimal(micros).scaleb(-6))


@st.composite
def lines(draw: st.DrawFn) -> StepBill:
    return StepBill(
        step_id="step",
        agent_id="agent",
        agent_name=draw(st.sampled_from(NAMES)),
        status=draw(st.sampled_from(["completed", "failed"])),
        cost=draw(AMOUNTS),
        external_cost=draw(AMOUNTS),
    )


@unhurried
@given(st.lists(lines(), max_size=10))
@example([])
def test_a_bill_is_the_sum_of_what_was_done(steps: list[StepBill]):
    found = bill(steps)
    done = [step for step in steps if step.status == "completed"]
    assert (found is None) == (not done)
    if found is None:
        return
    spent = sum((step.cost + step.external_cost for step in done), Decimal(0))
    assert found.total == spent == sum((line.cost for line in found.subtasks), Decimal(0))
    assert [line.agent for line in found.subtasks] == list(
        dict.fromkeys(step.agent_name for step in done)
    )
    stored: dict[str, Any] = found.model_dump(mode="json")
    fields = {"id": "m", "role": "assistant", "content": "x", "createdAt": "2026-01-01T00:00:00Z"}
    assert MessageView.model_validate({**fields, "costBreakdown": stored}).cost_breakdown == found
