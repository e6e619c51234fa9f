"""Rules of a turn: whatever agents do and in whichever order it is heard, a round ends."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, get_args

from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat_svc.domain import (
    MAX_AGENTS_PER_STEP,
    REPLACEABLE,
    Choice,
    StoredCall,
    Work,
    another_agent,
    bill,
    charge_id_of,
    find_open,
    finished,
    message_id_of,
    negotiation_id_of,
    outcome,
    spec,
    step_id_of,
    stuck,
    task_id_of,
)
from chat_svc.telling import completed, failed, what_was_done
from contracts.base import MAX_AMOUNT
from contracts.chat import MessageView
from contracts.task import RESULT_KEY, FailureReason
from contracts.task_events import StepBill

REASONS: tuple[FailureReason, ...] = get_args(FailureReason)
TURN = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
NAMES = ("Ann", "Ben", "Cid")
NOTHING = Decimal(0)
unhurried = settings(deadline=None, max_examples=100)


@st.composite
def plans(draw: st.DrawFn, most: int = 6) -> list[StoredCall]:
    """Calls of one move: pieces of work that may use the results of others."""
    calls = []
    for index in range(draw(st.integers(1, most))):
        uses = draw(st.lists(st.integers(0, index - 1), max_size=2)) if index else []
        choices = [
            Choice(
                agent_id=f"agent-{index}-{n}",
                agent_name=draw(st.sampled_from(NAMES)),
                payload={"text": [{RESULT_KEY: f"c{i}"} for i in uses], "n": n},
            )
            for n in range(draw(st.integers(1, MAX_AGENTS_PER_STEP + 1)))
        ]
        depends_on = list(dict.fromkeys(f"c{i}" for i in uses))
        work = Work(skill=f"skill-{index}", choices=choices, depends_on=depends_on)
        calls.append(StoredCall(f"c{index}", 0, "invoke_agent", {}, work))
    return draw(st.permutations(calls))


def work_of(call: StoredCall) -> Work:
    assert call.work is not None
    return call.work


class World:
    """What agents do with the orders of a turn, and the reports of it that are on their way."""

    def __init__(self, data: st.DataObject, calls: list[StoredCall]) -> None:
        self.draw = data.draw
        self.calls = {call.id: call for call in calls}
        self.orders = [(call.id, work_of(call).agent) for call in calls]
        self.done: set[str] = set()
        self.reports: list[tuple[str, FailureReason | None]] = []
        self.asked = 0

    def now(self) -> list[StoredCall]:
        return list(self.calls.values())

    def ready(self) -> list[tuple[str, Choice]]:
        return [
            one for one in self.orders if self.done >= set(work_of(self.calls[one[0]]).depends_on)
        ]

    def work(self) -> None:
        """An agent does what it was ordered to do, or fails."""
        order = self.draw(st.sampled_from(self.ready()))
        self.orders.remove(order)
        self.asked += 1
        reason = self.draw(st.none() | st.sampled_from(REASONS))
        if reason is None:
            self.done.add(order[0])
        self.reports.append((order[0], reason))

    def report(self) -> None:
        """One of the reports arrives, not always the oldest."""
        id_, reason = self.reports.pop(self.draw(st.integers(0, len(self.reports) - 1)))
        call = self.calls[id_]
        assert call.open
        if reason is None:
            said = completed(call, f"did {id_}", NOTHING, NOTHING)
            self.calls[id_] = finished(call, said, well=True)
            return
        following = another_agent(call, reason, f"no {reason}")
        if following is not None:
            assert reason in REPLACEABLE
            assert work_of(following).agent != work_of(call).agent
            self.calls[id_] = following
            self.orders.append((id_, work_of(following).agent))
            return
        self.calls[id_] = finished(call, failed(call, reason, f"no {reason}"), well=False)
        for waiting in stuck(self.now()):
            said = failed(waiting, "dependency_failed", "needed another")
            self.calls[waiting.id] = finished(waiting, said, well=False)

    def play(self) -> Iterator[None]:
        while self.reports or self.ready():
            if self.reports and (not self.ready() or self.draw(st.booleans())):
                self.report()
            else:
                self.work()
            yield


@unhurried
@given(st.data())
def test_a_round_is_over_when_and_only_when_nothing_can_go_on(data: st.DataObject):
    world = World(data, data.draw(plans()))
    for _ in world.play():
        over = not any(call.open for call in world.now())
        assert over == (not world.reports and not world.ready())
    calls = world.now()
    assert not any(call.open for call in calls)
    assert world.asked <= MAX_AGENTS_PER_STEP * len(calls)
    well = all(work_of(call).finished for call in calls)
    assert outcome(calls) == ("completed" if well else "failed")
    for call in calls:
        work = work_of(call)
        assert work.attempt == len(work.troubles) < MAX_AGENTS_PER_STEP
        assert work.finished == (call.id in world.done) == (not call.error)


@unhurried
@given(st.data(), TURN)
def test_an_order_names_the_steps_as_they_are_now(data: st.DataObject, turn_id: str):
    world = World(data, data.draw(plans()))
    known = {step_id_of(turn_id, id_, 0) for id_ in world.calls}
    for _ in world.play():
        calls = world.now()
        now = {call.id: step_id_of(turn_id, call.id, work_of(call).attempt) for call in calls}
        for call in calls:
            order, work = spec(turn_id, call, calls), work_of(call)
            assert order == spec(turn_id, call, calls)
            assert (order.id, order.agent_id) == (now[call.id], work.agent.agent_id)
            assert order.depends_on == [now[id_] for id_ in work.depends_on]
            assert {one[RESULT_KEY] for one in order.payload["text"]} == set(order.depends_on)
            assert (order.replaces is None) == (work.attempt == 0)
            assert order.replaces in {None, *known}
            found = find_open(turn_id, calls, order.id)
            assert found == (call if call.open else None)
        known |= set(now.values())
        gone = known - set(now.values())
        assert all(find_open(turn_id, calls, old) is None for old in gone)
        assert find_open(f"{turn_id}x", calls, now[calls[0].id]) is None


@unhurried
@given(TURN, TURN)
def test_turns_do_not_share_ids(one: str, other: str):
    ids = [
        {task_id_of(turn), message_id_of(turn), charge_id_of(turn)}
        | {step_id_of(turn, f"c{index}", attempt) for index in range(9) for attempt in range(3)}
        | {negotiation_id_of(turn, f"c{index}") for index in range(9)}
        for turn in (one, other)
    ]
    assert all(len(own) == 39 for own in ids)
    assert (one == other) or not (ids[0] & ids[1])


@unhurried
@given(st.data())
def test_what_was_done_is_told_of_a_turn_that_is_stopped_half_way(data: st.DataObject):
    world = World(data, data.draw(plans()))
    for _ in world.play():
        calls = world.now()
        text, result = what_was_done("Stopped.", calls)
        assert text.startswith("Stopped.")
        done = [call for call in calls if work_of(call).finished]
        assert result == (f"did {done[-1].id}" if done else None)
        for call in calls:
            work = work_of(call)
            assert all(trouble in text for trouble in work.troubles)
            if work.finished:
                assert f"{work.agent.agent_name} ({work.skill}):\ndid {call.id}" in text
            elif call.open:
                assert f"I did not finish {work.skill}." in text
            else:
                assert f"I could not {work.skill}: " in text


def test_a_failure_is_made_good_by_a_later_call_of_the_same_skill():
    def call(id_: str, round_: int, skill: str, *, well: bool) -> StoredCall:
        choice = Choice(agent_id="a", agent_name="A", payload={})
        work = Work(skill=skill, choices=[choice], finished=well)
        return StoredCall(id_, round_, "invoke_agent", {}, work, "{}")

    missed = call("1", 0, "sing", well=False)
    assert outcome([missed]) == "failed"
    assert outcome([missed, call("2", 0, "sing", well=True)]) == "failed"
    assert outcome([missed, call("2", 1, "dance", well=True)]) == "failed"
    assert outcome([missed, call("2", 1, "sing", well=True)]) == "completed"
    assert outcome([]) == "completed"


AMOUNTS = st.integers(0, int(MAX_AMOUNT) * 50_000).map(lambda micros: Decimal(micros).scaleb(-6))


@st.composite
def lines(draw: st.DrawFn) -> StepBill:
    return StepBill(
        step_id="step",
        agent_id=draw(st.sampled_from(["one", "two", "three"])),
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
    assert [line.agent_id for line in found.subtasks] == list(
        dict.fromkeys(step.agent_id for step in done)
    )
    names = {step.agent_id: step.agent_name for step in reversed(done)}
    assert all(line.agent == names[str(line.agent_id)] for line in found.subtasks)
    stored: dict[str, Any] = found.model_dump(mode="json")
    fields = {"id": "m", "role": "assistant", "content": "x", "createdAt": "2026-01-01T00:00:00Z"}
    assert MessageView.model_validate({**fields, "costBreakdown": stored}).cost_breakdown == found
