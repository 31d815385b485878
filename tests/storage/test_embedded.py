"""EmbeddedServer: the private Valkey in a folder."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis
from parlour.storage.embedded import EmbeddedLimits, EmbeddedServer, server_settings
from parlour.storage.server_errors import EmbeddedServerFailed, FolderInUse
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..support.killing import kill_9, wait_for_end

STARTER = """
import sys, time
from parlour.storage.embedded import EmbeddedServer
server = EmbeddedServer(sys.argv[1])
server.start()
print(server.pid, flush=True)
time.sleep(600)
"""


def ask(server: EmbeddedServer, *command: str) -> object:
    with redis.Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as client:
        reply: object = client.execute_command(*command)
        return reply


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    """Data live in the folder, not in the process."""
    with EmbeddedServer(tmp_path) as server:
        ask(server, "SET", "k", "v")
    with EmbeddedServer(tmp_path) as server:
        assert ask(server, "GET", "k") == b"v"


def test_what_was_acknowledged_survives_kill_9_of_the_server(tmp_path: Path) -> None:
    """`appendfsync always`: the acknowledgement comes after the disk."""
    with EmbeddedServer(tmp_path) as server:
        ask(server, "SET", "k", "v")
        kill_9(server)
        server.start()
        assert ask(server, "GET", "k") == b"v"


def test_it_is_configured_to_keep_what_it_acknowledged(tmp_path: Path) -> None:
    """The running server's own account of the settings that carry the promises."""
    with (
        EmbeddedServer(tmp_path, settings={"hash-max-listpack-entries": "256"}) as server,
        redis.Redis.from_url(server.url, decode_responses=True) as client,
    ):
        config = client.config_get("*")
    expected = {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "save": "",
        "port": "0",
        "hash-max-listpack-entries": "256",
    }
    assert {name: config[name] for name in expected} == expected


def test_everysec_is_an_option() -> None:
    """The one durability setting a user may choose, by its name."""
    assert server_settings("everysec", {})["appendfsync"] == "everysec"


@pytest.mark.parametrize("name", ["appendfsync", "maxmemory-policy", "dir", "unixsocket", "port"])
def test_a_setting_that_carries_a_promise_cannot_be_overridden(name: str) -> None:
    """Otherwise the class would promise what its caller has switched off."""
    with pytest.raises(ValueError, match=f"'{name}' is the embedded server's own"):
        server_settings("fsync", {name: "x"})


def test_nobody_else_can_reach_the_socket(tmp_path: Path) -> None:
    """The socket's directory and the socket are the owner's alone."""
    with EmbeddedServer(tmp_path) as server:
        path = Path(server.url.removeprefix("unix://"))
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_folder_too_deep_for_a_socket_works_all_the_same(tmp_path: Path) -> None:
    """Socket paths end at some 107 bytes; the data stay in the deep folder, the socket moves.

    Where it moved to it is again when a server that was killed is started again.
    """
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with EmbeddedServer(deep) as server:
        socket_folder = Path(server.url.removeprefix("unix://")).parent
        assert ask(server, "PING") is True
        assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
        kill_9(server)
        server.start()
        assert Path(server.url.removeprefix("unix://")).parent == socket_folder
        assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
    assert not socket_folder.exists()
    assert (deep / "appendonlydir").is_dir()


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """Spaces, quotes, percent signs and other scripts, in the paths and in the URL."""
    with EmbeddedServer(tmp_path / 'my "data" 100% \u00fcber #1?') as server:
        assert ask(server, "PING") is True


def test_a_second_start_on_a_folder_is_refused(tmp_path: Path) -> None:
    """Two servers would write one log; the error says who runs the first."""
    with EmbeddedServer(tmp_path) as first:
        with pytest.raises(FolderInUse, match=f"process {os.getpid()} runs a server there"):
            EmbeddedServer(tmp_path).start()
        assert ask(first, "PING") is True


def test_a_second_process_on_a_folder_is_refused(tmp_path: Path) -> None:
    """The lock holds between processes too."""
    with EmbeddedServer(tmp_path):
        other = subprocess.run(
            [sys.executable, "-c", STARTER, str(tmp_path)], capture_output=True, text=True
        )
    assert other.returncode == 1
    assert "FolderInUse" in other.stderr


def test_the_server_ends_with_a_starter_that_was_killed(tmp_path: Path) -> None:
    """`kill -9` of the starter leaves no server, and the folder can be used at once."""
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], stdout=-1)
    assert starter.stdout is not None
    server_pid = int(starter.stdout.readline())
    starter.kill()
    starter.wait()
    starter.stdout.close()
    ended = wait_for_end(server_pid)
    with EmbeddedServer(tmp_path) as server:  # which would end one that was left behind
        assert ask(server, "PING") is True
    assert ended


