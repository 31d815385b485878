"""The tables of docs/scale.md, in Markdown, from what was reckoned, measured and simulated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean, pstdev

from benchmarks.scale_costs import COSTS, Cost
from benchmarks.scale_day import Day
from benchmarks.scale_looks import LookCosts
from benchmarks.scale_rollout import Rollout
from benchmarks.scale_sizing import Load, Machine, Sizing, cores_of, size
from benchmarks.scale_standbys import Waits

SCENARIOS = {
    "quiet": Load(live_share=0.1, messages_per_socket_s=0.005),
    "chat": Load(),
    "busy": Load(live_share=0.4, messages_per_socket_s=0.1, live_s=600.0),
    "devices": Load(sockets=1_000_000, live_share=0.3, messages_per_socket_s=0.1, broadcast=False),
    "a process a room": Load(live_share=0.02, rooms_per_actor=1),
}
MACHINE = Machine()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def costs() -> str:
    """What a unit costs and where that is from."""
    return table(
        ["unit", "cost", "from"],
        [[each.what, _figure(each), _origin(each)] for each in COSTS.values()],
    )


def _figure(each: Cost) -> str:
    if each.unit == "CPU-s" and each.value < 1e-3:
        return f"{each.value * 1e6:.1f} µs of CPU"
    if each.unit == "CPU-s" and each.value < 0.1:
        return f"{each.value * 1e3:.1f} ms of CPU"
    if each.unit == "bytes" and each.value >= 1e6:
        return f"{each.value / 1e6:.0f} MB"
    return f"{each.value:,.10g} {each.unit}"


def _origin(each: Cost) -> str:
    return each.source if each.measured else f"**assumed**; would be measured by {each.source}"


def asked() -> str:
    """What the scenarios ask for."""
    rows: list[tuple[str, Callable[[Load], str]]] = [
        ("rooms", lambda load: f"{load.rooms:,}"),
        ("sockets", lambda load: f"{load.sockets:,}"),
        ("rooms live at once", lambda load: f"{load.live_rooms:,.0f}"),
        ("rooms in a room actor", lambda load: f"{load.rooms_per_actor:,}"),
        ("messages/s in, each stored", lambda load: f"{load.messages_per_s:,.0f}"),
        ("deliveries/s out", lambda load: f"{load.deliveries_per_s:,.0f}"),
        ("wakes/s", lambda load: f"{load.wakes_per_s:,.0f}"),
    ]
    head = ["", *SCENARIOS]
    return table(head, [[name, *(of(load) for load in SCENARIOS.values())] for name, of in rows])


def nodes() -> str:
    """How many nodes, of what."""
    sized = _sized()
    rows = [
        [f"nodes for {name}", *(f"{each.nodes_for[name]:,}" for each in sized)]
        for name in sized[0].nodes_for
    ]
    rows.append(["**nodes: gateways, managers**", *(f"**{each.nodes:,}**" for each in sized)])
    rows.append(["decided by", *(each.node_bottleneck for each in sized)])
    rows.append(["room actors", *(f"{each.load.room_actors:,}" for each in sized)])
    for name in cores_of(sized[0]):
        rows.append([f"busy cores, {name}", *(f"{cores_of(each)[name]:.1f}" for each in sized)])
    rows += [
        ["memory of gateways", *(_gb(each.gateway_bytes) for each in sized)],
        ["memory of sockets in kernels", *(_gb(each.kernel_bytes) for each in sized)],
        ["memory of room actors", *(_gb(each.live_bytes) for each in sized)],
        ["sockets a gateway", *(f"{each.load.sockets / each.nodes:,.0f}" for each in sized)],
        ["live rooms a node", *(f"{each.load.live_rooms / each.nodes:,.0f}" for each in sized)],
        ["clients' traffic a node, Mbit/s", *(_mbit(each.client_bits_per_s) for each in sized)],
        ["traffic between nodes a node, Mbit/s", *(_mbit(each.link_bits_per_s) for each in sized)],
    ]
    return table(["", *SCENARIOS], rows)


def redis() -> str:
    """How many primaries, of what."""
    sized = _sized()
    rows = [
        ["keys and rooms, one copy", *(_gb(each.redis_bytes) for each in sized)],
        ["all processes with replicas", *(_gb(each.redis_total_bytes) for each in sized)],
        ["flushes/s", *(f"{each.flushes_per_s:,.0f}" for each in sized)],
        ["commands/s in all", *(f"{each.redis_commands_per_s:,.0f}" for each in sized)],
        ["primaries for memory", *(f"{each.shards_for['memory']:,}" for each in sized)],
        ["primaries for commands", *(f"{each.shards_for['commands']:,}" for each in sized)],
        ["**primaries**", *(f"**{each.shards:,}**" for each in sized)],
        ["decided by", *(each.shard_bottleneck for each in sized)],
        ["processes with replicas", *(f"{each.redis_processes:,}" for each in sized)],
    ]
    return table(["", *SCENARIOS], rows)


def _sized() -> list[Sizing]:
    return [size(load, MACHINE) for load in SCENARIOS.values()]


def _gb(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:,.1f} GB"


def _mbit(bits_per_s: float) -> str:
    return f"{bits_per_s / 1e6:,.0f}"


# What was measured and simulated


def looks(measured: Sequence[LookCosts]) -> str:
    """CPU of one manager's decisions."""
    head = [
        "live rooms",
        "in a room actor",
        "look",
        "a room waits",
        "deploying",
        "reports, each once",
    ]
    head += ["a wake placed", "1,000 waiting tried"]
    rows = [
        [
            f"{one.rooms:,}",
            f"{one.rooms_per_actor:,}",
            f"{one.look_ms:.1f} ms",
            f"{one.pressed_look_ms:.1f} ms",
            f"{one.deploy_look_ms:.1f} ms",
            f"{one.reports_ms:.1f} ms",
            f"{one.wake_us:.1f} µs",
            f"{one.waiting_ms:.1f} ms",
        ]
        for one in measured
    ]
    return table(head, rows)


