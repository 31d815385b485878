"""The limit of messages as Ray calls: an asynchronous actor that answers with what it is given.

No sockets and no gateway: the load generator itself is a Ray driver (benchmarks/ray_load.py). Ray
is started as Parlour starts it: without its dashboard, actors at nice 0.
"""

import os
import secrets
import signal
import sys
import threading
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.process import ServerProcess

READY = "Ready "
NAMESPACE = "bare"
OBJECT_STORE_BYTES = 128 * 1024 * 1024  # as little as Ray wants
CALLS_AT_ONCE = 1000


class BareRay:
    """Runs this file, which starts Ray and the actor."""

    def __init__(self, folder: Path) -> None:
        self._process = ServerProcess("ray", folder, stop_signal=signal.SIGINT)
        self._token = folder / "ray-token"  # Ray lets in who has it

    def start(self) -> str:
        """Start; where a driver joins, and the actor's name."""
        self._token.parent.mkdir(parents=True, exist_ok=True)
        self._token.unlink(missing_ok=True)
        self._token.touch(mode=0o600)
        self._token.write_text(secrets.token_hex(32))
        command = [sys.executable, "-m", "benchmarks.peers.bare_ray"]
        self._process.start(command, {**os.environ, **with_token(str(self._token))})
        self._process.wait_for_line(READY)
        [address] = self._process.words_after(READY)
        return f"ray-actor://{address}/{{party}}?token={self._token}"

    def stop(self) -> int:
        """What Ctrl-C does; then make sure."""
        self._token.unlink(missing_ok=True)
        return self._process.stop()

    def versions(self) -> dict[str, str]:
        """Ray's."""
        return {"ray": version("ray")}


def with_token(path: str) -> dict[str, str]:
    """The environment of a process that Ray lets in: actors at nice 0, and the token."""
    return {
        "RAY_worker_niceness": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": path,
    }


def serve() -> None:
    """An actor called `echo`, until Ctrl-C."""
    import ray

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    ray.init(
        address="local",
        namespace=NAMESPACE,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
    )

    @ray.remote(num_cpus=0)
    class Echo:
        async def echo(self, message: bytes) -> bytes:
            return message

    actor = Echo.options(name="echo", max_concurrency=CALLS_AT_ONCE).remote()  # type: ignore[attr-defined]
    ray.get(actor.echo.remote(b""))
    print(f"{READY}{ray.get_runtime_context().gcs_address}", flush=True)
    stop.wait()
    ray.shutdown()


if __name__ == "__main__":
    serve()
