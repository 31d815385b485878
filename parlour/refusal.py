"""What cannot be done is said in one sentence; exit status 1."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from typing import ParamSpec

import click

P = ParamSpec("P")


class Refusal(click.ClickException):
    """What cannot be done, in one sentence; exit status 1."""

    exit_code = 1


def refusals(command: Callable[P, None]) -> Callable[P, None]:
    """Turn the errors that say what to do into refusals."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        # Ray would hold back lines that look alike, and so tear tracebacks apart. Read at import.
        os.environ.setdefault("RAY_DEDUP_LOGS", "0")
        # Here, not above: Ray takes most of a second to import, and --help must not.
        from .runtime.cluster import CannotStart, ClusterError
        from .runtime.code import CannotLoad

        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            command(*args, **kwargs)
        except (CannotLoad, CannotStart, ClusterError) as error:
            raise Refusal(str(error)) from error

    return wrapped
