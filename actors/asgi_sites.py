"""The ASGI applications that run in an edge, each from its first use to the end of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from .asgi import AsgiApp, AsgiSite, Lifespan

SITES_MAX = 16  # of one deployment; `asgi(...)` in a hook's body would make one for each request


class Site(NamedTuple):
    """An application that is started, or starts."""

    app: AsgiApp
    lifespan: Lifespan
    started: asyncio.Future[None]


class Sites:
    """Starts applications when they are first asked for."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """`env` are the project's variables, which applications find in the state of a scope."""
        self._env = env
        self._sites: dict[int, Site] = {}
        self._making = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Sites {len(self._sites)}>"

    async def open(self, site: AsgiSite) -> Site:
        """An application that is started.

        Raises:
            StartFailed: If it cannot start; the next call tries again.
            RuntimeError: If there are more than `SITES_MAX`.
            Exception: What its factory raised.
        """
        async with self._making:
            # In a thread: frameworks read their settings and models here.
            app = await asyncio.to_thread(site.app)
            if id(app) not in self._sites:
                if len(self._sites) >= SITES_MAX:
                    raise RuntimeError(
                        f"more than {SITES_MAX} ASGI applications were given to asgi(); "
                        "make each once, outside of the hook"
                    )
                lifespan = Lifespan(app, {"env": self._env})
                started = asyncio.ensure_future(lifespan.start())
                self._sites[id(app)] = Site(app, lifespan, started)
            opened = self._sites[id(app)]
        try:
            await asyncio.shield(opened.started)
        except Exception:
            self._sites.pop(id(app), None)
            raise
        return opened

    async def close(self) -> None:
        """Let every one of them stop."""
        for site in self._sites.values():
            if site.started.done():
                await site.lifespan.stop()
            else:
                site.started.cancel()
