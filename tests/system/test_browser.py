"""The chat page in a real browser: headless Chromium, two tabs, a running Parlour behind them."""

import uuid

import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.support.chromium import browser as browser
from tests.support.running import RunningParlour


@pytest.fixture
def room() -> str:
    """A room of this test's own, with a name that has to be encoded in a URL."""
    return f"über/{uuid.uuid4().hex}"


async def open_tab(browser: BrowserContext, parlour: RunningParlour, room: str, name: str) -> Page:
    """Open the chat page in a new tab, wait until it is connected, and enter a name."""
    tab = await browser.new_page()
    await tab.goto(f"{parlour.url}/?room={room}")
    await expect(tab.get_by_role("status")).to_have_text("Connected")
    await tab.get_by_label("Your name").fill(name)
    return tab


async def say(tab: Page, text: str) -> None:
    await tab.get_by_label("Message", exact=True).fill(text)
    await tab.keyboard.press("Enter")


def texts(tab: Page) -> Locator:
    """What was said, without who said it and when."""
    return tab.get_by_role("log").locator(".text")


async def test_two_tabs_of_one_browser_chat(
    browser: BrowserContext, parlour: RunningParlour, room: str
) -> None:
    """Each tab sees what the other says, and who said it."""
    alice = await open_tab(browser, parlour, room, "Alice")
    bob = await open_tab(browser, parlour, room, "Bob")

    await expect(alice.get_by_text("2 here")).to_be_visible()
    await expect(bob.get_by_text("2 here")).to_be_visible()

    await say(alice, "is anybody here?")
    await expect(bob.get_by_role("log")).to_contain_text("is anybody here?")
    await expect(bob.get_by_role("log")).to_contain_text("Alice")

    await say(bob, "yes, hello")
    await expect(alice.get_by_role("log")).to_contain_text("yes, hello")
    await expect(alice.get_by_role("log")).to_contain_text("Bob")


async def test_a_newcomer_sees_what_was_said_before(
    browser: BrowserContext, parlour: RunningParlour, room: str
) -> None:
    """The last fifty messages come with the connection, oldest first."""
    alice = await open_tab(browser, parlour, room, "Alice")
    said = [f"message {number}" for number in range(60)]
    for text in said:
        await say(alice, text)
    await expect(texts(alice)).to_have_text(said)

    bob = await open_tab(browser, parlour, room, "Bob")

    await expect(texts(bob)).to_have_text(said[-50:])


async def test_markup_in_a_message_is_only_text(
    browser: BrowserContext, parlour: RunningParlour, room: str
) -> None:
    """What somebody says can neither become elements of the page nor run in it."""
    alice = await open_tab(browser, parlour, room, "<b>Alice</b>")
    bob = await open_tab(browser, parlour, room, "Bob")
    markup = "<img src=x onerror=\"document.title='taken'\">"

    await say(alice, markup)

    await expect(bob.get_by_role("log")).to_contain_text(markup)
    await expect(bob.get_by_role("log")).to_contain_text("<b>Alice</b>")
    await expect(bob.locator("#messages :is(img, li b b)")).to_have_count(0)
    await expect(bob).to_have_title(f"#{room} · Parlour chat")


async def test_a_tab_whose_connection_breaks_comes_back_and_misses_nothing(
    browser: BrowserContext, parlour: RunningParlour, room: str
) -> None:
    """The page connects again by itself and shows what was said meanwhile, once."""
    alice = await open_tab(browser, parlour, room, "Alice")
    bob = await open_tab(browser, parlour, room, "Bob")
    await say(bob, "before")
    await expect(alice.get_by_role("log")).to_contain_text("before")

    await alice.evaluate("socket.close()")
    await expect(alice.get_by_role("status")).not_to_have_text("Connected")
    await say(bob, "meanwhile")
    await expect(alice.get_by_role("status")).to_have_text("Connected")
    await say(bob, "after")

    await expect(texts(alice)).to_have_text(["before", "meanwhile", "after"])
