"""The rooms' server on a host of its own: the project's Valkey, over TCP and with a password."""

from __future__ import annotations

import secrets
import subprocess

import redis
from parlour.storage.embedded_process import find_server
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from .host import Host

PORT = 6379
START_TIMEOUT_S = 20
ASK_EVERY_S = 0.05
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")


class ValkeyHost:
    """A Valkey on `host`; its data survive `kill` and `host.end()`."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.password = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host.address}:{PORT}"

    @property
    def url(self) -> str:
        """As the hosts and the test reach it."""
        return f"redis://:{self.password}@{self.host.address}:{PORT}"

    def start(self) -> None:
        """Start it, on the data that are there, and return when it answers."""
        self.host.path("/tmp/valkey").mkdir(exist_ok=True)
        options = ["--dir", "/tmp/valkey", "--port", f"{PORT}", "--bind", "0.0.0.0", *DURABLE]
        options += ["--requirepass", self.password]
        self._process = self.host.spawn(find_server(), *options, log="valkey")
        tries = int(START_TIMEOUT_S / ASK_EVERY_S)
        refused = (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError)
        retry = Retry(ConstantBackoff(ASK_EVERY_S), tries, supported_errors=refused)
        with redis.Redis.from_url(self.url, retry=retry, socket_connect_timeout=1) as client:
            client.ping()

    def kill(self) -> None:
        """`kill -9`; returns when it is gone."""
        assert self._process is not None
        self.host.kill_processes()
        self._process.wait()
