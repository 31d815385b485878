"""Load on a bare Ray actor: callers that each await one call after the other, in one driver."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.client import MARK_SIZE_BYTES, BadAnswer
from benchmarks.peers.bare_ray import NAMESPACE, with_token
from benchmarks.works import Latencies


class Calls:
    """All callers together; what they count is taken anew after the warm-up."""

    def __init__(self, actor: Any, size_bytes: int) -> None:
        self._actor = actor
        self._filler = b"x" * (size_bytes - MARK_SIZE_BYTES)
        self.latencies, self.answers = Latencies(), 0

    async def call(self, caller: int, end_s: float) -> None:
        """Call until the time is up."""
        number = caller << 40
        while time.perf_counter() < end_s:
            number += 1
            message = b"%016x" % number + self._filler
            sent_at_ns = time.perf_counter_ns()
            answer = await self._actor.echo.remote(message)
            self.latencies.add(time.perf_counter_ns() - sent_at_ns)
            self.answers += 1
            if answer != message:
                raise BadAnswer(f"sent {message[:40]!r}..., the answer was {answer[:40]!r}")

    async def run(self, callers: int, seconds: float) -> None:
        """All of them at once."""
        end_s = time.perf_counter() + seconds
        await asyncio.gather(*(self.call(caller, end_s) for caller in range(callers)))


def connect(url: str, size_bytes: int) -> Calls:
    """Join the Ray at `ray-actor://<address>/<name of the actor>?token=<its file>`."""
    parts = urlsplit(url)
    os.environ.update(with_token(parse_qs(parts.query)["token"][0]))
    import ray  # here: no other load needs it, and it reads the environment

    ray.init(
        address=parts.netloc,
        namespace=NAMESPACE,
        logging_level=logging.ERROR,
        log_to_driver=False,  # standard output is for the result
    )
    return Calls(ray.get_actor(parts.path.strip("/")), size_bytes)
