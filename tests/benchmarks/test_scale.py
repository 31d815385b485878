"""docs/scale.md says what the arithmetic says, and the arithmetic is right about its units."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from benchmarks.scale import DOCS, PAGE, PageError, arithmetic, in_page, main
from benchmarks.scale_costs import COSTS, cost
from benchmarks.scale_plot import HEIGHT, WIDTH, Series, line_chart
from benchmarks.scale_sizing import (
    Load,
    Machine,
    client_bits_per_s,
    gateway_cores,
    link_bits_per_s,
    manager_cores,
    redis_commands_per_s,
    room_cores,
    size,
)

SMALL = Load(
    rooms=100,
    sockets=1000,
    live_share=0.5,
    live_s=10.0,
    messages_per_socket_s=1.0,
    message_bytes=100,
    keys_per_room=10,
    rooms_per_actor=20,
)


def test_the_tables_of_the_page_are_those_of_the_arithmetic() -> None:
    """`python -m benchmarks.scale write` changes nothing."""
    page = PAGE.read_text()
    assert in_page(page, arithmetic()) == page


def test_the_arithmetic_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """By the command that the page names; it writes nothing."""
    assert "python -m benchmarks.scale`" in PAGE.read_text()
    before = PAGE.read_text()
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(text in printed for text in arithmetic().values())
    assert PAGE.read_text() == before


def test_no_table_of_the_page_is_empty() -> None:
    """Those of a run are there as well, and so are its charts."""
    page = PAGE.read_text()
    tables = re.findall(r"<!-- scale: (\w+) -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert {name for name, _ in tables} == {*arithmetic(), "looks", "standbys", "rollouts", "day"}
    assert all(text.count("\n") >= 3 for _, text in tables)
    for name in re.findall(r"\]\((.*?\.svg)\)", page):
        assert ElementTree.parse(DOCS / name).getroot().tag.endswith("svg")


@pytest.mark.parametrize("page", ["", "<!-- scale: a -->\n<!-- end -->\n" * 2])
def test_a_page_with_no_one_place_for_a_table_is_refused(page: str) -> None:
    """It says which, and how many there are."""
    with pytest.raises(PageError, match="[02] places are marked `<!-- scale: a -->`"):
        in_page(page, {"a": "text"})


def test_each_cost_says_where_it_is_from() -> None:
    """What is not measured is called assumed in the page."""
    rows = {row.split(" | ")[0].strip("| "): row for row in arithmetic()["costs"].splitlines()}
    for each in COSTS.values():
        assert each.value > 0
        assert each.source in rows[each.what]
        assert ("assumed" in rows[each.what]) is not each.measured


def test_loads_are_in_the_units_that_their_names_say() -> None:
    """A thousand sockets that each send once a second, ten to a room."""
    assert SMALL.messages_per_s == 1000
    assert SMALL.deliveries_per_s == 10_000
    assert replace(SMALL, broadcast=False).deliveries_per_s == 1000
    assert SMALL.live_rooms == 50
    assert SMALL.wakes_per_s == 5
    assert SMALL.room_actors == 3


def test_cores_are_cpu_seconds_a_second() -> None:
    """Of each kind of process, by hand."""
    assert gateway_cores(SMALL) == pytest.approx(1000 * 11e-6 + 9000 / 172_000)
    assert room_cores(SMALL) == pytest.approx(1000 * 5e-6 + 5 * 3.4e-3)
    assert manager_cores(SMALL) == pytest.approx(50 * (5 * cost("look") + 4 * cost("report")))


def test_memory_is_in_bytes() -> None:
    """One copy of what is stored; sockets whether their rooms are live or not."""
    sized = size(SMALL, Machine(replicas=2))
    assert sized.gateway_bytes == 1000 * 11_500
    assert sized.live_bytes == 50 * 15_300 + 3 * 51e6
    assert sized.redis_bytes == 100 * (cost("stored room") + 10 * cost("key"))
    assert sized.redis_total_bytes == pytest.approx(sized.redis_bytes * 1.5 * 3)
    assert sized.redis_processes == 3


def test_commands_are_flushes_wakes_leases_and_alarms() -> None:
    """A second, of all gateways and room actors."""
    assert redis_commands_per_s(SMALL, nodes=2) == 1000 + 3 * 5 + 3 + 2 * 16 * 5


def test_one_node_sends_nothing_to_others() -> None:
    """And of many, nearly every message comes from another, to as many gateways as sockets."""
    assert link_bits_per_s(SMALL, nodes=1) == 0
    frame_bits = 8 * (100 + 78)
    assert link_bits_per_s(SMALL, nodes=10**6) == pytest.approx(
        2 * frame_bits * 1000 * (1 + 9 + 1), rel=1e-3
    )
    assert client_bits_per_s(SMALL) == 8 * 11_000 * (100 + 2 * 78)


@pytest.mark.parametrize(
    ("changes", "bottleneck"),
    [
        ({"messages_per_socket_s": 1000.0}, "CPU of the gateway"),
        ({"sockets": 10**8, "messages_per_socket_s": 0.0}, "memory"),
        (
            {"rooms": 10**8, "live_share": 1.0, "live_s": 1e6, "rooms_per_actor": 10_000},
            "CPU of the manager",
        ),
        ({"live_s": 1e-6}, "CPU of room actors"),
        ({"message_bytes": 10**8}, "network"),
    ],
)
def test_the_scarcest_resource_decides(changes: dict[str, float], bottleneck: str) -> None:
    """As many nodes as it takes, and it is named."""
    sized = size(replace(SMALL, **changes), Machine())  # type: ignore[arg-type]
    assert sized.node_bottleneck == bottleneck
    assert sized.nodes == sized.nodes_for[bottleneck] > 1
    assert all(needed <= sized.nodes for needed in sized.nodes_for.values())


def test_redis_is_decided_by_memory_where_rooms_store_much() -> None:
    """And else by how much they commit."""
    assert size(SMALL, Machine()).shard_bottleneck == "memory"
    assert size(replace(SMALL, keys_per_room=10**8), Machine()).shards > 1
    assert size(replace(SMALL, sockets=10**6), Machine()).shard_bottleneck == "commands"


def test_a_chart_has_its_lines_inside_its_axes() -> None:
    """Zero is in the corner, and the largest point below the top."""
    text = line_chart("a < b", "x", "y", [Series("one", [(0, 0), (9, 123)])])
    root = ElementTree.fromstring(text)
    (path,) = [each for each in root if each.get("fill") == "none"]
    points = re.findall(r"([\d.]+) ([\d.]+)", path.attrib["d"])
    assert points[0] == ("70.0", "310.0")
    assert 70 < float(points[1][0]) <= WIDTH
    assert 50 <= float(points[1][1]) < HEIGHT
    assert "a < b" in "".join(root.itertext())


def test_a_chart_of_nothing_is_refused() -> None:
    """There is no axis for it."""
    with pytest.raises(ValueError, match="above zero"):
        line_chart("", "", "", [Series("none", [(0, 0)])])
