"""`usePartySocket` in a React page in headless Chromium."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.support.chromium import browser as browser
from tests.support.processes import GATEWAY, descendants
from tests.support.running import RunningParlour

from .packages import bundle

RECONNECT_MS = 30_000  # Ray has to start a gateway


@pytest.fixture(scope="session")
def script(packages: Path) -> str:
    """The page's script with all that it imports."""
    return bundle(packages, "page.jsx")


async def tab(browser: BrowserContext, parlour: RunningParlour, script: str, room: str) -> Page:
    """The page in a new tab, on Parlour's own origin."""
    page = await browser.new_page()
    # The answer of a room becomes the page: one that no server of this machine has sent, such as
    # an intercepted one, may not open sockets to this machine.
    await page.goto(f"{parlour.url}/parties/faulty/page?room={room}")
    await page.set_content('<div id="root"></div>')
    await page.add_script_tag(content=script)
    return page


async def test_pages_talk_through_the_hook(
    browser: BrowserContext, parlour: RunningParlour, script: str
) -> None:
    """It connects to the page's own host, and closes when its component goes."""
    room = uuid.uuid4().hex
    alice = await tab(browser, parlour, script, room)
    await expect(alice.locator("output")).to_have_text("open, 1 here")
    bob = await tab(browser, parlour, script, room)
    await expect(alice.locator("output")).to_have_text("open, 2 here")

    await bob.get_by_role("button", name="Say").click()
    await expect(alice.locator("li")).to_have_text(["said by a page"])
    await expect(bob.locator("li")).to_have_text(["said by a page"])

    await bob.get_by_role("button", name="Leave").click()
    await expect(alice.locator("output")).to_have_text("open, 1 here")
    await bob.get_by_role("button", name="Come").click()
    await expect(alice.locator("output")).to_have_text("open, 2 here")


async def test_a_page_connects_again_when_the_gateway_was_killed(
    browser: BrowserContext, parlour: RunningParlour, script: str
) -> None:
    """By itself, with the id that it had, and goes on."""
    page = await tab(browser, parlour, script, uuid.uuid4().hex)
    await expect(page.locator("output")).to_have_text("open, 1 here")
    first_id = await page.locator("code").inner_text()

    [gateway] = descendants(parlour.session, GATEWAY)
    assert gateway.send(signal.SIGKILL)

    await expect(page.locator("code")).to_have_text(f"{first_id} {first_id}", timeout=RECONNECT_MS)
    await page.get_by_role("button", name="Say").click()
    await expect(page.locator("li")).to_have_text(["said by a page"])
