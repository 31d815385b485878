"""Which shard holds which key: the index of a space in its owner's memory.

Shards cut the key space into contiguous ranges without gaps: a shard holds the keys from its
first key up to the next shard's first. The leftmost starts at the empty key. Keys compare as
strings, which is the order of their UTF-8 bytes, as strings that encode hold no surrogates.
All synchronous; only the answers to commits change it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping

from .backend import FIRST_SHARD, Committed, Home, ShardInfo, ShardWrites
from .prefix import shared_prefix


class ShardIndex:
    """The shards of one space, in key order."""

    def __init__(self, shards: Iterable[ShardInfo]) -> None:
        self._shards: dict[int, ShardInfo] = {}
        self._firsts: list[str] = []  # parallel to _order
        self._order: list[int] = []
        self._shrunk: set[int] = set()  # lost keys since last looked at: maybe worth a merge
        self.key_count = 0
        self.size_bytes = 0
        self._replace(shards)

    def __len__(self) -> int:
        return len(self._order)

    def __repr__(self) -> str:
        return f"<ShardIndex {len(self)} shards, {self.key_count} keys, {self.size_bytes} bytes>"

    def find(self, key: str) -> int | None:
        """Tell which shard holds `key` if anything does; None while there is no shard."""
        if not self._order:
            return None
        return self._order[bisect_right(self._firsts, key) - 1]

    def home(self, key: str) -> Home | None:
        """Tell where `key` is if it is anywhere; None while there is no shard."""
        shard = self.find(key)
        return None if shard is None else self._shards[shard].home

    def covering(self, low: str, high: str | None) -> list[ShardInfo]:
        """List the shards whose ranges touch low <= key < high, in key order."""
        if not self._order:
            return []
        first = bisect_right(self._firsts, low) - 1
        last = len(self._order) if high is None else bisect_left(self._firsts, high)
        return [self._shards[shard] for shard in self._order[first:last]]

    def changes(self, entries: Mapping[str, bytes | None], clear: bool) -> dict[int, ShardWrites]:
        """Sort keys that are set, or with None deleted, by shard. `clear`: none is left."""
        changes: dict[int, ShardWrites] = {}
        for key, data in entries.items():
            shard = None if clear else self.find(key)
            if shard is None:
                if data is None:
                    continue  # there is nothing to delete
                shard = FIRST_SHARD
            changed = changes.get(shard)
            if changed is None:
                changed = changes[shard] = ShardWrites()
            if data is None:
                changed.deletes.append(key)
            else:
                changed.sets[key] = data
        for shard, changed in changes.items():
            info = None if clear else self._shards.get(shard)
            held = info.prefix if info is not None and info.key_count else None
            changed.prefix = shared_prefix(changed.sets, held)
        return changes

    def apply(self, committed: Committed) -> bool:
        """Take over what a flush changed. Tell whether keys moved from one shard to another."""
        if committed.whole_index:
            self._replace(committed.shards)
            return True
        moved = bool(committed.removed)
        for shard in committed.removed:
            self._remove(shard)
        for info in committed.shards:
            moved = self._update(info) or moved
        return moved

    def merges(self, fields_max: int, bytes_max: int, *, most: int = 4) -> list[tuple[int, int]]:
        """Choose neighbours (left, right) that shrank so far that one shard should hold both.

        A joined shard is at most half full, so that it does not split again soon.
        """
        chosen: list[tuple[int, int]] = []
        used: set[int] = set()
        while self._shrunk and len(chosen) < most:
            shard = self._shrunk.pop()
            if shard not in self._shards:
                continue
            at = bisect_left(self._firsts, self._shards[shard].first)
            for left_at in (at - 1, at):
                if left_at < 0 or left_at + 1 >= len(self._order):
                    continue
                left, right = self._order[left_at], self._order[left_at + 1]
                if {left, right} & used or not self._mergeable(left, right, fields_max, bytes_max):
                    continue
                chosen.append((left, right))
                used.update((left, right))
                break
        return chosen

    def _mergeable(self, left: int, right: int, fields_max: int, bytes_max: int) -> bool:
        a, b = self._shards[left], self._shards[right]
        return (
            a.key_count + b.key_count <= fields_max // 2
            and a.size_bytes + b.size_bytes <= bytes_max // 2
        )

    def _replace(self, shards: Iterable[ShardInfo]) -> None:
        ordered = sorted(shards, key=lambda info: info.first)
        self._shards = {info.shard: info for info in ordered}
        self._firsts = [info.first for info in ordered]
        self._order = [info.shard for info in ordered]
        self._shrunk.clear()
        self.key_count = sum(info.key_count for info in ordered)
        self.size_bytes = sum(info.size_bytes for info in ordered)

    def _update(self, info: ShardInfo) -> bool:
        old = self._shards.get(info.shard)
        moved = old is None or old.first != info.first
        if moved:
            if old is not None:
                self._remove(info.shard)
            at = bisect_left(self._firsts, info.first)
            self._firsts.insert(at, info.first)
            self._order.insert(at, info.shard)
        elif old is not None:
            if info.key_count < old.key_count:
                self._shrunk.add(info.shard)
            self.key_count -= old.key_count
            self.size_bytes -= old.size_bytes
        self._shards[info.shard] = info
        self.key_count += info.key_count
        self.size_bytes += info.size_bytes
        return moved

    def _remove(self, shard: int) -> None:
        info = self._shards.pop(shard)
        at = self._order.index(shard, bisect_left(self._firsts, info.first))
        del self._firsts[at], self._order[at]
        self.key_count -= info.key_count
        self.size_bytes -= info.size_bytes
        self._shrunk.discard(shard)
