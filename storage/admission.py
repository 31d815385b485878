"""What may be stored: keys, values and how many of them in a call. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .codec import decode, encode
from .errors import (
    DecodeError,
    InvalidArgument,
    InvalidKey,
    KeyTooLarge,
    TooManyKeys,
    ValueTooLarge,
    WriteBufferFull,
)
from .key_range import RESERVED
from .limits import StorageLimits

AWAIT_WRITES = "await the writes: that waits while too much is pending"
END_TRANSACTION = (
    "a transaction is one flush, made at its end, so await nothing for it: "
    "end this one and write the rest in another"
)


def encoded_pairs(limits: StorageLimits, pairs: Mapping[str, object]) -> dict[str, bytes]:
    """Encode the values of a call that takes a mapping, if all of it can be stored.

    Raises:
        InvalidArgument: If it is no mapping.
        TooManyKeys: If they are more than `limits.keys_per_call_max`.
        StorageError: As `encoded`; a value that is not storable is named by its key.
    """
    if not isinstance(pairs, Mapping):
        kind = type(pairs).__name__
        given = f"without a value it was given {kind}; give {{key: value, ...}}"
        raise InvalidArgument("put()", f"takes a key and a value, or one mapping; {given}")
    check_count(limits, len(pairs))
    return {key: encoded(limits, key, value, of_many=True) for key, value in pairs.items()}


def encoded(limits: StorageLimits, key: str, value: object, *, of_many: bool = False) -> bytes:
    """Encode `value` for `key`, if both can be stored. `of_many`: errors name it by its key.

    Raises:
        InvalidKey, KeyTooLarge: If the key cannot.
        DataCloneError: If the value is of a type that is not storable.
        ValueTooLarge: If it is above `limits.value_bytes_max` encoded.
    """
    checked_key(limits, key)
    data = encode(value, key=key) if of_many else encode(value)
    if len(data) > limits.value_bytes_max:
        advice = "split it over several keys, or use put_large"
        raise ValueTooLarge(key, len(data), limits.value_bytes_max, advice)
    return data


def checked_encoded(limits: StorageLimits, key: str, data: bytes, *, is_large: bool) -> object:
    """Return the value that `data` encodes, if it and its key can be stored.

    Raises:
        InvalidKey, KeyTooLarge: If the key cannot.
        ValueTooLarge: If it is above the limit of `put`, or with `is_large` of `put_large`.
        DecodeError: If `encode` makes no such bytes; names the key.
    """
    checked_key(limits, key)
    size_bytes_max = limits.large_value_bytes_max if is_large else limits.value_bytes_max
    if len(data) > size_bytes_max:
        raise ValueTooLarge(key, len(data), size_bytes_max, "split it over several keys")
    try:
        return decode(data)
    except DecodeError as error:
        error.key = key
        raise


def checked_keys(limits: StorageLimits, keys: Iterable[str]) -> list[str]:
    """Return the keys of a call, each once, if all can be stored.

    Raises:
        InvalidKey, KeyTooLarge: If one cannot, or what was given is neither a key nor several.
        TooManyKeys: If they are more than `limits.keys_per_call_max`.
    """
    if isinstance(keys, (bytes, bytearray)) or not isinstance(keys, Iterable):
        checked_key(limits, keys)
    checked = list(dict.fromkeys(checked_key(limits, key) for key in keys))
    check_count(limits, len(checked))
    return checked


def check_count(limits: StorageLimits, count: int) -> None:
    """Refuse more keys than a call may have.

    Raises:
        TooManyKeys: If they are more than `limits.keys_per_call_max`.
    """
    if count > limits.keys_per_call_max:
        raise TooManyKeys(count, limits.keys_per_call_max)


def check_room(
    limits: StorageLimits,
    names: Iterable[str],
    unflushed_bytes: int,
    large_bytes: int,
    advice: str = AWAIT_WRITES,
) -> None:
    """Refuse to write `names` while too much of their kind, keys or large values, is unflushed.

    Raises:
        WriteBufferFull: If it is more than `limits.unflushed_bytes_max`, or of large values
            `limits.unflushed_large_bytes_max`.
    """
    is_full = unflushed_bytes > limits.unflushed_bytes_max
    is_full_of_large = large_bytes > limits.unflushed_large_bytes_max
    if is_full and any(name < RESERVED for name in names):
        raise WriteBufferFull(unflushed_bytes, limits.unflushed_bytes_max, advice)
    if is_full_of_large and any(name >= RESERVED for name in names):
        raise WriteBufferFull(large_bytes, limits.unflushed_large_bytes_max, advice)


def checked_key(limits: StorageLimits, key: str) -> str:
    """Return `key` if it can be stored.

    Raises:
        InvalidKey, KeyTooLarge: If it cannot.
    """
    if not isinstance(key, str):
        raise InvalidKey(key, f"is {type(key).__name__}, keys are strings; {_advice(key)}")
    size_bytes = len(key)
    if not key.isascii():
        if key[0] == RESERVED:
            raise InvalidKey(
                key,
                "starts with U+10FFFF, which storage keeps for itself; put another character first",
            )
        try:
            size_bytes = len(key.encode())
        except UnicodeEncodeError:
            raise InvalidKey(
                key,
                "holds half a surrogate pair, which is no text; decode it anew from its bytes, "
                'or use key.encode("utf-8", "backslashreplace").decode()',
            ) from None
    if size_bytes > limits.key_bytes_max:
        raise KeyTooLarge(key, size_bytes, limits.key_bytes_max)
    return key


def _advice(key: object) -> str:
    if isinstance(key, (bytes, bytearray)):
        return "use key.decode()"
    if isinstance(key, (list, tuple, set, frozenset, dict)):
        return "give one string"
    return "give a string" if key is None else "use str(key)"
