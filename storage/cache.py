"""What the owner of a space knows about its keys, in encoded form. All synchronous.

A key is in one of these states:

    dirty       written, not in a flush yet.       Next: flushing (sealed), or dirty again.
    flushing    in the flush on the wire.          Next: clean (landed), or dirty again.
    clean       equals Redis.                      Next: dirty (written), unknown (evicted).
    absent      known not to be in Redis.          As clean; it is a clean entry without data.
    unknown     not here: only Redis can tell.     Next: clean (read), dirty (written).

A *complete* cache has no unknown keys: what is not here does not exist, and lists need no read.
Guarantees: what a lookup finds includes every earlier write; dirty and flushing entries never
leave; clean ones leave, least recently used first, when they outgrow the byte limit.
Not here: Redis, encoding, and when to flush.
"""

from __future__ import annotations

import enum
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from .key_range import RESERVED, KeyRange


class _Unknown(enum.Enum):
    UNKNOWN = "unknown"


UNKNOWN: Final = _Unknown.UNKNOWN
Known: TypeAlias = bytes | None  # encoded value, or None: there is no such key
Found: TypeAlias = bytes | None | Literal[_Unknown.UNKNOWN]

# What an entry takes beside its key's and value's bytes: two object headers and a dict slot.
ENTRY_BYTES = 180


