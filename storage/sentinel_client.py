"""A blocking client of the primary that Sentinels name, for a thread of its own.

redis-py follows a fail-over when its connection breaks. This one asks before each command, all
Sentinels, and believes the majority, as the pipelined connection does (sentinels.py): a lease kept
at another server than the one that has the claims would prove nothing.
"""

from __future__ import annotations

import contextlib
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool

from .redis_socket import ServerNotReady
from .redis_url import RedisUrl
from .sentinel_url import Address, Sentinels
from .sentinels import Answer, choose
from .server_errors import ServerRefused

# One Sentinel's time to answer; three silent ones must not use up a lease.
ANSWER_S = 0.3


def open_sentinel_client(url: RedisUrl, *, timeout_s: float) -> redis.Redis:
    """A client whose every command goes to the primary of the moment, or fails.

    Its commands raise redis.RedisError if there is none, or it does not answer in `timeout_s`.
    """
    assert url.sentinels is not None
    group = _Group(url, url.sentinels)
    client: redis.Redis = group.master_for(  # type: ignore[no-untyped-call]
        url.sentinels.service,
        connection_pool_class=_Pool,
        db=url.database,
        username=url.username,
        password=url.password,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1),  # a connection that broke unnoticed is opened anew
        **_tls(url, wanted=url.tls is not None),
    )
    return client


class _Group(Sentinel):
    """The Sentinels of a URL, asked in turn."""

    def __init__(self, url: RedisUrl, sentinels: Sentinels) -> None:
        options = {
            "username": sentinels.username,
            "password": sentinels.password,
            "socket_timeout": ANSWER_S,
            "socket_connect_timeout": ANSWER_S,
            "retry": Retry(NoBackoff(), 0),
            "decode_responses": True,
            **_tls(url, wanted=sentinels.tls),
        }
        super().__init__(  # type: ignore[no-untyped-call]
            list(sentinels.addresses), sentinel_kwargs=options
        )
        self._url = str(url)
        self._wanted = sentinels

    def discover_master(self, service_name: str) -> Address:
        """Where the primary is.

        Raises:
            MasterNotFoundError: If no Sentinel tells; a redis.ConnectionError.
        """
        asked = zip(self._wanted.addresses, self.sentinels, strict=True)
        answers = [_ask(sentinel, client, service_name) for sentinel, client in asked]
        try:
            return choose(answers, self._wanted, self._url)
        except (ServerNotReady, ServerRefused) as error:
            raise MasterNotFoundError(str(error)) from error


class _Pool(SentinelConnectionPool):
    """Asks where the primary is before each command, not only before it connects."""

    def get_connection(self, *args: Any, **options: Any) -> Any:
        # Without an answer it goes on where it is: a primary may outlive its Sentinels.
        with contextlib.suppress(MasterNotFoundError):
            self.get_master_address()  # type: ignore[no-untyped-call]
        return super().get_connection(*args, **options)


def _ask(sentinel: Address, client: Any, service: str) -> Answer:
    try:
        primary = client.sentinel_get_master_addr_by_name(service)
    except redis.RedisError as error:
        return Answer(sentinel, problem=error)
    return Answer(sentinel, primary)


def _tls(url: RedisUrl, *, wanted: bool) -> dict[str, Any]:
    return {"ssl": True, **url.tls_options} if wanted else {}
