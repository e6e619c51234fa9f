"""What every process counts, for Prometheus; no label ever holds the id of a task, step or account.

Counters and times are kept as things happen; `chassis.observability.readings` looks up the rest.
"""

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.release import release
from contracts.topology import DURABLES

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 100)

SERVICE = Gauge(
    "bazaar_service",
    "Which service this is, and of which release; always 1",
    ["service", "release"],
)
REQUESTS = Counter("bazaar_requests", "Requests answered", ["request", "status"])
REQUEST_SECONDS = Histogram(
    "bazaar_request_seconds", "How long answering a request took", ["request"], buckets=SECONDS
)
MESSAGES = Counter(
    "bazaar_messages",
    "Deliveries to a durable, by what came of them: done, repeat, passed_over, later, again, dead",
    ["consumer", "outcome"],
)
MESSAGE_SECONDS = Histogram(
    "bazaar_message_seconds", "How long handling a message took", ["consumer"], buckets=SECONDS
)
REDELIVERIES = Counter(
    "bazaar_redeliveries", "Deliveries that were not the first of their message", ["consumer"]
)
DEAD_LETTERS = Counter("bazaar_dead_letters", "Messages put aside as dead letters", ["consumer"])
DATABASE_WAITS = Counter(
    "bazaar_database_waits", "Times that a message waited for a database that was away", ["service"]
)
ASKED = Counter("bazaar_asked", "Requests sent to other services", ["request", "status"])
DRIFTS = Counter(
    "bazaar_drifts_undone", "Settings of streams and consumers that the keeper put right"
)
DRIFTED = Gauge("bazaar_drifted", "Settings on the bus that the keeper cannot put right")
STREAM_BYTES = Gauge("bazaar_stream_bytes", "What a stream takes on disk", ["stream"])
STREAM_MAX_BYTES = Gauge("bazaar_stream_max_bytes", "What a stream may take on disk", ["stream"])
LEFT_TO_RELAY = Counter(
    "bazaar_left_to_relay", "Outbox rows that did not leave from memory", ["service"]
)

HTTP_REQUESTS = Counter("bazaar_http_requests", "Requests over HTTP", ["method", "route", "status"])
HTTP_REQUEST_SECONDS = Histogram(
    "bazaar_http_request_seconds",
    "How long a request over HTTP took",
    ["method", "route"],
    buckets=SECONDS,
)

HTTP_CACHE = Counter(
    "bazaar_http_cache", "Answers from the gateway's cache, or not", ["context", "outcome"]
)
HTTP_CACHE_BYTES = Gauge("bazaar_http_cache_bytes", "What the gateway's cache holds")

CONSUMER_PENDING = Gauge(
    "bazaar_consumer_pending", "Messages of a durable that were not delivered yet", ["consumer"]
)
CONSUMER_IN_WORK = Gauge(
    "bazaar_consumer_in_work", "Messages delivered and not acknowledged, all replicas", ["consumer"]
)
WAITING = Gauge("bazaar_waiting", "Messages in the waiting room, counted up to 10000", ["service"])
WAITING_SECONDS = Gauge(
    "bazaar_waiting_longest_seconds", "How long the message waits that came first", ["service"]
)
OUTBOX_ROWS = Gauge("bazaar_outbox_rows", "Rows in the outbox, counted up to 10000", ["service"])
OUTBOX_SECONDS = Gauge(
    "bazaar_outbox_oldest_seconds", "Age of the oldest row in the outbox", ["service"]
)
POOL = Gauge("bazaar_database_connections", "Connections of the pool", ["service", "state"])
READ_FAILURES = Counter("bazaar_readings_failed", "Look-ups that came to nothing", ["service"])


def name_service(service: str) -> None:
    """Say which service shows these metrics, whatever the address that they are read at."""
    SERVICE.labels(service, release()).set(1)


def start_counting(service: str) -> None:
    """Show the counters of a service's durables from the first moment: alerts need the zero."""
    name_service(service)
    DATABASE_WAITS.labels(service)
    LEFT_TO_RELAY.labels(service)
    READ_FAILURES.labels(service)
    for durable in DURABLES:
        if durable.context == service:
            REDELIVERIES.labels(durable.name)
            DEAD_LETTERS.labels(durable.name)


async def page(_request: Request) -> Response:
    """Everything that this process has counted, as Prometheus reads it."""
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})


def app() -> Starlette:
    """An HTTP app of that page alone, for a process that is asked other things elsewhere."""
    return Starlette(routes=[Route("/metrics", page)])
