"""Addresses of processes, what they encrypt with, and how a dead peer is noticed."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parlour.actors.network import PEER_SILENCE_MS, Address, Network, TlsFiles, notice_dead_peer
from parlour.actors.network import tls_of_ray as tls_of

FILES = {
    "RAY_TLS_SERVER_CERT": "/tls/node.crt",
    "RAY_TLS_SERVER_KEY": "/tls/node.key",
    "RAY_TLS_CA_CERT": "/tls/ca.crt",
}
# Folders may have any name that the system allows; the sockets in them are named by Parlour.
FOLDERS = st.lists(
    st.sampled_from(["@", "ada@work", "a@b:1", "x:1"])
    | st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1),
    min_size=1,
    max_size=3,
).map(lambda names: "/" + "/".join(names))
PATHS = st.builds("{}/{}.sock".format, FOLDERS, st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True))
NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,30}[A-Za-z0-9])?", fullmatch=True)
HOSTS = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str), NAMES)


@given(PATHS, HOSTS, st.integers(1, 65535))
def test_an_address_is_read_as_it_was_written(path: str, host: str, port: int) -> None:
    """Whatever its folder is called, and whichever kind of host it has."""
    for address in (Address(path), Address(path, host, port)):
        assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/run/a.sock", Address("/run/a.sock")),
        ("/run/a.sock@10.0.0.7:4711", Address("/run/a.sock", "10.0.0.7", 4711)),
        ("/run/a.sock@[::1]:1", Address("/run/a.sock", "::1", 1)),
        ("/run/a.sock@[fe80::1%eth0]:65535", Address("/run/a.sock", "fe80::1%eth0", 65535)),
        ("/home/ada@work/a.sock", Address("/home/ada@work/a.sock")),
        ("/home/ada@work:8/a.sock@node-1:2", Address("/home/ada@work:8/a.sock", "node-1", 2)),
    ],
)
def test_the_form_of_an_address_is_fixed(text: str, address: Address) -> None:
    """It is stored in Redis, where an older Parlour may have written it."""
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@10.0.0.7:1",
        "/run/a.sock@",
        "/run/a.sock@host",
        "/run/a.sock@host:",
        "/run/a.sock@:1",
        "/run/a.sock@[]:1",
        "/run/a.sock@host:x",
        "/run/a.sock@host:-1",
        "/run/a.sock@host: 1",
        "/run/a.sock@host:1_0",
        "/run/a.sock@host:٣",
        "/run/a.sock@host:0",
        "/run/a.sock@host:65536",
        "/run/a.sock@host:1\n",
        "/run/a.sock@::1:80",
        "/run/a.sock@[::1:80",
    ],
)
def test_what_is_no_address_is_said(text: str) -> None:
    """With what was given and what an address is."""
    with pytest.raises(
        ValueError, match="is no address; it is a path, or path@host:port"
    ) as raised:
        Address.parse(text)
    assert repr(text) in str(raised.value)


@given(st.text(max_size=40) | st.text("/a@[]:1", max_size=12))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """Nothing but ValueError, and what is read is written as it was."""
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert str(address) == text


def test_what_is_on_this_node_is_told_by_the_folder() -> None:
    """Each node has a folder of its own; host and port say nothing about it."""
    network = Network("/tmp/parlour-a", "10.0.0.1", b"secret")
    assert network.is_here(Address("/tmp/parlour-a/room-1.sock"))
    assert network.is_here(Address("/tmp/parlour-a/room-1.sock", "10.0.0.2", 7))
    assert not network.is_here(Address("/tmp/parlour-b/room-1.sock", "10.0.0.1", 7))
    assert not network.is_here(Address("/tmp/parlour-a/b/room-1.sock", "10.0.0.1", 7))


def test_the_secret_is_not_shown() -> None:
    """A network may be logged."""
    assert "hush" not in repr(Network("/tmp/parlour-a", "10.0.0.1", b"hush"))


@pytest.mark.parametrize("value", ["1", "true", "True"])
def test_the_files_of_rays_tls_are_used(value: str) -> None:
    """Where it is on."""
    assert tls_of({"RAY_USE_TLS": value, **FILES}) == TlsFiles(*FILES.values())


@pytest.mark.parametrize("on", [{}, {"RAY_USE_TLS": "0"}, {"RAY_USE_TLS": "false"}])
def test_without_rays_tls_there_is_none(on: dict[str, str]) -> None:
    """Also when files are named."""
    assert tls_of({**on, **FILES}) is None
    network = Network("/tmp/parlour-a", "10.0.0.1", b"secret")
    assert network.accepting_tls() is None
    assert network.opening_tls() is None


@pytest.mark.parametrize("missing", FILES)
@pytest.mark.parametrize("instead", [None, ""])
def test_a_file_of_rays_tls_that_is_not_named_is_said(missing: str, instead: str | None) -> None:
    """By the name of its variable, and no other."""
    environment = {"RAY_USE_TLS": "1", **FILES}
    del environment[missing]
    if instead is not None:
        environment[missing] = instead
    with pytest.raises(ValueError, match=f"RAY_USE_TLS is on, and {missing} is not set"):
        tls_of(environment)


async def test_the_system_looks_after_a_connection_between_nodes() -> None:
    """A node that vanished without a word is noticed within the time of a lease."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)
    notice_dead_peer(transport)
    connection = transport.get_extra_info("socket")
    idle_s = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    interval_s = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    silence_ms = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert silence_ms == PEER_SILENCE_MS <= 3_000
    assert idle_s + interval_s <= 3
    transport.abort()
    server.close()
