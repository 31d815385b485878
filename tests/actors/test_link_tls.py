"""Links between nodes under TLS: both ends have a certificate of the cluster's own authority."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ssl
from pathlib import Path

import pytest
import uvloop
from parlour.actors import link as link_module
from parlour.actors.frames import FrameError, Kind, pack
from parlour.actors.link import connect
from parlour.actors.network import Network, TlsFiles

from .authority import Authority
from .linked import GATEWAY, TIMEOUT_S, Inbox
from .nodes import HELLO, SECRET, Intruder, Listener, node, pair_between_nodes


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """That of the cluster."""
    return Authority(tmp_path_factory.mktemp("tls") / "own")


@pytest.fixture(scope="module")
def here(authority: Authority) -> Network:
    """A node with a certificate of it."""
    return node("here", tls=authority.files("here"))


@pytest.fixture(scope="module")
def there(authority: Authority) -> Network:
    """Another one, which is called otherwise than the host that it is reached at."""
    return node("there", tls=authority.files("there"))


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """The certificate of another authority."""
    return Authority(tmp_path_factory.mktemp("tls") / "foreign").files("here")


async def refused(stranger: Network, listener: Listener) -> None:
    """A node that knows the secret cannot open a link, and neither end hears of one."""
    assert stranger.secret == SECRET
    inbox = Inbox()
    with pytest.raises(OSError):  # noqa: PT011  # the kind is all that is promised
        await connect(listener.address, GATEWAY, inbox.on_frame, inbox.on_lost, network=stranger)
    assert not inbox.left()
    assert listener.heard_nothing


async def test_frames_pass_both_ways_under_tls(here: Network, there: Network) -> None:
    """The newest TLS, with certificates of both ends that the other has checked."""
    pair = await pair_between_nodes(here, there)
    large = bytes(range(256)) * 4096
    pair.near.write(pack(Kind.BINARY, 1, payload=large))
    pair.far.write(pack(Kind.SEND_BINARY, 2, payload=large))
    assert (await pair.far_inbox.take()).payload == large
    assert (await pair.near_inbox.take()).payload == large
    for link in (pair.near, pair.far):
        assert link._transport is not None
        assert link._transport.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert link._transport.get_extra_info("peercert")
    pair.near.close()
    await pair.far_inbox.lost()
    assert not pair.far.vanished
    pair.close()


async def test_a_node_of_another_authority_is_refused(
    there: Network, here: Network, foreign: TlsFiles
) -> None:
    """Although it knows the secret: by who accepts, and by who opens."""
    stranger = dataclasses.replace(here, tls=foreign)
    trusting = dataclasses.replace(here, tls=foreign._replace(authority=_of(there).authority))
    async with Listener(there) as listener:
        await refused(stranger, listener)
        await refused(trusting, listener)  # it would accept us; we do not accept it
    async with Listener(stranger) as listener:
        await refused(there, listener)


async def test_a_node_without_tls_is_refused(
    there: Network, here: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On whichever end it is missing."""
    monkeypatch.setattr(link_module, "CONNECT_BETWEEN_NODES_TIMEOUT_S", 0.2)  # both wait
    plain = dataclasses.replace(here, tls=None)
    async with Listener(there) as listener:
        await refused(plain, listener)
    async with Listener(plain) as listener:
        await refused(there, listener)


async def test_another_secret_is_refused_under_tls_as_well(there: Network, here: Network) -> None:
    """A certificate alone is not enough: Ray's own nodes may serve other clusters too."""
    stranger = dataclasses.replace(here, secret=b"of another cluster")
    inbox = Inbox()
    async with Listener(there) as listener:
        with pytest.raises(OSError, match="unproved"):
            await connect(
                listener.address, GATEWAY, inbox.on_frame, inbox.on_lost, network=stranger
            )
        assert listener.heard_nothing


async def test_a_plain_peer_is_never_heard(there: Network) -> None:
    """It is told nothing in the clear, not even a challenge."""
    async with Listener(there) as listener, Intruder(listener.port) as intruder:
        intruder.say(HELLO)
        with contextlib.suppress(FrameError):  # bytes of TLS are no frames
            assert Kind.CHALLENGE not in [kind for kind, _ in await intruder.cut()]
        assert listener.heard_nothing


async def test_a_plain_peer_that_is_silent_is_cut_after_a_while(
    there: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without TLS: not only after the minute that a TLS handshake may take by default."""
    monkeypatch.setattr(link_module, "HANDSHAKE_TIMEOUT_S", 0.02)
    async with Listener(there) as listener, Intruder(listener.port) as intruder:
        assert await intruder.cut() == []
        assert listener.heard_nothing


async def test_an_older_tls_is_refused(there: Network) -> None:
    """Also with a good certificate."""
    files = _of(there)
    context = ssl.create_default_context(cafile=files.authority)
    context.check_hostname = False
    context.load_cert_chain(files.certificate, files.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with Listener(there) as listener, asyncio.timeout(TIMEOUT_S):
        with pytest.raises(OSError):  # noqa: PT011  # told or not, depending on the system's TLS
            await asyncio.open_connection("127.0.0.1", listener.port, ssl=context)
        context.maximum_version = ssl.TLSVersion.TLSv1_3
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=context)
        writer.transport.abort()


def test_files_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    """At the start of the process, not when the first peer comes."""
    missing = node("here", tls=TlsFiles(*(str(tmp_path / name) for name in "abc")))
    with pytest.raises(OSError, match="No such file"):
        missing.accepting_tls()


def test_links_under_tls_work_in_the_loop_of_the_processes(
    here: Network, there: Network, foreign: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop has a TLS of its own."""

    async def run() -> None:
        await test_frames_pass_both_ways_under_tls(here, there)
        await test_a_node_of_another_authority_is_refused(there, here, foreign)
        await test_a_node_without_tls_is_refused(there, here, monkeypatch)
        await test_another_secret_is_refused_under_tls_as_well(there, here)
        await test_a_plain_peer_that_is_silent_is_cut_after_a_while(there, monkeypatch)

    uvloop.run(run())


def _of(network: Network) -> TlsFiles:
    assert network.tls is not None
    return network.tls
