"""Large values on their way: brought to the server in slices, ahead of the flush they belong to.

A server that is given 64 MiB at once answers nobody for seconds, leases included. So the pieces
of large values, which nobody reads before their head is there, are sent before the flush, some MiB
at a time, and what others ask for comes in between. Pieces that no head names any more, of former
values and of writings that were cut off, are found here, to be deleted by the flush. Pure, but for
asking what is stored.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from .backend import Backend
from .cache import Cache, Known
from .index import ShardIndex
from .large_names import is_piece, large_key, names_of, pieces_range

SLICE_BYTES_MAX = 4 * 1024 * 1024  # of one slice, or one piece


def ahead_of(
    entries: Mapping[str, Known], large: Iterable[str]
) -> tuple[list[dict[str, bytes]], Mapping[str, Known]]:
    """Split what a flush sets into slices that may come before it, and the rest.

    `large` are the names among `entries` that belong to large values. What fits one slice is not
    worth a round trip of its own, and stays in the flush.
    """
    pieces: dict[str, bytes] = {}
    for name in large:
        data = entries.get(name)
        if data is not None and large_key(name) is None:
            pieces[name] = data
    if sum(map(len, pieces.values())) <= SLICE_BYTES_MAX:
        return [], entries
    slices: list[dict[str, bytes]] = [{}]
    size_bytes = 0
    for name, data in sorted(pieces.items()):
        if slices[-1] and size_bytes + len(data) > SLICE_BYTES_MAX:
            slices.append({})
            size_bytes = 0
        slices[-1][name] = data
        size_bytes += len(data)
    return slices, {name: data for name, data in entries.items() if name not in pieces}


async def drop_stale(backend: Backend, space: str, cache: Cache, index: ShardIndex) -> None:
    """Have the next flush delete the pieces that its heads do not name.

    To be called while no flush is on the wire, and right before one is sealed.
    """
    stored: dict[str, list[str]] = {}
    while asked := [key for key in _written(cache) if key not in stored]:
        for key in asked:
            stored[key] = await _stored_pieces(backend, space, index, key)
    for key, head in _written(cache).items():
        needed = set() if head is None else set(names_of(key, head))
        low, high = pieces_range(key)
        dirty = [name for name in cache.dirty_large if low <= name < high and is_piece(key, name)]
        for name in {*stored[key], *dirty} - needed:
            cache.write(name, None)


def _written(cache: Cache) -> dict[str, Known]:
    """The large values that the next flush sets or deletes, with their heads."""
    found: dict[str, Known] = {}
    for name, data in cache.dirty_large.items():
        key = large_key(name)
        if key is not None:
            found[key] = data
    return found


async def _stored_pieces(backend: Backend, space: str, index: ShardIndex, key: str) -> list[str]:
    low, high = pieces_range(key)
    homes = [info.home for info in index.covering(low, high)]
    if not homes:
        return []
    names = itertools.chain(*(await backend.read_shard_keys(space, homes)).values())
    return [name for name in names if low <= name < high and is_piece(key, name)]
