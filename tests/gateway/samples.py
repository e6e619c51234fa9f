"""One of each thing, as the services describe them."""

from datetime import UTC, datetime
from decimal import Decimal

from contracts.chat import (
    CostBreakdown,
    CostLine,
    MessageList,
    MessageView,
    PostMessage,
    PostReply,
    TurnCompleted,
)
from contracts.listings import Choice, Considered, Scores
from contracts.payment import (
    BazaarBucksList,
    BazaarBucksPaymentView,
    StripeList,
    StripePaymentView,
)
from contracts.quotes import QuoteView
from contracts.registry import AgentList, AgentReply, AgentView
from contracts.task import InvokeReply, StepList, StepView, TaskList, TaskReply, TaskView

THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

AGENT = AgentView(
    id="translator",
    name="Translator",
    description="Translates text.",
    skills=["translation"],
    base_price=Decimal("0.1"),
    dynamic_price=Decimal("0.115"),
    load=4,
    rating=Decimal("4.25"),
    jobs_completed=7,
    endpoint_url="http://localhost:8002",
    capabilities=["en", "es"],
    avg_response_time=120,
    availability=True,
)
TASK = TaskView(
    id="t1",
    user_query="Translate 'hello' to Spanish",
    required_skills=["translation"],
    status="completed",
    max_budget=Decimal(10),
    total_cost=Decimal("0.36"),
    created_at=THEN,
    completed_at=THEN,
)
STEP = StepView(
    id="s1",
    task_id="t1",
    agent_id="translator",
    subtask_type="translation",
    status="completed",
    cost=Decimal("0.12"),
    external_cost=Decimal("0.24"),
    requires_external_tool=True,
    result="hola",
    execution_time=31,
    created_at=THEN,
    completed_at=THEN,
)
PAYMENT = BazaarBucksPaymentView(
    id="p1",
    task_id="t1",
    agent_id="translator",
    amount=Decimal("0.12"),
    type="agent_payment",
    created_at=THEN,
)
CARD = StripePaymentView(
    id="c1",
    agent_id="translator",
    vendor="Acme",
    amount=Decimal("0.24"),
    status="completed",
    type="card_spend",
    created_at=THEN,
)
QUESTION = MessageView(id="m1", role="user", content="Translate 'hello'", created_at=THEN)
ANSWER = MessageView(
    id="m2",
    role="assistant",
    content="hola",
    task_id="t1",
    cost_breakdown=CostBreakdown(
        subtasks=[CostLine(agent="Translator", cost=Decimal("0.36"))], total=Decimal("0.36")
    ),
    created_at=THEN,
)
RESULT = InvokeReply(
    result="hola",
    cost=Decimal("0.12"),
    subtask_type="translation",
    requires_external_tool=True,
    external_cost=Decimal("0.24"),
    task_id="t1",
    step_id="s1",
)

AGENTS = AgentList(agents=[AGENT])
ONE_AGENT = AgentReply(agent=AGENT)
TASKS = TaskList(tasks=[TASK])
ONE_TASK = TaskReply(task=TASK)
STEPS = StepList(steps=[STEP])
PAYMENTS = BazaarBucksList(payments=[PAYMENT])
CARDS = StripeList(payments=[CARD])
MESSAGES = MessageList(messages=[QUESTION, ANSWER])


def posted(request: PostMessage) -> PostReply:
    """What the chat service answers to a message."""
    return PostReply(turn_id=request.turn_id, message=QUESTION, task_id="t1")


def turn_end(turn_id: str) -> TurnCompleted:
    """The event that ends a turn."""
    return TurnCompleted(turn_id=turn_id, task_id="t1", message=ANSWER)


QUOTE = QuoteView(
    quote_id="translator.a.b",
    agent_id="translator",
    agent_name="Translator",
    price=Decimal("0.1"),
    work=Decimal("0.1"),
    purchases=Decimal(0),
    expires_at=THEN,
)


def choice(*agents: AgentView) -> Choice:
    """These agents, chosen in this order."""
    scores = Scores(skill=1, price=1, rating=0.85, load=0.6, latency=0.9)
    candidates = [Considered(agent=one, score=0.9, standing=0.8, scores=scores) for one in agents]
    return Choice(candidates=candidates, reason="A sentence.")