def test_a_server_left_behind_is_ended_by_the_next_start(tmp_path: Path) -> None:
    """Where the kernel does not end it (not Linux), the next start does, and keeps its data."""
    left = EmbeddedServer(tmp_path)
    left.start()
    ask(left, "SET", "k", "v")
    left._lock.release()  # as the kernel does for a starter that ended
    with EmbeddedServer(tmp_path) as server:
        assert ask(server, "GET", "k") == b"v"
        assert left.pid is None
    left.stop()


def test_the_server_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """A start from a pool's thread is as good as one from the main thread."""
    server = EmbeddedServer(tmp_path)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        assert server.pid is not None
        assert not wait_for_end(server.pid, wait_s=0.3)
        assert ask(server, "PING") is True
    finally:
        server.stop()


def test_the_server_ends_with_a_program_that_forgets_to_stop_it(tmp_path: Path) -> None:
    """An ordinary exit stops it in order."""
    program = STARTER.replace("time.sleep(600)", "")
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True)
    assert done.returncode == 0
    assert wait_for_end(int(done.stdout), wait_s=0)


def test_a_start_that_fails_shows_the_servers_own_words(tmp_path: Path) -> None:
    """The reason is in the server's log; nobody should have to look for it."""
    server = EmbeddedServer(tmp_path, settings={"no-such-setting": "1"})
    with pytest.raises(EmbeddedServerFailed, match="no-such-setting"):
        server.start()
    assert server.pid is None


def test_a_start_with_damaged_data_fails_and_can_be_tried_again(tmp_path: Path) -> None:
    """A failed start holds no lock and leaves no process."""
    with EmbeddedServer(tmp_path) as server:
        ask(server, "SET", "k", "v")
    manifest = next((tmp_path / "appendonlydir").glob("*.manifest"))
    good = manifest.read_bytes()
    manifest.write_bytes(b"nonsense\n")
    with pytest.raises(EmbeddedServerFailed, match="manifest"):
        server.start()
    manifest.write_bytes(good)
    with server:
        assert ask(server, "GET", "k") == b"v"


def test_a_server_that_cannot_answer_is_ended_all_the_same(tmp_path: Path) -> None:
    """SHUTDOWN and SIGTERM reach no stopped process; SIGKILL does."""
    server = EmbeddedServer(tmp_path, limits=EmbeddedLimits(stop_s=0.1))
    server.start()
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    server.stop()
    assert wait_for_end(pid, wait_s=0)
    assert server.pid is None


def test_a_rewrite_that_was_cut_off_leaves_nothing_behind(tmp_path: Path) -> None:
    """`kill -9` amid a rewrite: its file, as large as the data, goes at the next start."""
    with EmbeddedServer(tmp_path) as server:
        for number in range(5):
            ask(server, "SET", f"k{number}", "v")
        ask(server, "CONFIG", "SET", "rdb-key-save-delay", "100000")  # microseconds a key
        ask(server, "BGREWRITEAOF")
        deadline_s = time.monotonic() + 10
        while not list(tmp_path.glob("temp-*")):
            assert time.monotonic() < deadline_s
        kill_9(server)
        # As other ways of being cut off leave them.
        (tmp_path / "appendonlydir" / "temp-appendonly.aof.manifest").write_text("half of it")
        (tmp_path / "temp-1.rdb").write_text("half of it")
        (tmp_path / "temp-notes.txt").write_text("somebody's own")
        server.start()
        assert ask(server, "GET", "k4") == b"v"
        assert [path.name for path in tmp_path.rglob("temp-*")] == ["temp-notes.txt"]


def test_the_log_is_bounded(tmp_path: Path) -> None:
    """A long log loses its older half at the next start, a short one nothing."""
    log = tmp_path / "valkey.log"
    log.write_bytes(b"an old line\n" * 1000 + b"the newest line\n")
    with EmbeddedServer(tmp_path, limits=EmbeddedLimits(log_bytes=1000)):
        content = log.read_bytes()
    assert content.startswith(b"an old line\n")
    assert content.count(b"an old line\n") < 50
    assert b"the newest line\n" in content


def test_stopping_twice_and_starting_twice_do_no_harm(tmp_path: Path) -> None:
    """Both are idempotent; the URL belongs to a running server."""
    server = EmbeddedServer(tmp_path)
    server.stop()
    server.start()
    pid = server.pid
    server.start()
    assert server.pid == pid
    server.stop()
    server.stop()
    with pytest.raises(EmbeddedServerFailed, match="call start"):
        _ = server.url
