"""The rooms' server for a command that needs nothing else of Parlour. Blocking.

It is the one at a URL, or the private one of a data folder, running or not (storage/visiting.py).
Not here: what the command does there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from redis.exceptions import RedisError

from ..storage import RedisBackend, StorageError
from ..storage.redis_cluster import connect
from ..storage.redis_commands import ConnectionLimits
from ..storage.redis_connection import RedisClient
from ..storage.visiting import visit

T = TypeVar("T")

PATIENCE_S = 10.0  # for an answer: somebody waits for the command
STORAGE_FOLDER = "storage"  # of the private server, in the data folder


class NotDone(Exception):
    """What a command could not do; one sentence that says what to do."""


@dataclass(frozen=True)
class RoomsServer:
    """The server, connected."""

    url: str
    connection: RedisClient

    @property
    def backend(self) -> RedisBackend:
        """Storage over the same connection."""
        return RedisBackend(self.connection)


def on_server(
    redis_url: str | None, data_folder: Path, work: Callable[[RoomsServer], Awaitable[T]]
) -> T:
    """Do `work` with the server at `redis_url`, or with the private one of `data_folder`.

    Raises:
        NotDone: If there is no such server, or `work` could not be done there.
    """
    try:
        with _server_url(redis_url, data_folder) as url, _quiet_connections():
            return asyncio.run(_connected(url, work))
    except StorageError as error:
        raise NotDone(str(error)) from error
    except RedisError as error:
        raise NotDone(f"the rooms' server does not do it: {error}") from error


@contextlib.contextmanager
def _server_url(redis_url: str | None, data_folder: Path) -> Iterator[str]:
    if redis_url is not None:
        yield redis_url
    else:
        with visit(data_folder / STORAGE_FOLDER) as url:
            yield url


async def _connected(url: str, work: Callable[[RoomsServer], Awaitable[T]]) -> T:
    limits = ConnectionLimits(patience_s=PATIENCE_S)
    connection = await connect(url, limits=limits, name="parlour-command")
    try:
        return await work(RoomsServer(url, connection))
    finally:
        await connection.close()


@contextlib.contextmanager
def _quiet_connections() -> Iterator[None]:
    """Leave out what connections log on the way to an error: the command says it once."""
    log = logging.getLogger("parlour.storage")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
