"""The page when the gateway is away: it says so, and goes on by itself."""

from playwright.async_api import expect

from tests.e2e.browsing import chromium, visiting
from tests.e2e.market import Gate, Market, new_skill
from tests.e2e.powers import Powers
from tests.e2e.system import System


async def test_a_wish_outlives_the_gateway(system: System, powers: Powers, market: Market) -> None:
    """Killed while an agent is at work: the answer comes by the next one, and is paid once."""
    gate, skill = Gate(), new_skill("forge")

    async def work(text: str) -> str:
        await gate.passed()
        return f"done with {text}"

    agent = await market.agent(skill, work=work)
    async with chromium() as browser, visiting(browser, system.base_url) as visit:
        await expect(visit.page.locator("#state")).to_have_text("Live")
        await visit.ask(f"{skill} a ring")
        await expect(visit.page.locator(".now rect.step.working")).to_be_visible()
        await powers.kill("gateway")
        await expect(visit.page.locator("#state")).to_contain_text("trying again")
        await expect(visit.page.locator("#state")).to_have_text("Live")
        gate.open()
        shown = await visit.answered()
        assert "done with" in shown
        assert "Bill" in shown
        assert len(agent.calls) == 1
