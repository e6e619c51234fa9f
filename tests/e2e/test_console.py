"""The page, in a real browser: a first visit, wishes, two accounts, and for whom it is."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import nats
import pytest
from nats.js.errors import NotFoundError
from playwright.async_api import Browser, Route, expect

from tests.e2e.browsing import PHONE, chromium, visiting
from tests.e2e.market import Gate, Market, new_skill
from tests.e2e.system import System
from tests.gateway.credentials import make_key
from tests.gateway.reading import fresh
from tests.support.gateways import gateway_settings, serving
from tests.support.polling import insist

VIEWS = ("", "agents", "wallet", "events", "services", "letters")
SSE = "text/event-stream"
HOSTILE = "<img src=x onerror=alert(1)><b>bold</b> \x1b[2Jgone \u202egnp.exe"


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as found:
        yield found


@pytest.fixture(scope="module")
async def doors(system: System) -> AsyncIterator[str]:
    """A gateway that asks for keys, in front of the same services."""
    with serving(gateway_settings(system.nats_url, auth_mode="token")) as served:
        yield served.url


async def test_a_first_visit_with_a_key(browser: Browser, doors: str, system: System) -> None:
    """Who has no key is asked for one, who has a wrong one is told; then it says what to try."""
    alice = await make_key(system.nats_url, fresh("alice"), "--grant", "50")
    async with visiting(browser, doors, "/") as visit:
        page = visit.page
        await expect(page.locator("#door")).to_be_visible()
        await page.fill("#key", "bzr_nobody_at-all")
        await page.keyboard.press("Enter")
        await expect(page.locator("#why")).not_to_be_empty()
        await page.fill("#key", alice)
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_text("Live")
        await expect(page.locator(".try button")).to_have_count(4)
        await visit.picture("first-visit")
        for view in ("wallet", "events"):
            await page.click(f"nav a[href='#/{view}']")
        await page.click("nav a[href='#/wallet']")
        await expect(page.locator("main")).to_contain_text("No task yet")


async def test_a_wish_is_watched_and_its_task_shared(browser: Browser, system: System) -> None:
    async with visiting(browser, system.base_url) as visit:
        page = visit.page
        await expect(page.locator("#state")).to_have_text("Live")
        await visit.ask("Search for solar energy and summarize it", "3")
        shown = await visit.answered()
        assert "Plan: search by Search Agent, summarize by Summarizer Agent" in shown
        assert "Bill" in shown
        lanes = page.locator(".now svg.timeline")
        await expect(lanes.locator("circle.payment").nth(1)).to_be_attached()
        await expect(lanes.locator("rect.step.done")).to_have_count(2)
        await visit.picture("wish")

        await page.click(".now >> text=How it was done")
        await expect(page.locator("main")).to_contain_text("it adds up")
        await expect(page.locator("tr", has_text="task.completed")).to_be_visible()
        await visit.picture("task")
        link = page.url
        async with visiting(browser, system.base_url, link.removeprefix(system.base_url)) as other:
            await expect(other.page.locator("main")).to_contain_text("it adds up")
            await expect(other.page.locator("svg.timeline circle").first).to_be_attached()


async def test_a_price_that_was_negotiated(browser: Browser, system: System) -> None:
    async with visiting(browser, system.base_url) as visit:
        await expect(visit.page.locator("#state")).to_have_text("Live")
        await visit.ask("Negotiate: The house is big. Many people come in summer.", "0.8")
        shown = await visit.answered()
        assert "Negotiator Agent agreed on 0.4 instead of 0.6" in shown
        assert "offered 0.36: 0.4 asked instead" in shown


async def test_a_budget_that_is_reached_and_a_failure(
    browser: Browser, system: System, market: Market
) -> None:
    skill = new_skill("carve")
    agent = await market.agent(skill, price="0.2")
    async with visiting(browser, system.base_url) as visit:
        await expect(visit.page.locator("#state")).to_have_text("Live")
        await visit.ask(f"{skill} a spoon", "0.19")
        assert "budget" in (await visit.answered()).lower()
        agent.refuses = 500
        await visit.ask(f"{skill} a spoon", "1")
        shown = await visit.answered()
        assert "failed:" in shown
        assert "Bill" not in shown
        await expect(visit.page.locator("#wish")).to_be_enabled()


async def test_what_agents_say_is_text(browser: Browser, system: System, market: Market) -> None:
    """Markup, control characters, and 200 kB of it; also in an agent's name."""
    skill = new_skill("shout")

    async def work(_text: str) -> str:
        return f"{HOSTILE} {'word ' * 40_000}"

    agent = await market.agent(skill, work=work)
    await market.register(agent.id, agent.url, name=f"{skill} <i>Agent</i>", skills=[skill])
    async with visiting(browser, system.base_url) as visit:
        page = visit.page
        await expect(page.locator("#state")).to_have_text("Live")
        await visit.ask(f"{skill} something")
        shown = await visit.answered()
        assert "<img src=x onerror=alert(1)><b>bold</b>" in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert len(shown) < 10_000
        await page.click(".now >> text=/Show all/")
        assert len(await page.inner_text(".now")) > 150_000
        for view in ("agents", "events"):
            await page.click(f"nav a[href='#/{view}']")
            await expect(page.locator("main")).to_contain_text("<i>Agent</i>")
        assert await page.locator("main img, main i").count() == 0


