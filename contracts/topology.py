"""Streams, durable consumers and buckets: pure data, declared on the server by one step alone.

Who consumes what is a contract between contexts, so it is kept with the messages. A service that
finds the server different from this page does not start.
"""

from dataclasses import dataclass
from typing import Literal

from contracts.envelope import TURN

DAY_S = 86_400
STREAM_BYTES = 4 * 1024**3
"""What all streams and buckets together may take on a server's disk, unless it is told otherwise.

Each has its share of it, in percent; what is left over is for the server's own notes on them.
"""
AtBound = Literal["drop_old", "refuse_new"]
"""What gives way in a stream that is as large as it may be."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A JetStream stream.

    Attributes:
        max_age_s: messages are dropped after so long; 0 keeps them until they are consumed.
        percent: its share of what all streams may take on disk.
    """

    name: str
    subjects: tuple[str, ...]
    retention: Literal["limits", "workqueue"]
    max_age_s: int
    percent: int
    at_bound: AtBound = "drop_old"
    duplicate_window_s: int = 120


@dataclass(frozen=True, slots=True)
class Durable:
    """A durable pull consumer, shared by the replicas of one service.

    Attributes:
        name: `<context>-<what>`; the first part is the service that consumes it.
        filter: subject filter within the stream.
        concurrency: messages in work at once over all replicas (max_ack_pending).
        ack_wait_s: after this long without acknowledgement or sign of life, it is delivered again.
        attempts: failures before a message is a dead letter; waiting for others is none.
        patience_s: how long a message may wait for others before it is one.
        only_with: a header; messages without it are none of this consumer's business and are
            acknowledged unread, which a subject filter cannot express.
    """

    name: str
    stream: str
    filter: str
    concurrency: int = 32
    ack_wait_s: int = 15
    attempts: int = 10
    patience_s: int = DAY_S
    only_with: str | None = None

    @property
    def context(self) -> str:
        """The service that consumes it."""
        return self.name.split("-")[0]


@dataclass(frozen=True, slots=True)
class Bucket:
    """A key-value bucket, kept in the stream `KV_<name>`: the newest value of each key.

    Attributes:
        max_age_s: values are dropped after so long; 0 keeps them.
        max_value_bytes: the most that a value may weigh.
        percent: its share of what all streams may take on disk.
    """

    name: str
    max_age_s: int
    max_value_bytes: int
    percent: int
    at_bound: AtBound

    @property
    def stream(self) -> str:
        """The stream that keeps it."""
        return f"KV_{self.name}"


EVENTS = Stream("EVENTS", ("bazaar.evt.*.*.*",), "limits", 30 * DAY_S, percent=60)
"""What happened. What passes and is not kept (`contracts.base.Event.kept`) has a longer subject.

At its bound it keeps less than 30 days: consumers are seconds behind, not weeks.
"""
COMMANDS = Stream("COMMANDS", ("bazaar.cmd.>",), "workqueue", 0, percent=10, at_bound="refuse_new")
"""Orders. None is dropped: at its bound it takes no more, and nothing new is begun meanwhile."""
DEADLETTER = Stream("DEADLETTER", ("bazaar.dlq.>",), "limits", 90 * DAY_S, percent=8)
STREAMS = (EVENTS, COMMANDS, DEADLETTER)

API_KEYS = Bucket("API_KEYS", 0, 4096, percent=2, at_bound="refuse_new")
"""Hashes of API keys with their accounts and scopes, for the gateways."""
IDEMPOTENCY = Bucket("IDEMPOTENCY", DAY_S, 2 * 1024 * 1024, percent=16, at_bound="drop_old")
"""Answers to requests with an `Idempotency-Key`, for the gateways.

What is dropped early is carried out again with the same ids, which makes nothing new.
"""
BUCKETS = (API_KEYS, IDEMPOTENCY)

