"""Work that would hold up a room: run as a Ray task, anywhere in the cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

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

    task: Any = ray.remote(num_cpus=num_cpus, num_gpus=num_gpus, max_retries=0)(fn)
    try:
        result: ResultT = await task.remote(*args, **kwargs)
    except RayTaskError as error:
        cause: Exception = error.as_instanceof_cause()  # type: ignore[no-untyped-call]
        raise cause from None
    return result
