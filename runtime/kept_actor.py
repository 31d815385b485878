"""A Ray actor that is kept running on a node: found or started by name, mended when it fails.

Ray restarts what it sees die. What it cannot start again, or what runs and is of no use, is ended
here, so that the next look starts another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

import ray
from ray.exceptions import ActorDiedError, ActorUnschedulableError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from .ray_names import RESTARTS_WITHOUT_END, actor_class

log = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT")


def kept_actor(
    shell: type, settings: Any, *, name: str, node_id: str, runtime_env: Any = None
) -> Any:
    """The actor of that name; one is started on the node if there is none."""
    return (
        actor_class(shell, max_restarts=RESTARTS_WITHOUT_END)
        .options(
            name=name,
            lifetime="detached",
            get_if_exists=True,
            runtime_env=runtime_env or None,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
        )
        .remote(settings)
    )


async def answer_of(question: Awaitable[AnswerT], timeout_s: float) -> AnswerT:
    """What an actor answers to a call.

    Raises:
        RayError: If it is not there, or raised; then that is its `cause`.
        TimeoutError: If it does not answer in time.
    """
    return await asyncio.wait_for(_awaited(question), timeout_s)


async def mend(actor: Any, what: str, error: RayError) -> None:
    """An actor has answered with an error: see to it that one runs again; logs call it `what`."""
    if isinstance(error, ActorDiedError | ActorUnschedulableError):
        log.warning("%s is gone for good: starting another", what)
        await asyncio.to_thread(ray.kill, actor)
    elif isinstance(error, RayTaskError):
        # It runs and could not start what it is for; Ray restarts what it sees die.
        log.warning("%s could not start, it tries again: %s", what, error.cause)
        await asyncio.to_thread(ray.kill, actor, no_restart=False)
    else:
        log.info("%s is being restarted: %s", what, type(error).__name__)


async def _awaited(question: Awaitable[AnswerT]) -> AnswerT:
    return await question  # Ray's references can be awaited, and are no coroutines
