"""The index of shards: which one holds a key, what a flush changed, what is worth a merge."""

from __future__ import annotations

from parlour.storage.backend import Committed, ShardInfo
from parlour.storage.index import ShardIndex


def index(*entries: tuple[int, str, int, int]) -> ShardIndex:
    return ShardIndex([ShardInfo(*entry) for entry in entries])


def committed(
    *entries: tuple[int, str, int, int], removed: tuple[int, ...] = (), whole: bool = False
) -> Committed:
    shards = [ShardInfo(*entry) for entry in entries]
    return Committed(1, shards, list(removed), whole, None)


def test_a_key_is_in_the_last_shard_that_starts_before_it() -> None:
    """A shard's first key is its own."""
    shards = index((7, "m", 1, 1), (0, "", 1, 1), (3, "t", 1, 1))
    assert [shards.find(key) for key in ("", "a", "lzz", "m", "m\0", "t", "z")] == [
        0, 0, 0, 7, 7, 3, 3,
    ]  # fmt: skip


def test_without_shards_no_key_is_anywhere() -> None:
    """As in a space that was never written."""
    assert index().find("a") is None
    assert index().covering("", None) == []


def test_a_range_is_covered_by_the_shards_it_touches() -> None:
    """And by no other."""
    shards = index((0, "", 1, 1), (7, "m", 1, 1), (3, "t", 1, 1))

    def touched(low: str, high: str | None) -> list[int]:
        return [info.shard for info in shards.covering(low, high)]

    assert touched("", None) == [0, 7, 3]
    assert touched("a", "m") == [0]
    assert touched("a", "m\0") == [0, 7]
    assert touched("m", "t") == [7]
    assert touched("n", "z") == [7, 3]
    assert touched("z", None) == [3]


def test_a_flush_that_splits_moves_keys() -> None:
    """New shards are found, counts are summed up."""
    shards = index((0, "", 10, 100))
    assert not shards.apply(committed((0, "", 11, 110)))
    assert shards.apply(committed((0, "", 5, 50), (10, "m", 6, 60)))
    assert (shards.find("a"), shards.find("m")) == (0, 10)
    assert (shards.key_count, shards.size_bytes) == (11, 110)


def test_a_split_may_keep_the_upper_part_in_place() -> None:
    """Then the old shard starts later than before."""
    shards = index((0, "", 10, 100), (1, "x", 1, 1))
    assert shards.apply(committed((0, "m", 8, 80), (10, "", 3, 30)))
    assert [shards.find(key) for key in ("", "l", "m", "x")] == [10, 10, 0, 1]
    assert shards.key_count == 12


def test_a_removed_shard_leaves_its_range_to_the_left_neighbour() -> None:
    """One that is not known is nothing to remove."""
    shards = index((0, "", 1, 10), (1, "m", 1, 10))
    assert shards.apply(committed(removed=(1,)))
    assert shards.find("z") == 0
    assert shards.key_count == 1


def test_the_whole_index_replaces_what_was_known() -> None:
    """As after a lost answer, or after everything was deleted."""
    shards = index((0, "", 1, 10), (1, "m", 1, 10))
    assert shards.apply(committed((5, "", 2, 20), whole=True))
    assert (shards.find("z"), len(shards), shards.key_count, shards.size_bytes) == (5, 1, 2, 20)


def test_shrunk_neighbours_are_merged_if_they_fill_half_a_shard() -> None:
    """Only those that lost keys are looked at, each at most once."""
    shards = index((0, "", 60, 10), (1, "f", 60, 10), (2, "m", 60, 10), (3, "t", 30, 10))
    assert shards.merges(100, 1000) == []
    shards.apply(committed((1, "f", 20, 10)))
    assert shards.merges(100, 1000) == []
    shards.apply(committed((2, "m", 19, 10)))
    assert shards.merges(100, 1000) == [(1, 2)]
    shards.apply(committed((2, "m", 18, 10)))
    assert shards.merges(100, 19) == []
    assert shards.merges(100, 1000) == []


def test_merges_of_one_flush_do_not_overlap() -> None:
    """A shard takes part in one merge at a time."""
    shards = index(*((number, f"{number:02}" if number else "", 5, 10) for number in range(9)))
    shards.apply(committed(*((n, f"{n:02}" if n else "", 1, 10) for n in range(9))))
    merges = shards.merges(100, 1000)
    assert len(merges) == 4
    assert len({shard for pair in merges for shard in pair}) == 8
    assert all(right == left + 1 for left, right in merges)