async def test_two_accounts_in_one_browser(browser: Browser, doors: str, system: System) -> None:
    """Nothing of the first is left when the second comes, nor reached by a link."""
    keys = [await make_key(system.nats_url, fresh("who"), "--grant", "5") for _ in range(2)]
    async with visiting(browser, doors, "/") as visit:
        page = visit.page
        await page.fill("#key", keys[0])
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_text("Live")
        await visit.ask("Translate 'hello' to Spanish")
        assert "hola" in await visit.answered()
        await page.click(".now >> text=How it was done")
        await expect(page.locator("main")).to_contain_text("it adds up")
        link = urlsplit(page.url).fragment

        await page.click("#who")
        await page.fill("#key", keys[1])
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_contain_text("no such task")
        await page.click("nav a[href='#/']")
        await expect(page.locator(".try button")).to_have_count(4)
        assert "hola" not in await page.inner_text("main")
        await page.click("nav a[href='#/events']")
        assert "hola" not in await page.inner_text("main")
        assert link.startswith("/task/")


async def test_older_movements_stay_when_money_moves(
    browser: Browser, doors: str, system: System
) -> None:
    async def small(route: Route) -> None:
        """The API's own page, as small as can be."""
        await route.continue_(url=route.request.url.replace("limit=50", "limit=1"))

    key = await make_key(system.nats_url, fresh("older"), "--grant", "5")
    async with visiting(browser, doors, "/") as visit:
        page = visit.page
        await page.route("**/api/ledger?limit=50", small)
        await page.fill("#key", key)
        await page.keyboard.press("Enter")
        await visit.ask("Translate 'hello' to Spanish")
        await visit.answered()
        await page.click("nav a[href='#/wallet']")
        await page.get_by_role("button", name="Older movements").press("Enter")
        rows = page.get_by_role("region", name="Movements").locator("tbody tr")
        await expect(rows).to_have_count(2)
        was = await page.inner_text("main dl")
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as api:
            body = {"content": "Translate 'hello' to French"}
            (await api.post(f"{doors}/api/hubchat/message", json=body)).raise_for_status()
        await expect(page.locator("main dl")).not_to_have_text(was, use_inner_text=True)
        await expect(rows).to_have_count(2)


