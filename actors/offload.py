"""Work that would hold up a room: run as a Ray task, anywhere in the cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .chain import Chain, current_chain, errand

ResultT = TypeVar("ResultT")


async def offload(
    fn: Callable[..., ResultT],
    *args: Any,
    num_cpus: float = 1,
    num_gpus: float = 0,
    **kwargs: Any,
) -> ResultT:
    """Run `fn(*args, **kwargs)` as a Ray task and wait for its result.

    Raises:
        Exception: What the function raised, as itself.
    """
    # Here: a program that only imports the room classes need not wait for Ray.
    import ray
    from ray.exceptions import RayTaskError

    # One Ray function for all, so that Ray need not be shown each anew, and so that anything
    # callable will do.
    task: Any = ray.remote(num_cpus=num_cpus, num_gpus=num_gpus, max_retries=0)(_run)
    try:
        result: ResultT = await task.remote(fn, args, kwargs, current_chain())
    except RayTaskError as error:
        cause: object = error.cause  # without the worker's traceback in its text
        raise (cause if isinstance(cause, Exception) else error) from None
    return result


def _run(
    fn: Callable[..., ResultT], args: tuple[Any, ...], kwargs: dict[str, Any], chain: Chain
) -> ResultT:
    # The rooms that wait for the task wait for the rooms that it calls, too.
    with errand(chain):
        return fn(*args, **kwargs)
