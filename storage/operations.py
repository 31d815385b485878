"""The storage calls that a room makes, on its storage and inside a transaction alike.

A write counts from its call on, awaited or not; awaiting it waits only while too much is not
flushed yet. A read returns the state at its call. Both can be dropped without being awaited.
Values are encoded when they are put; each get returns a fresh copy.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Iterable, Mapping
from inspect import isfunction
from typing import Any, overload

from . import large_values
from .admission import checked_key, checked_keys, encoded, encoded_pairs
from .alarm_operations import AlarmOperations
from .awaitables import DONE, Ready
from .cache import UNKNOWN, Known
from .deleted import deleted
from .errors import InvalidArgument
from .range_operations import RangeOperations
from .reading import AskedKeys
from .space import Space
from .view import View


class _Missing(enum.Enum):
    MISSING = "missing"


_MISSING = _Missing.MISSING


class Operations(RangeOperations, AlarmOperations):
    """Keys with values, in the order of their UTF-8 bytes, and alarms.

    Keys are strings of at most 2,048 UTF-8 bytes; values are what `encode` takes, at most 131,072
    bytes encoded: bytes take one more than they have, text one more than its UTF-8. One call
    carries at most 128 keys or pairs. Every call raises `StorageReset`
    after a flush has failed for good and `StorageClosed` once the room hibernates. All errors are
    kinds of `StorageError`; `InvalidArgument` is a TypeError and a ValueError as well.
    """

    def __init__(self, space: Space) -> None:
        self._space = space

    # Reading

    @overload
    def get(self, key: str, default: Any = None) -> Awaitable[Any]: ...
    @overload
    def get(self, key: Iterable[str]) -> Awaitable[dict[str, Any]]: ...

    def get(self, key: str | Iterable[str], default: Any = None) -> Awaitable[Any]:
        """Read one value, or `default`; or several: those that exist, in key order.

        Raises:
            InvalidKey: If a key is no string, or one that `put` refuses.
            InvalidArgument: If a default is given with several keys.
            DecodeError: If the stored bytes are no value.
            TooManyKeys: If more than `keys_per_call_max` keys are given.
        """
        view = self._view("get")
        if not isinstance(key, str):
            if default is not None:
                problem = "of several keys takes no default, as it leaves out what is missing"
                raise InvalidArgument("get()", f"{problem}; use .get(key, default) on its result")
            return self._get_many(view, key)
        data = view.lookup(key)
        if data is not None and data is not UNKNOWN:
            return Ready(self._space.decode_known(key, data))
        checked_key(self._space.limits, key)
        if data is None:
            return Ready(default)
        reader = self._space.reader
        return reader.run(self._read_one(key, default, reader.ask_keys([key])))

    async def _read_one(self, key: str, default: Any, asked: AskedKeys) -> Any:
        data = (await self._space.reader.keys(asked))[key]
        return default if data is None else self._decode_read(key, data)

    def _get_many(self, view: View, keys: Iterable[str]) -> Awaitable[dict[str, Any]]:
        known: dict[str, Known] = {}
        unknown: list[str] = []
        for key in checked_keys(self._space.limits, keys):
            data = view.lookup(key)
            if data is UNKNOWN:
                unknown.append(key)
            else:
                known[key] = data
        if not unknown:
            return Ready(
                {
                    key: self._space.decode_known(key, data)
                    for key, data in sorted(known.items())
                    if data is not None
                }
            )
        reader = self._space.reader
        return reader.run(self._read_many(known, reader.ask_keys(unknown)))

    async def _read_many(self, known: dict[str, Known], asked: AskedKeys) -> dict[str, Any]:
        found = await self._space.reader.keys(asked)
        return {
            key: self._decode_read(key, data)
            if key in found
            else self._space.decode_known(key, data)
            for key, data in sorted({**known, **found}.items())
            if data is not None
        }

    def _decode_read(self, key: str, data: bytes) -> Any:
        value = self._space.decode(key, data, trusted=False)
        self._space.cache.checked(key, data)
        return value

    # Writing

    @overload
    def put(
        self, key: str, value: object, *, allow_unconfirmed: bool = False
    ) -> Awaitable[None]: ...
    @overload
    def put(
        self, key: Mapping[str, object], *, allow_unconfirmed: bool = False
    ) -> Awaitable[None]: ...

    def put(
        self,
        key: str | Mapping[str, object],
        value: object = _MISSING,
        *,
        allow_unconfirmed: bool = False,
    ) -> Awaitable[None]:
        """Store one value, or all pairs of a mapping: all of them or, if one is refused, none.

        With `allow_unconfirmed` messages may leave the room before this write is durable.

        Raises:
            InvalidArgument: If what is given is neither a key and a value nor a mapping.
            InvalidKey: If a key is no string, holds half a surrogate pair (which no UTF-8 has), or
                begins with U+10FFFF, which storage keeps for itself.
            KeyTooLarge: If a key exceeds `key_bytes_max`; a kind of `InvalidKey`.
            ValueTooLarge: If an encoded value exceeds `value_bytes_max`.
            TooManyKeys: If more than `keys_per_call_max` pairs are given.
            DataCloneError: If a value, or something in it, is of a type that is not storable, or is
                nested too deep: some 450 lists or dicts in each other, see `encode`.
            WriteBufferFull: If more than 32 MiB are pending already (keys, encoded values and 180
                bytes an entry): await writes, which waits while more than 8 MiB are. In a
                transaction, if it holds as much: write the rest in another.
        """
        view = self._view("put")
        entries: Mapping[str, Known]
        if isinstance(key, str):
            if value is _MISSING:
                problem = "needs a value: put(key, value), or put({key: value, ...})"
                raise InvalidArgument("put()", problem)
            entries = {key: encoded(self._space.limits, key, value)}
        elif value is _MISSING:
            entries = encoded_pairs(self._space.limits, key)
            if not entries:
                return DONE
        elif isinstance(key, Mapping):
            problem = "takes a key and a value, or one mapping; it was given a mapping and a value"
            raise InvalidArgument("put()", problem)
        else:
            entries = {checked_key(self._space.limits, key): b""}  # no string, so this raises
        view.write(entries, confirm=not allow_unconfirmed)
        return self._space.written()

    @overload
    def delete(self, key: str, *, allow_unconfirmed: bool = False) -> Awaitable[bool]: ...
    @overload
    def delete(self, key: Iterable[str], *, allow_unconfirmed: bool = False) -> Awaitable[int]: ...

    def delete(
        self, key: str | Iterable[str], *, allow_unconfirmed: bool = False
    ) -> Awaitable[bool] | Awaitable[int]:
        """Delete one key, or several. Awaited: whether it existed, or how many did.

        The delete counts at once; only what it returns may need a read.

        Raises:
            InvalidKey, TooManyKeys, WriteBufferFull: As in `put`.
        """
        view = self._view("delete")
        keys = (
            [checked_key(self._space.limits, key)]
            if isinstance(key, str)
            else checked_keys(self._space.limits, key)
        )
        before = {name: view.lookup(name) for name in keys}
        entries: dict[str, Known] = {
            name: None for name, found in before.items() if found is not None
        }
        if entries:
            view.write(entries, confirm=not allow_unconfirmed)
        return deleted(self._space, before, bool if isinstance(key, str) else int)

    def delete_all(self, *, allow_unconfirmed: bool = False) -> Awaitable[None]:
        """Delete every key, large values and all alarms, in the order of the other writes."""
        self._view("delete_all").clear(confirm=not allow_unconfirmed)
        return DONE

    # Large values

    def put_large(
        self, key: str, value: object, *, allow_unconfirmed: bool = False
    ) -> Awaitable[None]:
        """Store a value of up to 64 MiB: split over several keys, whole or not at all.

        Measured are encoded bytes, and 1 KiB above 64 MiB are left for what encoding adds: one byte
        to bytes and text, more to an array. More than 64 MiB of them pending refuse the next one.

        Large values have names of their own: `get`, `delete` and `list` do not see them, and a
        key of the same name is another thing. `size` counts their pieces.

        Raises:
            ValueTooLarge: If the encoded value exceeds `large_value_bytes_max`.
            DataCloneError, KeyTooLarge, WriteBufferFull: As in `put`.
        """
        view = self._view("put_large")
        checked_key(self._space.limits, key)
        large_values.put_large(self._space, view, key, value, confirm=not allow_unconfirmed)
        return self._space.written()

    def get_large(self, key: str, default: Any = None) -> Awaitable[Any]:
        """Read what `put_large` stored, or `default`.

        Raises:
            InvalidKey: As in `get`; it takes one key.
            DecodeError: If the stored bytes are no value.
        """
        view = self._view("get_large")
        return large_values.get_large(
            self._space, view, checked_key(self._space.limits, key), default
        )

    def delete_large(self, key: str, *, allow_unconfirmed: bool = False) -> Awaitable[bool]:
        """Delete a large value. Awaited: whether it existed."""
        view = self._view("delete_large")
        checked_key(self._space.limits, key)
        return large_values.delete_large(self._space, view, key, confirm=not allow_unconfirmed)


def _name_calls() -> None:
    """Have Python's own errors, of a wrong number of arguments, name calls as rooms write them."""
    for owner in Operations.__mro__:
        for name, call in vars(owner).items():
            if isfunction(call) and not name.startswith("_"):
                call.__qualname__ = f"storage.{name}"


_name_calls()
