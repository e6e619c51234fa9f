"""A real browser at the gateway's pages: headless Chromium, and what goes wrong in it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import (
    Browser,
    Page,
    Request,
    ViewportSize,
    async_playwright,
    expect,
)

from tests.conftest import CHROMIUM

PICTURES = os.environ.get("BAZAAR_PICTURES")
"""A folder that pictures of the pages are kept in, when it is set."""
GRAVE = ("serious", "critical")
AWAY = "Failed to load resource"
"""What Chromium says of each answer that is no 200, and of a gateway that is away."""
DESK, PHONE = (1100, 900), (360, 740)
PATIENCE_MS = 45_000
expect.set_options(timeout=PATIENCE_MS)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser; it comes to addresses of this machine alone."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Visit:
    """A page that is being looked at.

    Attributes:
        wrong: what the browser complained about: errors, and what the page's policy forbids.
        asked: the addresses that were asked, in order.
        streams: how many event streams it reads now.
    """

    page: Page
    base_url: str
    wrong: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    streams: int = 0

    def begins(self, request: Request) -> None:
        """Note what is asked."""
        self.asked.append(httpx.URL(request.url).path)
        self.streams += request.url.endswith("/events")

    def ends(self, request: Request) -> None:
        """Note what is answered, or cut off."""
        self.streams -= request.url.endswith("/events")

    async def reads_one(self) -> bool:
        """Whether one event stream is read, and no more."""
        return self.streams == 1

    async def ask(self, wish: str, budget: str = "") -> None:
        """Say what is wanted, by the keyboard."""
        await self.page.fill("#budget", budget)
        await self.page.fill("#wish", wish)
        await self.page.keyboard.press("Enter")

    async def answered(self) -> str:
        """What is shown of the last wish, once it is answered."""
        await self.page.wait_for_selector("text=/^(Answered|No answer)\\.$/")
        return await self.page.inner_text(".now")

    async def picture(self, name: str) -> None:
        """Keep a picture, when somebody wants one."""
        if PICTURES:
            await self.page.screenshot(path=Path(PICTURES) / f"{name}.png")  # it makes the folder

    async def faults_for_all(self) -> list[str]:
        """What axe finds that keeps people out."""
        found: dict[str, Any] = (await Axe().run(self.page)).response
        return [
            f"{fault['id']}: {fault['help']} {[node['target'] for node in fault['nodes']]}"
            for fault in found["violations"]
            if fault["impact"] in GRAVE
        ]


@asynccontextmanager
async def visiting(
    browser: Browser,
    base_url: str,
    path: str = "/console",
    size: tuple[int, int] = DESK,
    **more: Any,
) -> AsyncIterator[Visit]:
    """Look at a page with nothing remembered; it may complain of nothing but of answers."""
    viewport = ViewportSize(width=size[0], height=size[1])
    context = await browser.new_context(viewport=viewport, **more)
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    visit = Visit(page, base_url)
    page.on("pageerror", lambda error: visit.wrong.append(str(error)))
    page.on(
        "console",
        lambda said: (
            visit.wrong.append(said.text)
            if said.type == "error" and AWAY not in said.text
            else None
        ),
    )
    page.on("request", visit.begins)
    page.on("requestfinished", visit.ends)
    page.on("requestfailed", visit.ends)
    try:
        await page.goto(f"{base_url}{path}")
        yield visit
        assert visit.wrong == []
    finally:
        await context.close()