class Cache:
    """The known keys of one space.

    Attributes:
        complete: No key is unknown.
        unflushed_bytes: Memory of dirty and flushing entries.
        unflushed_large_bytes: Of these, what belongs to large values.
        dirty_large: The dirty entries that belong to large values.
        clean_bytes: Memory of clean entries.
    """

    def __init__(self, bytes_max: int, values: Mapping[str, bytes] | None = None) -> None:
        self.complete = values is not None
        self.unflushed_bytes = 0
        self.unflushed_large_bytes = 0
        self.dirty_large: dict[str, Known] = {}
        self.clean_bytes = 0
        self._bytes_max = bytes_max
        self._entry_bytes_max = bytes_max // 16  # one entry must not drive out all others
        self._dirty: dict[str, Known] = {}
        self._flushing: dict[str, Known] = {}
        self._clean: OrderedDict[str, Known] = OrderedDict()
        self._cleared = False  # the dirty entries start from nothing: delete_all
        self._flushing_bytes = 0
        self._flushing_large_bytes = 0
        self._absent_count = 0  # clean entries without data
        # Keys whose bytes came from Redis and were not decoded yet: decode them with suspicion.
        self._unchecked: set[str] = set()
        # All existing keys in order, while complete and once somebody listed.
        self._names: list[str] | None = None
        if values:
            self._clean.update(values)
            self._unchecked.update(values)
            self.clean_bytes = sum(entry_bytes(key, data) for key, data in values.items())
            self._evict()

    def __repr__(self) -> str:
        return (
            f"<Cache {len(self._clean)} clean, {len(self._flushing)} flushing, "
            f"{len(self._dirty)} dirty{', complete' if self.complete else ''}>"
        )

    def lookup(self, key: str) -> Found:
        """Tell the encoded value of `key`, None if it does not exist, or UNKNOWN."""
        found: Found = self._dirty.get(key, UNKNOWN)
        if found is not UNKNOWN:
            return found
        found = self._flushing.get(key, UNKNOWN)
        if found is not UNKNOWN:
            return found
        clean = self._clean
        found = clean.get(key, UNKNOWN)
        if found is not UNKNOWN:
            clean.move_to_end(key)
            return found
        return None if self.complete else UNKNOWN

    def trusted(self, key: str) -> bool:
        """Tell whether the bytes of `key` were encoded or checked by this process."""
        return key not in self._unchecked

    def checked(self, key: str, data: bytes) -> None:
        """Note that these bytes of `key` decoded well; no others, as a transaction may have."""
        if key in self._unchecked and self._clean.get(key) is data:
            self._unchecked.discard(key)

    def checked_all(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Note that the bytes of all these keys decoded well."""
        if self._unchecked:
            for key, data in entries:
                self.checked(key, data)

    def write(self, key: str, data: Known) -> None:
        """Set `key`, or delete it if `data` is None."""
        if self._names is not None:
            self._rename(key, data)
        old: Found = self._dirty.get(key, UNKNOWN)
        grown_bytes = entry_bytes(key, data)
        if old is not UNKNOWN:
            grown_bytes -= entry_bytes(key, old)
        self._dirty[key] = data
        self.unflushed_bytes += grown_bytes
        if key >= RESERVED:
            self.dirty_large[key] = data
            self.unflushed_large_bytes += grown_bytes
        self._drop_clean(key)

    def clear(self) -> None:
        """Forget everything: from here on no key exists, so nothing is unknown either."""
        self.unflushed_bytes = self._flushing_bytes
        self.unflushed_large_bytes = self._flushing_large_bytes
        self._dirty = {}
        self.dirty_large = {}
        self._flushing = {}  # still on the wire, and what it writes is not to be seen any more
        self._clean.clear()
        self._absent_count = 0
        self._unchecked.clear()
        self.clean_bytes = 0
        self._cleared = True
        self.complete = True
        self._names = None

    def unflushed(self, low: str, high: str | None) -> dict[str, Known]:
        """Copy what is dirty or flushing with low <= key < high: what Redis may not show yet."""
        merged = {}
        for layer in (self._flushing, self._dirty):
            for key, data in layer.items():
                if low <= key and (high is None or key < high):
                    merged[key] = data
        return merged

    def seal(self) -> tuple[dict[str, Known], bool]:
        """Turn dirty into flushing. Return the entries and whether all else is to be dropped."""
        assert not self._flushing
        sealed, cleared = self._dirty, self._cleared
        self._flushing, self._dirty, self._cleared = sealed, {}, False
        self._flushing_bytes = self.unflushed_bytes
        self._flushing_large_bytes = self.unflushed_large_bytes
        self.dirty_large = {}
        return sealed, cleared

    def landed(self) -> None:
        """Turn flushing into clean: the flush is in Redis."""
        landed, self._flushing = self._flushing, {}
        self.unflushed_bytes -= self._flushing_bytes
        self._flushing_bytes = 0
        self.unflushed_large_bytes -= self._flushing_large_bytes
        self._flushing_large_bytes = 0
        dirty = self._dirty
        for key, data in landed.items():
            if key not in dirty:
                self._keep(key, data)
        self._evict()

    def remember(self, entries: Mapping[str, Known], *, checked: bool) -> None:
        """Keep what was read from Redis, except for keys that are known by now.

        What would drive out most of the rest is not kept.
        """
        clean, flushing, dirty = self._clean, self._flushing, self._dirty
        new = {
            key: data
            for key, data in entries.items()
            if key not in clean and key not in flushing and key not in dirty
        }
        if sum(entry_bytes(key, data) for key, data in new.items()) > self._bytes_max // 4:
            return
        for key, data in new.items():
            self._keep(key, data)
            if not checked and key in clean:
                self._unchecked.add(key)
        self._evict()

    def exist(self, count: int) -> None:
        """Be told how many keys Redis holds: a cache that knows so many is complete."""
        if not self.unflushed_bytes and len(self._clean) - self._absent_count == count:
            self.complete = True

    def names(self, wanted: KeyRange) -> list[str]:
        """List the existing keys of a range. Only while complete."""
        if self._names is None:
            alive: dict[str, Known] = {**self._clean, **self._flushing, **self._dirty}
            self._names = sorted(key for key, data in alive.items() if data is not None)
        return wanted.select(self._names)

    def _rename(self, key: str, data: Known) -> None:
        names = self._names
        assert names is not None
        at = bisect_left(names, key)
        present = at < len(names) and names[at] == key
        if data is None and present:
            del names[at]
        elif data is not None and not present:
            insort(names, key, lo=at)

    def _keep(self, key: str, data: Known) -> None:
        if data is None and self.complete:
            return  # what is not here does not exist anyway
        if data is not None and len(data) > self._entry_bytes_max:
            self._now_incomplete()
            return
        self._clean[key] = data
        self._absent_count += data is None
        self.clean_bytes += entry_bytes(key, data)

    def _drop_clean(self, key: str) -> None:
        old: Found = self._clean.pop(key, UNKNOWN)
        if old is not UNKNOWN:
            self.clean_bytes -= entry_bytes(key, old)
            self._absent_count -= old is None
            self._unchecked.discard(key)

    def _evict(self) -> None:
        while self.clean_bytes > self._bytes_max and self._clean:
            key, data = self._clean.popitem(last=False)
            self.clean_bytes -= entry_bytes(key, data)
            self._unchecked.discard(key)
            if data is None:
                self._absent_count -= 1
            else:
                self._now_incomplete()

    def _now_incomplete(self) -> None:
        self.complete = False
        self._names = None


def entry_bytes(key: str, data: Known) -> int:
    """The memory that an entry takes."""
    return ENTRY_BYTES + len(key) + (len(data) if data is not None else 0)
