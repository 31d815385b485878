"""The directory over the session's Valkey: which process has a room, as far as Redis tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.messages import RoomKey
from parlour.runtime import directory as directory_module
from parlour.runtime.directory import Directory, Holder
from parlour.storage.keys import ADDRESS, metadata_key
from redis.asyncio import Redis

from ..actors.linked import TIMEOUT_S
from ..support.cuttable_link import CuttableLink
from .claims import Claims

KEY = RoomKey("chat", "lobby {1}/é")
ADDRESS_THERE = "/tmp/parlour-b/room-1.sock@10.0.0.2:4711"


@pytest.fixture
async def claims(valkey_url: str) -> AsyncIterator[Claims]:
    """The claims of processes that are not there."""
    async with Claims(valkey_url) as claims:
        yield claims


@pytest.fixture
async def directory(valkey_url: str) -> AsyncIterator[Directory]:
    """Over an empty server."""
    directory = Directory(valkey_url)
    yield directory
    await directory.close()


async def test_a_room_that_nobody_ever_had_has_no_holder(directory: Directory) -> None:
    """Most rooms that are asked for."""
    assert await directory.find(KEY) is None


async def test_a_room_is_with_who_has_claimed_it_and_lives(
    directory: Directory, claims: Claims
) -> None:
    """As the claim says; other rooms are not concerned."""
    await claims.hold(KEY, "r1", ADDRESS_THERE)
    assert await directory.find(KEY) == Holder("r1", ADDRESS_THERE)
    assert await directory.find(RoomKey("chat", "other")) is None


async def test_a_process_without_a_lease_holds_nothing(
    directory: Directory, claims: Claims
) -> None:
    """Its claim is there until another takes it over."""
    await claims.hold(KEY, "r1", ADDRESS_THERE)
    await claims.die("r1")
    assert await directory.find(KEY) is None
    await claims.hold(KEY, "r2", "/tmp/parlour-c/room-2.sock@10.0.0.3:1", takeover=True)
    assert await directory.find(KEY) == Holder("r2", "/tmp/parlour-c/room-2.sock@10.0.0.3:1")


async def test_a_room_that_was_given_back_has_no_holder(
    directory: Directory, claims: Claims
) -> None:
    """Though its process lives on."""
    await claims.hold(KEY, "r1", ADDRESS_THERE)
    await claims.release(KEY)
    assert await directory.find(KEY) is None


@pytest.mark.parametrize("address", [b"\xff\xfe", b"somebody@nowhere", b"@"])
async def test_what_is_no_address_is_no_answer(
    directory: Directory, claims: Claims, valkey_url: str, address: bytes
) -> None:
    """An OSError like any other trouble: whoever asks tries again, and does not go under."""
    await claims.hold(KEY, "r1", ADDRESS_THERE)
    async with Redis.from_url(valkey_url) as server:
        await server.hset(metadata_key(KEY.space), ADDRESS, address)
    with pytest.raises(OSError, match="directory cannot be read"):
        await directory.find(KEY)


async def test_a_server_that_is_not_there_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By none of those who ask at once: they do not queue up behind each other."""
    monkeypatch.setattr(directory_module, "PATIENCE_S", 0.1)
    directory = Directory(f"unix://{tmp_path}/nobody.sock")
    async with asyncio.timeout(1.5):
        answers = await asyncio.gather(
            *(directory.find(KEY) for _ in range(30)), return_exceptions=True
        )
    assert all(isinstance(answer, OSError) for answer in answers)
    await directory.close()


async def test_a_server_that_does_not_answer_any_more_is_not_waited_for_long(
    tmp_path: Path, valkey_url: str, claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And asked again when it does."""
    await claims.hold(KEY, "r1", ADDRESS_THERE)
    server_path = valkey_url.removeprefix("unix://").partition("?")[0]
    async with CuttableLink(tmp_path / "front.sock", server_path) as link:
        directory = Directory(link.url)
        monkeypatch.setattr(directory_module, "PATIENCE_S", TIMEOUT_S)
        assert await directory.find(KEY) == Holder("r1", ADDRESS_THERE)
        monkeypatch.setattr(directory_module, "PATIENCE_S", 0.1)
        link.replies_pass = False
        async with asyncio.timeout(2.0):
            with pytest.raises(OSError):  # noqa: PT011  # the kind is all that is promised
                await directory.find(KEY)
        link.replies_pass = True
        link.cut()
        monkeypatch.setattr(directory_module, "PATIENCE_S", TIMEOUT_S)
        assert await directory.find(KEY) == Holder("r1", ADDRESS_THERE)
        await directory.close()


async def test_a_url_that_names_no_server_is_an_error_of_the_same_kind() -> None:
    """Whoever asks knows one kind."""
    with pytest.raises(OSError, match="directory cannot be read"):
        await Directory("http://x").find(KEY)


async def test_closing_it_twice_or_unused_is_fine(valkey_url: str) -> None:
    """A gateway that never met a second node closes it too."""
    directory = Directory(valkey_url)
    await directory.close()
    await directory.find(KEY)
    await directory.close()
    await directory.close()
