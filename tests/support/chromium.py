"""Debian's Chromium without a screen: a fixture, for the modules that import it."""

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import BrowserContext, async_playwright

from .requirements import require

CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def browser() -> AsyncIterator[BrowserContext]:
    """An empty profile of Debian's Chromium; the pages opened in it are its tabs."""
    chromium = shutil.which("chromium")
    require(chromium, "chromium is not installed (apt-get install chromium)")
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS) as program,
        await program.new_context() as context,
    ):
        yield context
