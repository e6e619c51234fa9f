"""How fast the gateway's page is there, and how it holds 5,000 events, in headless Chromium.

    python -m bench.page [--rounds 9] [--url URL --bus URL]

Starts AgentBazaar as `make up` does, unless a gateway without authentication is named. Each round
opens the page and `/docs`, in turn, each with an empty cache. Then the page shows 5,000 events
while more arrive and it is scrolled. A page with nothing on it is scrolled in turn: what counts is
how many frames this machine can draw at all.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import nats
from nats.aio.client import Client
from playwright.async_api import Browser, Page, async_playwright

from bench.systems import marketplace
from chassis.bus.envelopes import origin
from chassis.endings import end
from contracts.registry import AgentRepriced
from contracts.users import ADMIN
from deploy.local import home
from deploy.local import nats as server
from tests.conftest import CHROMIUM

EVENTS, MORE_A_SECOND = 5_000, 100
ROW = 28
"""Pixels of a line, as in gateway/console/log.js."""
SCROLLED_S = 4.0
READY = {"/console": "#wish", "/docs": ".opblock"}
"""By address: what is there once somebody can work with the page."""
WATCH = """
    const seen = () => {
      const found = document.querySelector(SELECTOR);
      if (found && !window.interactive) window.interactive = performance.now();
    };
    new MutationObserver(seen).observe(document, { childList: true, subtree: true });
"""
TIMES = """
    new Promise((told) => {
      const look = () => {
        const [paint] = performance.getEntriesByName("first-contentful-paint");
        if (paint) told([paint.startTime, window.interactive]); else setTimeout(look, 20);
      };
      look();
    })
"""
FRAMES = """
    ([selector, seconds]) => new Promise((told) => {
      const list = document.querySelector(selector), frames = [];
      const begun = performance.now();
      const frame = (at) => {
        frames.push(at);
        list.scrollTop = (list.scrollTop + 60) % Math.max(list.scrollHeight - list.clientHeight, 1);
        if (at - begun < seconds * 1000) requestAnimationFrame(frame); else told(frames);
      };
      requestAnimationFrame(frame);
    })
"""
NOTHING = "<div id=list style='height: 600px; overflow: auto'><div style='height: 99999px'>"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser of this machine."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM)
        try:
            yield browser
        finally:
            await browser.close()


async def opened(browser: Browser, url: str, path: str) -> tuple[float, float]:
    """Milliseconds to the first contentful paint of a page, and until one can work with it."""
    context = await browser.new_context()
    try:
        page = await context.new_page()
        await page.add_init_script(WATCH.replace("SELECTOR", json.dumps(READY[path])))
        await page.goto(f"{url}{path}")
        await page.wait_for_selector(READY[path])
        painted, interactive = await page.evaluate(TIMES)
        return float(painted), float(interactive)
    finally:
        await context.close()


async def told(client: Client, events: int) -> None:
    """Publish so many events of agents that nobody has."""
    for number in range(events):
        event = AgentRepriced(
            agent_id=f"bench-{number % 50}",
            load=number % 10,
            base_price=Decimal("0.1"),
            dynamic_price=Decimal("0.1"),
        )
        heads = origin("registry", f"{event.type}.v{event.version}").headers()
        await client.publish(event.subject(), event.model_dump_json().encode(), headers=heads)
        if number % 50 == 0:
            await client.flush()
            await asyncio.sleep(0.02)  # A reader that is far behind would be cut off.


async def trickle(client: Client) -> None:
    """Events without an end, so many a second."""
    while True:
        await told(client, MORE_A_SECOND // 10)
        await asyncio.sleep(0.1)


async def frames(page: Page, selector: str) -> tuple[float, float]:
    """Frames a second while it is scrolled: on average, and by the longest twentieth of frames."""
    at = await page.evaluate(FRAMES, [selector, SCROLLED_S])
    took = sorted(after - before for before, after in pairwise(at))
    return 1000 / statistics.mean(took), 1000 / took[int(len(took) * 0.95)]


def row(name: str, figures: Sequence[tuple[float, float]], digits: int = 0) -> str:
    """A line of a table: the medians of pairs of figures."""
    medians = [statistics.median(column) for column in zip(*figures, strict=True)]
    return f"| {name} | {' | '.join(f'{median:.{digits}f}' for median in medians)} |"


async def first_look(browser: Browser, url: str, rounds: int) -> None:
    """Print how soon the pages are there."""
    found: dict[str, list[tuple[float, float]]] = {path: [] for path in READY}
    for number in range(rounds + 1):
        for path in READY:
            times = await opened(browser, url, path)
            if number:  # The first look is the browser's own start.
                found[path].append(times)
    print("| page | first contentful paint, ms | interactive, ms |")
    print("|---|---|---|")
    for path, looks in found.items():
        print(row(path, looks))
    pairs = zip(found["/console"], found["/docs"], strict=True)
    ratios = [(one[0] / other[0], one[1] / other[1]) for one, other in pairs]
    print(row("ratio", ratios, digits=2))


async def many_events(browser: Browser, url: str, bus: str, rounds: int) -> None:
    """Print how smoothly 5,000 events are scrolled while more arrive."""
    client = await nats.connect(bus)
    page, plain = await browser.new_page(), await browser.new_page()
    await page.goto(f"{url}/console#/events")
    await page.wait_for_selector("#state.live")
    await told(client, EVENTS + EVENTS // 10)
    await page.wait_for_selector(f".log > div[style*='height: {EVENTS * ROW}px']", state="attached")
    await plain.set_content(NOTHING)
    more = asyncio.create_task(trickle(client))
    found: dict[str, list[tuple[float, float]]] = {"5,000 events": [], "nothing": []}
    for _ in range(rounds):
        for name, one, selector in (("5,000 events", page, ".log"), ("nothing", plain, "#list")):
            await one.bring_to_front()
            found[name].append(await frames(one, selector))
    await end(more)
    await client.close()
    print("\n| on screen | frames a second | by the longest twentieth |")
    print("|---|---|---|")
    for name, rates in found.items():
        print(row(name, rates))


@contextmanager
def gateway(url: str | None, bus: str | None) -> Iterator[tuple[str, str]]:
    """Addresses of a gateway and of its bus, for an administrator."""
    if url is not None and bus is not None:
        yield url.rstrip("/"), bus
        return
    with (
        tempfile.TemporaryDirectory(prefix="bazaar-page-") as folder,
        marketplace(Path(folder) / "home") as env,
    ):
        password = home.passwords(Path(env["BAZAAR_HOME"]))[f"nats_{ADMIN}"]
        bus = server.url(int(env["NATS_PORT"]), ADMIN, password)
        yield f"http://127.0.0.1:{env['GATEWAY_PORT']}", bus


async def measure(url: str, bus: str, rounds: int) -> None:
    """All of it."""
    async with chromium() as browser:
        await first_look(browser, url, rounds)
        await many_events(browser, url, bus, max(rounds // 3, 1))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--url", help="of a gateway without authentication")
    parser.add_argument("--bus", help="the address of its NATS, with the administrator's password")
    given = parser.parse_args()
    with gateway(given.url, given.bus) as (url, bus):
        asyncio.run(measure(url, bus, given.rounds))


if __name__ == "__main__":
    main()
