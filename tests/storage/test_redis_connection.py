"""RedisConnection: order, repetition, limits and patience, against real servers."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio
import uvloop
from parlour.storage.embedded import EmbeddedServer
from parlour.storage.embedded_process import find_server
from parlour.storage.redis_commands import ConnectionLimits
from parlour.storage.redis_connection import RedisConnection, wait_s
from parlour.storage.server_errors import (
    CommandFailed,
    ConnectionClosed,
    ConnectionLost,
    ConnectionOverloaded,
    InvalidServerUrl,
    ServerRefused,
    ServerUnavailable,
)

from ..support.cuttable_link import CuttableLink
from ..support.killing import kill_9
from ..support.redis_cluster import free_port
from ..support.redis_process import RedisProcess
from ..support.requirements import require

Connect = Callable[..., RedisConnection]

PUSH = "return redis.call('RPUSH', KEYS[1], ARGV[1])"


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes connections that are closed after the test."""
    made: list[RedisConnection] = []

    def make(url: str, **limits: float) -> RedisConnection:
        made.append(RedisConnection(url, limits=ConnectionLimits(**limits)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for connection in made:
        await connection.close()


@pytest.fixture(params=["valkey_url", "redis_url"])
def server_url(request: pytest.FixtureRequest) -> str:
    """An empty Valkey, then an empty Redis."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
async def link(valkey_url: str, tmp_path: Path) -> AsyncIterator[CuttableLink]:
    """A link to the session's Valkey that can be cut."""
    async with CuttableLink(tmp_path / "link", valkey_url.removeprefix("unix://")) as link:
        yield link


async def loss(connection: RedisConnection) -> None:
    """Return once the connection knows that it has none."""
    while connection.is_connected:  # noqa: ASYNC110  # turns of the loop, not time
        await asyncio.sleep(0)


async def test_replies_belong_to_their_commands(server_url: str, connect: Connect) -> None:
    """A thousand commands in one turn come back in order, each with its own reply."""
    connection = connect(server_url)
    replies = [connection.execute("ECHO", str(number)) for number in range(1000)]
    assert await asyncio.gather(*replies) == [str(number).encode() for number in range(1000)]


async def test_arguments_are_text_bytes_and_whole_numbers(
    server_url: str, connect: Connect
) -> None:
    """Text goes as UTF-8, numbers as digits, bytes as they are; nothing is quoted or cut."""
    connection = connect(server_url)
    value = bytes(range(256)) * 4
    await connection.execute("HSET", "h\u00fc", b"\x00\r\n", value, "n", -5)
    reply = await connection.execute(b"HMGET", "h\u00fc".encode(), b"\x00\r\n", b"n")
    assert reply == [value, b"-5"]


async def test_a_large_value_passes_both_ways(server_url: str, connect: Connect) -> None:
    """Sixteen mebibytes: more than any buffer of socket, transport or parser."""
    connection = connect(server_url)
    value = os.urandom(16 * 1024 * 1024)
    await connection.execute("SET", "k", value)
    assert await connection.execute("GET", "k") == value


async def test_the_commands_of_one_turn_are_one_write(valkey_url: str, connect: Connect) -> None:
    """What a hundred callers send before the loop turns is read by the server in one piece."""
    connection = connect(valkey_url)

    async def reads() -> int:
        info: bytes = await connection.execute("INFO", "stats")
        return int(info.partition(b"total_reads_processed:")[2].split()[0])

    before = await reads()
    await asyncio.gather(*[connection.execute("SET", "k", number) for number in range(100)])
    assert await reads() - before == 2  # one for all SETs, one for INFO itself


async def test_an_error_reply_is_that_commands_alone(server_url: str, connect: Connect) -> None:
    """The commands around a failed one are answered as if it were not there."""
    connection = connect(server_url)
    first = connection.execute("SET", "k", "text")
    failed = connection.execute("HSET", "k", "field", 1)
    last = connection.execute("GET", "k")
    with pytest.raises(CommandFailed, match="WRONGTYPE") as caught:
        await failed
    assert caught.value.code == "WRONGTYPE"
    assert [await first, await last] == [b"OK", b"text"]


async def test_a_script_runs_on_a_server_that_does_not_know_it(
    server_url: str, connect: Connect
) -> None:
    """First use loads it; so does the first use after somebody flushed the server's scripts."""
    connection = connect(server_url)
    push = connection.script(PUSH)
    for number in range(5):
        await push(["list"], [number])
    await connection.execute("SCRIPT", "FLUSH")
    await asyncio.gather(*[push(["list"], [number]) for number in range(5, 10)])
    numbers = [str(number).encode() for number in range(10)]
    assert await connection.execute("LRANGE", "list", 0, -1) == numbers


async def test_a_script_is_sent_once_and_then_named_by_its_digest(
    link: CuttableLink, connect: Connect
) -> None:
    """Its text crosses the wire once a connection, not once a call."""
    connection = connect(link.url)
    push = connection.script(PUSH)
    await asyncio.gather(*[push(["list"], [number]) for number in range(100)])
    assert b"".join(link.asked).count(PUSH.encode()) == 1


async def test_a_scripts_own_error_is_an_answer(server_url: str, connect: Connect) -> None:
    """Also one that looks like the server's "I do not know this script"."""
    connection = connect(server_url)
    with pytest.raises(CommandFailed, match="NOSCRIPT mine"):
        await connection.script("return redis.error_reply('NOSCRIPT mine')")(["k"])
    with pytest.raises(CommandFailed, match="compil"):
        await connection.script("this is no Lua")(["k"])


async def test_commands_outlive_a_server_killed_and_started_again(
    tmp_path: Path, connect: Connect
) -> None:
    """What may be repeated is answered after the restart, in order, scripts loaded again."""
    with EmbeddedServer(tmp_path) as server:
        connection = connect(server.url)
        push = connection.script(PUSH)
        await push(["list"], [0])
        kill_9(server)
        replies = [push(["list"], [number], repeat=True) for number in range(1, 50)]
        await asyncio.to_thread(server.start)
        assert await asyncio.gather(*replies) == list(range(2, 51))


async def test_a_lost_answer_fails_a_command_that_may_not_be_repeated(
    link: CuttableLink, connect: Connect
) -> None:
    """It may have run: the error says so, and the command is not sent again."""
    connection = connect(link.url)
    await connection.connect()
    link.replies_pass = False
    once = connection.execute("INCR", "n")
    await link.reply_thrown_away()
    link.replies_pass = True
    link.cut()
    with pytest.raises(ConnectionLost, match="may or may not have run") as caught:
        await once
    assert caught.value.maybe_executed
    assert await connection.execute("GET", "n") == b"1"


async def test_repeated_commands_keep_their_order(link: CuttableLink, connect: Connect) -> None:
    """What was in flight comes again first, then what was added while there was no connection."""
    connection = connect(link.url)
    await connection.connect()
    link.replies_pass = False
    replies = [connection.execute("RPUSH", "list", letter, repeat=True) for letter in "abc"]
    await link.reply_thrown_away()
    link.cut()
    link.replies_pass = True
    await loss(connection)
    replies.append(connection.execute("RPUSH", "list", "d"))
    await asyncio.gather(*replies)
    assert b"".join(await connection.execute("LRANGE", "list", 0, -1)) == b"abcabcd"


async def test_a_command_never_sent_is_sent_after_the_reconnect(
    link: CuttableLink, connect: Connect
) -> None:
    """Waiting for a connection is no loss: nothing needs to be repeated."""
    connection = connect(link.url)
    await connection.connect()
    link.cut()
    await loss(connection)
    assert await connection.execute("SET", "k", "v") == b"OK"
    assert link.connected == 2


async def test_the_lost_socket_is_ended_at_the_server_before_anything_is_repeated(
    link: CuttableLink, connect: Connect
) -> None:
    """Commands that the server has not read yet must not run after their own repetition."""
    connection = connect(link.url)
    client_id = await connection.execute("CLIENT", "ID")
    link.cut()
    await connection.execute("PING", repeat=True)
    kill = f"KILL\r\n$2\r\nID\r\n${len(str(client_id))}\r\n{client_id}\r\n".encode()
    assert kill in link.asked[-1]


async def test_a_restarted_servers_client_numbers_mean_somebody_else(
    tmp_path: Path, connect: Connect
) -> None:
    """After a restart the old number may be another process's connection: it is left alone."""
    with EmbeddedServer(tmp_path) as server:
        connection = connect(server.url)
        await connection.connect()
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        await connection.execute("PING", repeat=True)
        stats = await connection.execute("INFO", "commandstats")
        assert b"cmdstat_client|id" in stats
        assert b"cmdstat_client|kill" not in stats


async def test_nobody_waits_longer_than_the_patience(tmp_path: Path, connect: Connect) -> None:
    """No server at all: the error says which, how long, and what went wrong."""
    connection = connect(f"unix://{tmp_path}/nobody", patience_s=0.1)
    with pytest.raises(ServerUnavailable, match=r"unix://.*/nobody within 0\.1 s: .*No such file"):
        await connection.execute("PING", repeat=True)
    assert "0 outstanding" in repr(connection)


async def test_nobody_waits_longer_for_a_server_that_hangs(
    tmp_path: Path, connect: Connect
) -> None:
    """A stopped server takes connections and answers nothing; the connection itself recovers."""
    with EmbeddedServer(tmp_path) as server:
        connection = connect(server.url, patience_s=1.0)
        await connection.connect()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(ServerUnavailable, match="does not answer"):
            await connection.execute("ECHO", "late", repeat=True)
        os.kill(server.pid, signal.SIGCONT)
        assert await connection.execute("ECHO", "next") == b"next"


async def test_a_peer_that_falls_silent_is_given_up(link: CuttableLink, connect: Connect) -> None:
    """Commands in flight towards a dead host move to a new connection after `silence_s`."""
    connection = connect(link.url, silence_s=0.3)
    await connection.connect()
    link.replies_pass = False
    reply = connection.execute("GET", "k", repeat=True)
    await link.reply_thrown_away()
    link.replies_pass = True
    assert await reply is None
    assert link.connected >= 2  # more where the machine is so busy that it seems silent


async def test_an_idle_connection_is_tried(link: CuttableLink, connect: Connect) -> None:
    """With nothing to do, a PING finds out that the peer is gone, and the connection is renewed."""
    connection = connect(link.url, silence_s=0.3, idle_s=0.1)
    await connection.connect()
    link.replies_pass = False
    await link.reply_thrown_away()  # of a PING: nobody else asks anything
    link.replies_pass = True
    await loss(connection)
    assert await connection.execute("GET", "k", repeat=True) is None


async def test_a_server_that_cannot_write_now_is_asked_again(
    tmp_path: Path, connect: Connect
) -> None:
    """READONLY, as after a failover, means "not executed": the command waits for a primary."""
    with EmbeddedServer(tmp_path) as server:
        connection = connect(server.url)
        await connection.execute("REPLICAOF", "127.0.0.1", "1")
        replies = [connection.execute("RPUSH", "list", letter) for letter in "abc"]
        other = connect(server.url)
        while b"errorstat_READONLY" not in await other.execute("INFO", "errorstats"):
            pass
        await other.execute("REPLICAOF", "NO", "ONE")
        assert await asyncio.gather(*replies) == [1, 2, 3]
        assert await other.execute("LRANGE", "list", 0, -1) == [b"a", b"b", b"c"]


async def test_too_many_commands_are_refused(tmp_path: Path, connect: Connect) -> None:
    """The limits have names, and the refused command says which one was met."""
    connection = connect(f"unix://{tmp_path}/nobody", commands_max=2, buffered_bytes_max=1000)
    waiting = [connection.execute("GET", "k"), connection.execute("GET", "k")]
    with pytest.raises(ConnectionOverloaded, match="3 commands would wait"):
        await connection.execute("GET", "k")
    await connection.close()
    assert [type(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == [
        ConnectionClosed,
        ConnectionClosed,
    ]
    connection = connect(f"unix://{tmp_path}/nobody", buffered_bytes_max=1000)
    with pytest.raises(ConnectionOverloaded, match="bytes would wait .* the most is 1,000"):
        await connection.execute("SET", "k", b"x" * 1000)


async def test_answered_commands_make_room_for_others(valkey_url: str, connect: Connect) -> None:
    """The limits count what is outstanding, also where scripts were sent twice or cancelled."""
    connection = connect(valkey_url, commands_max=10, buffered_bytes_max=2000)
    push = connection.script(PUSH)
    for round_number in range(30):
        connection.execute("SET", "k", "v").cancel()
        if round_number % 10 == 5:
            await connection.execute("SCRIPT", "FLUSH")
        await asyncio.gather(*[push(["list"], [number]) for number in range(9)])
    assert await connection.execute("LLEN", "list") == 270
    assert "0 outstanding" in repr(connection)


async def test_a_command_cancelled_before_it_was_written_is_not_sent(
    valkey_url: str, connect: Connect
) -> None:
    """Its neighbours are."""
    connection = connect(valkey_url)
    kept = connection.execute("SET", "kept", 1)
    connection.execute("SET", "cancelled", 1).cancel()
    await kept
    assert await connection.execute("EXISTS", "kept", "cancelled") == 1


async def test_a_closed_connection_refuses_and_leaves_nobody_waiting(
    link: CuttableLink, connect: Connect
) -> None:
    """What was in flight fails when it closes; what comes later fails at once."""
    connection = connect(link.url)
    await connection.connect()
    link.replies_pass = False
    waiting = connection.execute("GET", "k", repeat=True)
    await link.reply_thrown_away()
    await connection.close()
    with pytest.raises(ConnectionClosed, match="is closed"):
        await waiting
    with pytest.raises(ConnectionClosed):
        await connection.execute("GET", "k")
    await connection.close()


async def test_the_database_and_the_name_are_those_asked_for(
    server_url: str, connect: Connect
) -> None:
    """SELECT and CLIENT SETNAME belong to the connection, also after it was renewed."""
    connection = connect(f"{server_url}?db=3")
    await connection.execute("SET", "k", "v")
    assert await connect(server_url).execute("EXISTS", "k") == 0
    client_id = await connection.execute("CLIENT", "ID")
    await connect(server_url).execute("CLIENT", "KILL", "ID", client_id)
    assert await connection.execute("GET", "k", repeat=True) == b"v"
    assert await connection.execute("CLIENT", "GETNAME") == b"parlour"
    with pytest.raises(ServerRefused, match="out of range"):
        await connect(f"{server_url}?db=99").connect()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RedisProcess]:
    """A Valkey with a password for everybody and a user of her own for alice."""
    with RedisProcess(find_server(), tmp_path) as server:
        with redis.Redis.from_url(server.url) as admin:
            admin.execute_command("ACL", "SETUSER", "alice", "on", ">wonder", "~*", "+@all")
            admin.config_set("requirepass", "s3cret:/@")
        yield server


async def test_a_password_lets_in_and_a_wrong_one_is_refused_at_once(
    guarded: RedisProcess, connect: Connect
) -> None:
    """Percent-encoded in the URL; no patience is spent on what waiting cannot mend."""
    path = guarded.url.removeprefix("unix://")
    assert await connect(f"unix://:s3cret%3A%2F%40@{path}").execute("ECHO", "in") == b"in"
    alice = connect(f"unix://alice:wonder@{path}")
    assert await alice.execute("ACL", "WHOAMI") == b"alice"
    for login in (":wrong@", "alice:wrong@", "nobody:wrong@", ""):
        with pytest.raises(ServerRefused, match="refuses the connection: (WRONGPASS|NOAUTH)"):
            await connect(f"unix://{login}{path}").connect()


async def test_passwords_show_nowhere(
    guarded: RedisProcess, connect: Connect, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Not in errors, logs or reprs; not even from a server that repeats what it did not know."""
    caplog.set_level(logging.DEBUG)
    path = guarded.url.removeprefix("unix://")
    shown: list[str] = []
    (tmp_path / "2").mkdir()
    with RedisProcess(
        find_server(), tmp_path / "2", "--rename-command", "AUTH", ""
    ) as without_auth:
        for url in (
            f"unix://:hunter2@{path}",
            f"unix://alice:hunter2@{path}",
            f"unix://alice:hunter2@{without_auth.url.removeprefix('unix://')}",
        ):
            connection = connect(url)
            with pytest.raises(ServerRefused) as caught:
                await connection.connect()
            shown += [str(caught.value), repr(caught.value), repr(connection), repr(connection.url)]
    for bad_url in ("redis://:hunter2@localhost:port", "http://:hunter2@localhost"):
        with pytest.raises(InvalidServerUrl) as refused:
            RedisConnection(bad_url)
        shown.append(str(refused.value))
    shown += [record.getMessage() for record in caplog.records]
    assert len(shown) > 14
    assert not [text for text in shown if "hunter2" in text]


async def test_a_peer_that_is_no_redis_is_named_as_such(tmp_path: Path, connect: Connect) -> None:
    """Bytes that cannot be matched to commands end the attempt, not the process's patience."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "web"):
        with pytest.raises(ServerUnavailable, match="does not speak the protocol"):
            await connect(f"unix://{tmp_path}/web", patience_s=0.1).connect()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate that signs itself, for localhost; its key is beside it."""
    require(shutil.which("openssl"), "openssl is not installed (apt-get install openssl)")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True,
        capture_output=True,
    )
    return certificate


async def test_tls_is_spoken_and_certificates_are_checked(
    tmp_path: Path, certificate: Path, connect: Connect
) -> None:
    """rediss:// with an authority of one's own; a certificate from nobody is refused."""
    program = shutil.which("redis-server")
    require(program, "redis-server is not installed (apt-get install redis-server)")
    port = free_port()
    arguments = ["--tls-port", str(port), "--tls-auth-clients", "no"]
    arguments += ["--tls-cert-file", str(certificate)]
    arguments += ["--tls-key-file", str(certificate.with_name("key.pem"))]
    with RedisProcess(Path(str(program)), tmp_path, "--bind", "127.0.0.1", *arguments):
        trusted = connect(f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}")
        assert await trusted.execute("ECHO", "safe") == b"safe"
        assert "rediss://localhost" in repr(trusted)
        with pytest.raises(ServerUnavailable, match="(?i)certificate verify failed"):
            await connect(f"rediss://localhost:{port}", patience_s=0.3).connect()
        elsewhere = f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}"
        with pytest.raises(ServerUnavailable, match="(?i)address mismatch"):
            await connect(elsewhere, patience_s=0.3).connect()
        unchecked = connect(f"{elsewhere}&ssl_check_hostname=false")
        assert await unchecked.execute("ECHO", "safe") == b"safe"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("localhost:6379", "begins with"),
        ("redis+socket://host", "begins with 'redis\\+socket'"),
        ("unix://", "no path"),
        ("redis://localhost?sll_ca_certs=x", "option 'sll_ca_certs', which is not understood"),
        ("redis://localhost?ssl_ca_certs=x", "option 'ssl_ca_certs'"),
        ("rediss://localhost?ssl_cert_reqs=maybe", "ssl_cert_reqs='maybe', allowed are"),
        ("rediss://localhost?ssl_ca_certs=/nowhere", "TLS files"),
    ],
)
async def test_a_url_that_names_no_server_is_refused(url: str, problem: str) -> None:
    """Each refusal says what is wrong with it; a misspelt option is not passed over."""
    with pytest.raises(InvalidServerUrl, match=problem):
        RedisConnection(url)


def test_it_works_in_uvloop_as_in_asyncio(valkey_url: str) -> None:
    """Commands, a script, a lost connection and the close, in the loop of the room actors."""

    async def scenario() -> list[object]:
        connection = RedisConnection(valkey_url)
        push = connection.script(PUSH)
        replies: list[object] = [await push(["list"], ["a"])]
        client_id = await connection.execute("CLIENT", "ID")
        async with redis.asyncio.Redis.from_url(valkey_url) as other:
            await other.client_kill_filter(_id=client_id)
        replies.append(await push(["list"], ["b"], repeat=True))
        await connection.close()
        return replies

    assert uvloop.run(scenario()) == [1, 2]


def test_waits_between_attempts_grow_to_a_bound_and_are_spread() -> None:
    """Doubling from the least to the most, each drawn from its upper half."""
    limits = ConnectionLimits(backoff_s_min=0.1, backoff_s_max=1.0)
    assert [wait_s(attempts, limits, 1.0) for attempts in range(6)] == [0.1, 0.2, 0.4, 0.8, 1, 1]
    assert wait_s(2, limits, 0.0) == pytest.approx(0.2)
    assert wait_s(10_000, limits, 0.0) == pytest.approx(0.5)
