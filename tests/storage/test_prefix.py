"""What the keys of a shard begin with, as its owner tells it with each flush."""

from __future__ import annotations

from parlour.storage.prefix import PREFIX_BYTES_MAX, shared_prefix


def test_keys_share_what_they_all_begin_with() -> None:
    """The longest such string; of one key that is the key."""
    assert shared_prefix(["user:1:name", "user:1:age", "user:2:name"]) == "user:"
    assert shared_prefix(["counter"]) == "counter"
    assert shared_prefix(["a", "b"]) == ""
    assert shared_prefix(["a", ""]) == ""
    assert shared_prefix([]) == ""


def test_a_prefix_is_only_shortened() -> None:
    """Whatever the new keys have in common besides: the older ones need not have it."""
    assert shared_prefix(["user:1", "user:12"], "user:") == "user:"
    assert shared_prefix(["usage"], "user:") == "us"
    assert shared_prefix([], "user:") == "user:"


def test_characters_are_not_cut() -> None:
    """Keys that differ in a later byte of one character differ from its first one on."""
    assert shared_prefix(["né", "nè"]) == "n"


def test_a_prefix_has_a_limit() -> None:
    """In bytes, and a character that would be cut there is left out."""
    assert shared_prefix(["a" * 500]) == "a" * PREFIX_BYTES_MAX
    assert shared_prefix(["😀" * 500]) == "😀" * (PREFIX_BYTES_MAX // 4)