async def test_it_is_for_all(browser: Browser, system: System) -> None:
    """axe finds nothing serious by day, by night, on a phone; a phone shows all of its width."""
    for size, scheme in (((1100, 900), "light"), ((1100, 900), "dark"), (PHONE, "light")):
        more = {"color_scheme": scheme}
        async with visiting(browser, system.base_url, size=size, bypass_csp=True, **more) as visit:
            await expect(visit.page.locator("#state")).to_have_text("Live")
            await visit.ask("Translate 'hello' to Spanish")
            await visit.answered()
            for view in VIEWS:
                await visit.page.evaluate(f"location.hash = '#/{view}'")
                await expect(visit.page.locator("main h2")).to_be_focused()
                await visit.page.wait_for_load_state()
                assert await visit.faults_for_all() == [], f"#/{view} in {scheme}, {size}"
                wide = await visit.page.evaluate("document.documentElement.scrollWidth")
                assert wide <= size[0], f"#/{view} is {wide} wide"
            for click, there in (
                ("nav a[href='#/'] >> nth=0", ".links a"),
                (".links a >> nth=-1", "text=it adds up"),
            ):
                await visit.page.click(click)
                await expect(visit.page.locator(f"main >> {there}").last).to_be_visible()
            assert await visit.faults_for_all() == [], f"a task in {scheme}, {size}"
            wide = await visit.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size[0], f"a task is {wide} wide"
            await visit.page.click("nav a[href='#/agents']")
            await expect(visit.page.locator(".agents h3").first).to_be_visible()
            await visit.picture(f"agents-{scheme}-{size[0]}")


async def test_dead_letters_are_an_administrators(
    browser: Browser, doors: str, system: System
) -> None:
    """All of them listed, shown as text, and sent again, by the keyboard."""
    client = await nats.connect(system.nats_url)
    js, task = client.jetstream(), fresh("dead")
    heads = {
        "ce-id": fresh("id"),
        "bazaar-subject": f"bazaar.evt.agent.registered.{task}",
        "bazaar-consumer": "task-agents",
        "bazaar-error": HOSTILE.replace("\x1b", "").replace("\u202e", ""),
    }
    first = await js.publish("bazaar.dlq.task-agents", b"{}")
    for _ in range(50):
        await js.publish("bazaar.dlq.task-agents", b"{}")
    letter = await js.publish("bazaar.dlq.task-agents", HOSTILE.encode(), headers=heads)
    keys = {
        scopes: await make_key(system.nats_url, fresh("op"), "--scopes", scopes)
        for scopes in ("read,write", "read,write,admin")
    }
    async with visiting(browser, doors, "/#/services") as visit:
        page = visit.page
        await page.fill("#key", keys["read,write"])
        await page.keyboard.press("Enter")
        await page.click("main >> text=dead letters")
        await expect(page.locator("main")).to_contain_text("scope admin")
        await page.click("#who")
        await page.fill("#key", keys["read,write,admin"])
        await page.keyboard.press("Enter")
        name = f"dead letter {letter.seq}"
        await page.get_by_role("button", name=f"Show {name}", exact=True).press("Enter")
        await expect(page.locator("main")).to_contain_text("<b>bold</b> \\u001b[2Jgone \\u202e")
        assert await page.locator("main img, main b").count() == 0
        await visit.picture("dead-letters")
        await page.get_by_role("button", name="Older letters").press("Enter")
        oldest = page.get_by_role("button", name=f"Show dead letter {first.seq}", exact=True)
        await expect(oldest).to_be_visible()
        await page.get_by_role("button", name=f"Send {name} again", exact=True).press("Enter")
        await expect(page.locator("main [role=status]")).to_contain_text(f"registered.{task}")
        await expect(page.get_by_role("button", name=f"Show {name}", exact=True)).to_have_count(0)
    with pytest.raises(NotFoundError):
        await js.get_msg("DEADLETTER", letter.seq)
    await client.close()