def standbys(waits: Sequence[Waits]) -> str:
    """How long rooms wait for room actors of their own."""
    head = ["wakes/s of a node", "standbys", "rooms that waited", "p50", "p99", "longest"]
    rows = [
        [
            f"{one.wakes_per_s:g}",
            f"{one.standbys}",
            f"{one.waited_share:.0%}",
            *(f"{wait_s:.2f} s" for wait_s in (one.p50_s, one.p99_s, one.longest_s)),
        ]
        for one in waits
    ]
    return table(head, rows)


def rollouts(measured: Sequence[Rollout]) -> str:
    """How deploys go on one node."""
    head = ["live rooms of a node", "in a room actor", "`--within`", "took", "told at its end"]
    rows = [
        [
            f"{one.rooms:,}",
            f"{one.rooms_per_actor:,}",
            f"{one.within_s:g} s",
            f"{one.took_s:.1f} s",
            f"{one.at_the_end:,}",
        ]
        for one in measured
    ]
    return table(head, rows)


def day(lived: Day) -> str:
    """A day in figures."""
    tally, plan = lived.tally, lived.plan
    peak = max(lived.live, key=sum)
    ordinary = [count for number, count in enumerate(peak) if number >= plan.favoured and count]
    rows = [
        ("rooms; visited that day", f"{plan.rooms:,}; {lived.visited:,}"),
        ("events of rooms at gateways", f"{tally.events:,}"),
        ("rooms woken", f"{tally.wakes:,}"),
        ("live at once, at most", f"{sum(peak):,}"),
        ("  on an ordinary node then", f"{mean(ordinary):,.0f} ± {pstdev(ordinary):,.0f}"),
        ("  on one with twice the clients", f"{max(peak[: plan.favoured]):,}"),
        ("woken on another node, for want of places or processors", f"{tally.elsewhere:,}"),
        ("claims that bounced", f"{tally.bounced:,}"),
        ("look-ups a second in the busiest ten minutes", f"{max(lived.lookups_per_s):,.1f}"),
        (
            "waited for a room actor to start; for an idle room",
            _waited(tally.waited_for_start, tally.waited_for_place),
        ),
        ("CPU of a wake's placing", f"{tally.placing_cpu_s / tally.wakes * 1e6:.1f} µs"),
        ("CPU of a look, on average", f"{tally.look_cpu_s / tally.looks * 1e3:.1f} ms"),
        (
            "node killed: its rooms; those in use live again after",
            f"{lived.killed_rooms:,}; {lived.back_s:.1f} s",
        ),
        ("  claims that bounced then", f"{lived.bounced_after_death:,}"),
        (
            f"node drained in {plan.drain_within_s:.0f} s: its rooms; empty after",
            f"{lived.drained:,}; {lived.drain_took_s:.1f} s",
        ),
        ("  told only at the end", f"{lived.drained_at_end:,}"),
        (
            "deploy without `--within`: rooms of the old version at once; at midnight",
            f"{lived.outdated[0]:,}; {lived.outdated[-1]:,}",
        ),
    ]
    return table(["", ""], rows)


def _waited(for_start: int, for_place: int) -> str:
    return f"{for_start:,}; {for_place:,}"
