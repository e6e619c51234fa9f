"""Whatever the order of writes, reads, hints and lost connections: nobody is shown too little."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from gateway import cache
from gateway.cache import Cache
from gateway.identity import Identity
from gateway.layers.caching import Caching

CONTEXT = {"/api/tasks": "task", "/api/wallet": "payment", "/api/agents": "registry"}


@dataclass
class Request:
    """A request in hand: the service works when it is told to, and so does the network.

    Attributes:
        floor: the least that its answer may show: what was known when it was sent.
    """

    account: str
    path: str
    floor: int
    now: float
    works: asyncio.Event = field(default_factory=asyncio.Event)
    arrives: asyncio.Event = field(default_factory=asyncio.Event)
    job: "asyncio.Task[None] | None" = None


class World:
    """Services whose data is a number for each context and account, that every write raises."""

    def __init__(self) -> None:
        self.clock = 100.0
        self.cache = Cache(1_000_000, lambda: self.clock)
        self.layer = Caching(self._app, self.cache, "demo")
        self.truth: dict[tuple[str, str], int] = {}
        self.past: list[tuple[float, dict[tuple[str, str], int]]] = [(0.0, {})]
        self.known: dict[tuple[str, str], int] = {}
        self.hints: list[tuple[str, str, int]] = []
        self.requests: list[Request] = []
        self.shown = 0

    def place(self, account: str, path: str) -> tuple[str, str]:
        context = CONTEXT[path]
        return context, "" if context == "registry" else account

    async def _app(self, scope: Scope, _receive: Receive, send: Send) -> None:
        request: Request = scope["request"]
        await request.works.wait()
        place = self.place(request.account, request.path)
        if scope["method"] == "POST":
            self.write(request.account, request.path)
        shown = self.truth.get(place, 0)
        await request.arrives.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(shown).encode()})

    def write(self, account: str, path: str) -> None:
        """By anybody, over any gateway: the services commit, and tell of it."""
        place = self.place(account, path)
        self.truth[place] = self.truth.get(place, 0) + 1
        self.past.append((self.clock, dict(self.truth)))
        self.hints.append((place[0], account, self.truth[place]))

    def floor(self, place: tuple[str, str]) -> int:
        """What somebody who asks now has to be shown at least."""
        old = [truth for at, truth in self.past if at <= self.clock - cache.LIVES_S]
        return max(self.known.get(place, 0), old[-1].get(place, 0))

    def begin(self, method: str, account: str, path: str, far: str) -> None:
        place = self.place(account, path)
        request = Request(account, path, self.floor(place), self.clock)
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [],
            "state": {"identity": Identity(account, frozenset())},
            "request": request,
        }
        if far != "sent":
            request.works.set()
        if far == "answered":
            request.arrives.set()
        request.job = asyncio.create_task(self._carry_out(scope, request))
        self.requests.append(request)

    async def _carry_out(self, scope: Scope, request: Request) -> None:
        place = self.place(request.account, request.path)

        async def receive() -> Any:
            raise AssertionError

        async def send(message: Any) -> None:
            if message["type"] != "http.response.body":
                return
            shown = json.loads(message["body"])
            if scope["method"] == "POST":  # From now on its writer knows of it.
                if place[1]:
                    self.known[place] = max(self.known.get(place, 0), shown)
                return
            assert shown >= request.floor, f"{shown} was shown, {request.floor} was known"
            self.shown += 1

        await self.layer(scope, receive, send)

    @property
    def open(self) -> list[Request]:
        """The requests that are in hand."""
        return [one for one in self.requests if one.job is not None and not one.job.done()]

    def hear(self, *, lost: bool) -> None:
        """The next hint arrives, or does not."""
        if self.hints:
            context, account, number = self.hints.pop(0)
            if not lost:
                self.cache.heard(context, None if context == "registry" else [account])
                place = (context, "" if context == "registry" else account)
                self.known[place] = max(self.known.get(place, 0), number)

    async def step(self, what: tuple[Any, ...]) -> None:  # noqa: C901  (a table)
        match what:
            case ("get" | "post" as method, account, path, far):
                self.begin(method.upper(), account, path, far)
            case ("elsewhere", account, path):
                self.write(account, path)
            case ("work" | "arrive" | "give up" as how, number) if self.open:
                request = self.open[number % len(self.open)]
                request.works.set()
                if how == "arrive":
                    request.arrives.set()
                elif how == "give up" and request.job is not None:
                    request.job.cancel()
            case ("hear", lost):
                self.hear(lost=lost)
            case ("lost",):
                self.hints.clear()
                self.cache.lost()
            case ("apart", path):
                self.cache.apart(CONTEXT[path])
            case ("alive",):
                for context in CONTEXT.values():
                    self.cache.heard(context, [])
            case ("wait", seconds):
                self.clock += seconds
                await self.step(("alive",))
        for _ in range(6):
            await asyncio.sleep(0)
        self.clock += 0.000_001

    async def end(self) -> None:
        for request in self.requests:
            request.works.set()
            request.arrives.set()
        jobs = [request.job for request in self.requests if request.job is not None]
        for ended in await asyncio.gather(*jobs, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        assert not self.layer._flights


MOSTLY = st.sampled_from
ABOUT = (
    MOSTLY(["one", "one", "one", "two"]),
    MOSTLY(["/api/tasks", "/api/tasks", "/api/tasks", "/api/wallet", "/api/agents"]),
)
ASKED = st.tuples(
    MOSTLY(["get", "get", "post"]), *ABOUT, MOSTLY(["sent", "worked on", *["answered"] * 4])
)
STEPS = st.lists(
    st.one_of(
        ASKED,
        ASKED.filter(lambda asked: asked[1:3] == ("one", "/api/tasks")),
        st.one_of(
            st.tuples(st.just("elsewhere"), *ABOUT),
            st.tuples(MOSTLY(["work", "arrive", "arrive", "give up"]), st.integers(0, 3)),
            st.tuples(st.just("hear"), MOSTLY([False, False, True])),
            MOSTLY([("lost",), ("alive",), ("alive",), ("alive",), ("apart", "/api/tasks")]),
            st.tuples(st.just("wait"), MOSTLY([0.001, 0.001, 0.5, 1.9, 2.1, 31.0])),
        ),
    ),
    min_size=10,
    max_size=40,
)


@settings(max_examples=120, deadline=None)
@given(steps=STEPS)
def test_nobody_is_shown_less_than_he_wrote_or_was_told(steps: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        world = World()
        await world.step(("alive",))
        for what in steps:
            await world.step(what)
        await world.end()

    asyncio.run(run())