REGISTRY_STEP_STARTED = Durable("registry-step-started", "EVENTS", "bazaar.evt.step.started.*")
REGISTRY_STEP_COMPLETED = Durable(
    "registry-step-completed", "EVENTS", "bazaar.evt.step.completed.*"
)
REGISTRY_STEP_FAILED = Durable("registry-step-failed", "EVENTS", "bazaar.evt.step.failed.*")
REGISTRY_PAYMENT_REFUNDED = Durable(
    "registry-payment-refunded", "EVENTS", "bazaar.evt.payment.refunded.*"
)

TASK_START = Durable("task-start", "COMMANDS", "bazaar.cmd.task.start.*")
TASK_ADD_STEPS = Durable("task-add-steps", "COMMANDS", "bazaar.cmd.task.add_steps.*")
TASK_FINISH = Durable("task-finish", "COMMANDS", "bazaar.cmd.task.finish.*")
TASK_PAYMENT_REFUNDED = Durable("task-payment-refunded", "EVENTS", "bazaar.evt.payment.refunded.*")
TASK_PAYMENT_ENTERED = Durable("task-payment-entered", "EVENTS", "bazaar.evt.payment.entered.*")

PAYMENT_STEP_COMPLETED = Durable("payment-step-completed", "EVENTS", "bazaar.evt.step.completed.*")
PAYMENT_STEP_FAILED = Durable("payment-step-failed", "EVENTS", "bazaar.evt.step.failed.*")
PAYMENT_AGENT_REGISTERED = Durable(
    "payment-agent-registered", "EVENTS", "bazaar.evt.agent.registered.*"
)
PAYMENT_AGENT_UPDATED = Durable("payment-agent-updated", "EVENTS", "bazaar.evt.agent.updated.*")
PAYMENT_AGENT_SUSPENDED = Durable(
    "payment-agent-suspended", "EVENTS", "bazaar.evt.agent.suspended.*"
)
PAYMENT_TASK_COMPLETED = Durable("payment-task-completed", "EVENTS", "bazaar.evt.task.completed.*")
PAYMENT_TASK_FAILED = Durable("payment-task-failed", "EVENTS", "bazaar.evt.task.failed.*")

CHAT_THINK = Durable("chat-think", "COMMANDS", "bazaar.cmd.chat.think.*")
CHAT_USE_TOOL = Durable("chat-use-tool", "COMMANDS", "bazaar.cmd.chat.use_tool.*")
CHAT_STEP_COMPLETED = Durable(
    "chat-step-completed", "EVENTS", "bazaar.evt.step.completed.*", only_with=TURN
)
CHAT_STEP_FAILED = Durable("chat-step-failed", "EVENTS", "bazaar.evt.step.failed.*", only_with=TURN)
CHAT_TASK_COMPLETED = Durable(
    "chat-task-completed", "EVENTS", "bazaar.evt.task.completed.*", only_with=TURN
)
CHAT_TASK_FAILED = Durable("chat-task-failed", "EVENTS", "bazaar.evt.task.failed.*", only_with=TURN)

DURABLES = (
    REGISTRY_STEP_STARTED,
    REGISTRY_STEP_COMPLETED,
    REGISTRY_STEP_FAILED,
    REGISTRY_PAYMENT_REFUNDED,
    TASK_START,
    TASK_ADD_STEPS,
    TASK_FINISH,
    TASK_PAYMENT_REFUNDED,
    TASK_PAYMENT_ENTERED,
    PAYMENT_STEP_COMPLETED,
    PAYMENT_STEP_FAILED,
    PAYMENT_AGENT_REGISTERED,
    PAYMENT_AGENT_UPDATED,
    PAYMENT_AGENT_SUSPENDED,
    PAYMENT_TASK_COMPLETED,
    PAYMENT_TASK_FAILED,
    CHAT_THINK,
    CHAT_USE_TOOL,
    CHAT_STEP_COMPLETED,
    CHAT_STEP_FAILED,
    CHAT_TASK_COMPLETED,
    CHAT_TASK_FAILED,
)