async def test_every_list_says_what_to_try_when_it_is_empty(
    browser: Browser, system: System
) -> None:
    said = {
        "": "Try one of these",
        "agents": "bazaar new-agent",
        "wallet": "ask for something",
        "letters": "are the services well",
        "events": "ask for something",
    }
    async with visiting(browser, "about:blank", "") as visit:
        page = visit.page
        for path in ("messages", "agents", "tasks", "ledger", "dead-letters"):
            await page.route(f"**/api/{path}**", lambda route: route.fulfill(json=[]))
        await page.route(
            "**/api/events", lambda route: route.fulfill(content_type=SSE, body=": \n\n")
        )
        await page.goto(f"{system.base_url}/console")
        for view, words in said.items():
            await page.evaluate(f"location.hash = '#/{view}'")
            await expect(page.locator("main .empty").first).to_be_visible()
            await expect(page.locator("main")).to_contain_text(words, ignore_case=True)


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_browser_whose_clock_is_off(
    browser: Browser, system: System, market: Market, hours: int
) -> None:
    """Pictures are of the gateway's time: what is at work fills the picture, charts have points."""
    gate, skill = Gate(), new_skill("clock")

    async def work(text: str) -> str:
        await gate.passed()
        return text

    await market.agent(skill, work=work)
    async with visiting(browser, "about:blank", "") as visit:
        page = visit.page
        shift = f"const now = Date.now; Date.now = () => now() + {hours} * 3_600_000;"
        await page.add_init_script(shift)
        await page.goto(f"{system.base_url}/console")
        await expect(page.locator("#state")).to_have_text("Live")
        await visit.ask(f"{skill} something")
        working = page.locator(".now rect.step.working")
        await expect(working).to_be_visible()
        # Of 700: it began a moment ago, in a picture that began a moment before.
        assert 0 < float(await working.get_attribute("width") or 0) < 700
        words = await page.locator(".now svg.timeline").get_attribute("aria-label") or ""
        assert int(words.split(" events in ")[1].split()[0]) < 600_000, words
        gate.open()
        await visit.answered()


async def test_a_link_that_is_none_is_told(browser: Browser, system: System) -> None:
    async with visiting(browser, system.base_url, "/console#/task/%E0%A4%A") as visit:
        await expect(visit.page.locator("main")).to_contain_text("no such task")
        await visit.page.click("nav a[href='#/']")
        await expect(visit.page.locator("#wish")).to_be_visible()


async def test_by_the_keyboard_alone(browser: Browser, system: System) -> None:
    async with visiting(browser, system.base_url) as visit:
        page = visit.page
        await expect(page.locator("#state")).to_have_text("Live")
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#wish")).to_be_focused()
        await page.keyboard.type("Translate 'cat' to German")
        await page.keyboard.press("Enter")
        assert "Bill" in await visit.answered()
        await page.focus("#who")
        await page.keyboard.press("Enter")
        await expect(page.locator("#key")).to_be_focused()
        await page.keyboard.press("Escape")
        await page.keyboard.press("/")
        await expect(page.locator("#wish")).to_be_focused()
        assert "Bill" in await page.inner_text("main")


async def test_one_page_holds_one_stream_and_asks_for_nothing_by_the_clock(
    browser: Browser, doors: str, system: System
) -> None:
    key = await make_key(system.nats_url, fresh("still"))
    async with visiting(browser, doors, "/") as visit:
        await visit.page.fill("#key", key)
        await visit.page.keyboard.press("Enter")
        await expect(visit.page.locator("#state")).to_have_text("Live")
        await expect(visit.page.locator(".try button")).to_have_count(4)
        before = len(visit.asked)
        await asyncio.sleep(2)
        # What agents do elsewhere is told by the stream, and then looked up.
        assert [path for path in visit.asked[before:] if path != "/api/agents"] == []
        assert visit.streams == 1
        # On a task's page the stream is the task's, in the place of the other.
        for view in ("task/nobodys", "events", "task/nobodys", ""):
            await visit.page.evaluate(f"location.hash = '#/{view}'")
            await expect(visit.page.locator("main h2")).to_be_focused()
        await expect(visit.page.locator("#state")).to_have_text("Live")
        await insist(visit.reads_one)


@pytest.mark.parametrize(
    ("path", "shown"), [("/docs", "/api/invoke-agent"), ("/docs/events", "bazaar.evt.step.failed")]
)
async def test_what_describes_the_api_works_without_the_network(
    browser: Browser, system: System, path: str, shown: str
) -> None:
    async with visiting(browser, system.base_url, path) as visit:
        await expect(visit.page.locator("body")).to_contain_text(shown)
        await visit.picture(path.strip("/").replace("/", "-"))
