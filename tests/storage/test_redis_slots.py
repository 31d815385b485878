"""The slot map of a Redis Cluster."""

from parlour.storage.redis_slots import parse_address, parse_slots


def test_slots_and_addresses_are_read_as_servers_write_them() -> None:
    """Nodes without a name of their own are at the host that told of them; IPv6 has colons."""
    slots = parse_slots(
        [[0, 1, [b"10.0.0.1", 1, b"id"]], [3, 3, [None, 2, b"id"], [b"r", 3, b"id"]]], "asked"
    )
    assert slots[:5] == [("10.0.0.1", 1), ("10.0.0.1", 1), None, ("asked", 2), None]
    assert parse_address("10.0.0.1:7000", "h") == ("10.0.0.1", 7000)
    assert parse_address("::1:7000", "h") == ("::1", 7000)
    assert parse_address(":7000", "h") == ("h", 7000)
