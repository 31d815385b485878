"""The status in words and as data: complete, in columns, and without a password."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from parlour.runtime.placement import NodeLoad
from parlour.runtime.status import (
    ClusterStatus,
    GatewayStatus,
    ManagerStatus,
    NodeStatus,
    VersionStatus,
)
from parlour.runtime.status_text import as_dict, describe, describe_nodes, describe_versions

PROMISE = "Valkey 8.1, appendfsync always: an acknowledged write is on its disk"
NOTHING = "nothing is deployed; `parlour deploy` does it"


def node(name: str, *, draining: bool = False, outdated: int = 0) -> NodeStatus:
    """A node that works."""
    load = NodeLoad(name, f"/tmp/{name}/manager.sock@{name}:1", 5, 0.25)
    manager = ManagerStatus(load, 2, 17, outdated, 21, 3, 0, 15, 1)
    gateway = GatewayStatus(f"http://{name}:1999", 4321, ("chat", "main"))
    return NodeStatus(name * 8, name, draining, manager, gateway)


VERSIONS = [
    VersionStatus(1, "shop", 0.0, ("chat", "main"), False, "3 of 4 rooms could not start with it"),
    VersionStatus(2, "", 86400.0, ("chat",), True),
]
STATUS = ClusterStatus(
    [node("n1"), node("n22", draining=True), node("n3", outdated=2), NodeStatus("n4", "n4", False)],
    VERSIONS,
    True,
    "redis://ada:hush@h:6379/0",
)
EMPTY = ClusterStatus([], [], False, "redis://ada:hush@h:6379/0")


def test_everything_is_told() -> None:
    """What the server promises, what is deployed, and each node."""
    text = describe(STATUS, PROMISE)
    assert text.startswith(f"Redis      {PROMISE}\n")
    assert "version 2: chat (on probation" in text
    assert describe_nodes(STATUS) in text
    assert NOTHING in describe(EMPTY, PROMISE)


def test_each_node_has_a_line_in_columns() -> None:
    """With what it does, or that it does not answer."""
    head, *lines = describe_nodes(STATUS).splitlines()
    assert len(lines) == 4
    states = ("ready", "draining", "ready, 2 rooms on older versions", "does not answer")
    for line, words in zip(lines, states, strict=True):
        assert line[head.index("STATE") :] == words
        assert line == line.rstrip()
    assert lines[0][head.index("LIVE ROOMS") :].startswith("17 ")
    assert lines[0][head.index("SOCKETS") :].startswith("4321 ")
    assert lines[0].split()[0] == "n1n1n1n1n1n1"
    assert lines[3].split()[:3] == ["n4", "n4", "-"]
    assert describe_nodes(EMPTY).splitlines() == [
        "NODE  ADDRESS  GATEWAY  SOCKETS  LIVE ROOMS  STANDBYS  STATE"
    ]


def test_versions_are_listed_newest_first() -> None:
    """With when they were deployed, which one is in use, and why one was given up."""
    head, newest, oldest = describe_versions(STATUS, time.gmtime).splitlines()
    assert newest.split() == ["2", "-", "1970-01-02", "00:00:00", "chat", "in", "use"]
    assert oldest.startswith("1        shop  1970-01-01 00:00:00  chat, main")
    assert oldest.endswith("halted: 3 of 4 rooms could not start with it")
    assert head.split() == ["VERSION", "NAME", "DEPLOYED", "PARTIES", "STATE"]
    assert describe_versions(EMPTY) == NOTHING


def test_the_same_is_told_to_programs() -> None:
    """As JSON, whole."""
    told = json.loads(json.dumps(as_dict(STATUS, PROMISE), allow_nan=False))
    assert told["redis"] == PROMISE
    assert told["on_probation"] is True
    assert [each["ready"] for each in told["nodes"]] == [True, True, True, False]
    assert told["nodes"][0]["manager"]["live_rooms"] == 17
    assert told["nodes"][3]["gateway"] is None
    assert [each["version"] for each in told["versions"]] == [1, 2]


@pytest.mark.parametrize("status", [STATUS, EMPTY])
def test_no_password_is_shown(status: ClusterStatus) -> None:
    """Of the server's URL, in whatever form."""
    texts = [describe(status, PROMISE), describe_nodes(status), describe_versions(status)]
    texts += [json.dumps(as_dict(status, PROMISE)), repr(status)]
    for text in texts:
        assert "hush" not in text
        assert "redis://" not in text


def test_what_rooms_wait_for_is_told() -> None:
    """Party by party, whatever node they were asked for on; nothing while nothing lacks."""
    first, *others = STATUS.nodes
    assert first.manager is not None
    lacking = replace(first.manager, unplaced={"draw": "num_gpus=1"})
    status = replace(STATUS, nodes=[replace(first, manager=lacking), *others])
    assert "Waiting    rooms of draw: no node has num_gpus=1 free\n" in describe(status, PROMISE)
    assert "Waiting" not in describe(STATUS, PROMISE)
    assert as_dict(status, PROMISE)["nodes"][0]["manager"]["unplaced"] == {"draw": "num_gpus=1"}
