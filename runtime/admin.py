"""The admin port of a node: metrics, and whether it is there. For operators, not for clients.

Everything but /healthz needs the cluster's admin token (`parlour token`). It listens on loopback
unless it is told otherwise, and speaks plain HTTP: between machines put a proxy with TLS before it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from hmac import compare_digest

from aiohttp import web
from aiohttp.typedefs import Handler

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 1024  # nothing that is asked here has a body
IDLE_S = 75.0  # of a connection that asks nothing
SHUTDOWN_TIMEOUT_S = 1.0
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class AdminServer:
    """One per node, beside the hibernation manager."""

    def __init__(self, host: str, port: int, token: str, metrics: Callable[[], bytes]) -> None:
        """`metrics` makes the text of /metrics."""
        self.host = host
        self.port = port
        self._token = token.encode()
        self._metrics = metrics
        app = web.Application(middlewares=[self._check], client_max_size=BODY_BYTES_MAX)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/metrics", self._show_metrics)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=IDLE_S,
            shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        )

    def __repr__(self) -> str:
        return f"<AdminServer {self.host}:{self.port}>"

    async def start(self) -> None:
        """Listen; with port 0 on a free one, which is in `port` then.

        Raises:
            OSError: If the port is taken, or the host is not this machine's.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End every connection."""
        await self._runner.cleanup()

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        # Before the path is looked at: who has no token learns nothing of what there is.
        if request.path != "/healthz" and not self._knows_token(request):
            return web.Response(
                status=401,
                text="this needs the token that `parlour token` shows\n",
                headers={"WWW-Authenticate": 'Bearer realm="parlour"'},
            )
        return await handler(request)

    def _knows_token(self, request: web.Request) -> bool:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        # Headers are text as aiohttp decodes it, with what is no UTF-8 as surrogates.
        proof = given.strip().encode("utf-8", "surrogateescape")
        return scheme.lower() == "bearer" and compare_digest(proof, self._token)

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": METRICS_TYPE})
