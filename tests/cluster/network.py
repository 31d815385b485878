"""What joins hosts: a switch in a namespace of its own, and a cable from it to the test.

The test's own network gets one interface, `parlour<slot>`, with the first address of the hosts'
network; packets of hosts go nowhere else. Several test runs share a machine: each takes a slot of
its own. All of it ends with the test's process; of a run that was killed a folder is left, and
the next one in the same slot removes it.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from .host import Host

SLOTS_MAX = 8
OBSERVER, SWITCH, HOSTS = 1, 2, 11  # the last parts of addresses
HOSTS_MAX = 20
# `cut` loses sight of other hosts, `dark` of the test as well. Dropped, so that nobody is told; but
# hosts still learn where others are on the wire, which they would otherwise report as unreachable.
RULES = """
table bridge parlour {
    set cut { type ifname; }
    set dark { type ifname; }
    chain forward {
        type filter hook forward priority 0; policy accept;
        ether type arp accept
        iifname @dark drop
        oifname @dark drop
        iifname @cut oifname != "uplink" drop
        oifname @cut iifname != "uplink" drop
    }
}
"""


class Network:
    """Hosts and the switch between them; `with` makes it and leaves nothing of it."""

    def __init__(self) -> None:
        self._slot = -1
        self._lock: socket.socket | None = None
        self._folder = Path()
        self._switch: Host | None = None
        self._hosts: dict[str, Host] = {}
        self._cuts: dict[str, str] = {}

    @property
    def observer_address(self) -> str:
        """Of the test itself, as hosts see it."""
        return self._address(OBSERVER)

    @property
    def hosts(self) -> list[Host]:
        """All that were added, also those that are off."""
        return list(self._hosts.values())

    def __enter__(self) -> Self:
        self._take_slot()
        try:
            self._make_switch()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        for host in [*self._hosts.values(), self._switch]:
            if host is not None:
                host.end()
        if self._lock is not None:
            _remove_leftovers(self._slot)
            self._lock.close()

    def add_host(self, name: str) -> Host:
        """A host that is on and connected. Addresses are given in order and not used again."""
        assert name not in self._hosts, f"there is a host {name} already"
        assert len(self._hosts) < HOSTS_MAX
        host = Host(name, self._address(HOSTS + len(self._hosts)), self._folder / name)
        self._hosts[name] = host
        self.switch_on(host)
        return host

    def switch_on(self, host: Host) -> None:
        """Start a host that was ended, with the address and the files that it had."""
        host.start()
        port = _port(host)
        self._on_switch(
            "ip", "link", "add", port, "type", "veth", "peer", "eth0", "netns", host.pid
        )
        self._on_switch("ip", "link", "set", port, "master", "bridge", "up")
        # A name in hardware that stays: else others look for its old one until they forget it.
        number = int(host.address.rpartition(".")[2])
        hardware = f"02:00:00:00:{self._slot:02x}:{number:02x}"
        _in_network(host, "ip", "link", "set", "eth0", "address", hardware, "up")
        _in_network(host, "ip", "address", "add", f"{host.address}/24", "dev", "eth0")
        # Ray finds its address by asking which one leads away; the switch forwards nothing.
        _in_network(host, "ip", "route", "add", "default", "via", self._address(SWITCH))

    def cut_off(self, host: Host, *, observer_too: bool = False) -> None:
        """Lose what the host and others send each other, without a word to either.

        Its processes go on. The test still reaches it, unless `observer_too`: it stands for the
        clients on that side of the cut.
        """
        assert host.name not in self._cuts, f"{host.name} is cut off already"
        self._cuts[host.name] = "dark" if observer_too else "cut"
        self._change("add", host)

    def mend(self, host: Host) -> None:
        """Undo `cut_off`; does nothing to a host that is not cut off."""
        if host.name in self._cuts:
            self._change("delete", host)
            del self._cuts[host.name]

    def _change(self, verb: str, host: Host) -> None:
        element = f'{{ "{_port(host)}" }}'
        self._on_switch("nft", verb, "element", "bridge", "parlour", self._cuts[host.name], element)

    def _take_slot(self) -> None:
        """Take the first free slot, and remove what killed runs left in any that is free."""
        for slot in range(SLOTS_MAX):
            lock = socket.socket(socket.AF_UNIX)
            try:
                # Without a file: it is free again when this process has ended, however it ended.
                lock.bind(f"\0parlour-hosts-{slot}")
            except OSError:
                lock.close()
                continue
            _remove_leftovers(slot)
            if self._lock is None:
                self._slot, self._lock = slot, lock
            else:
                lock.close()
        assert self._lock, f"{SLOTS_MAX} test runs with hosts are going on: wait for one to end"
        self._folder = _folder(self._slot)

    def _make_switch(self) -> None:
        self._switch = Host("switch", self._address(SWITCH), self._folder / "switch")
        self._switch.start()
        self._on_switch("ip", "link", "add", "bridge", "type", "bridge", "forward_delay", "0")
        self._on_switch("ip", "address", "add", f"{self._switch.address}/24", "dev", "bridge")
        self._on_switch("ip", "link", "set", "bridge", "up")
        uplink = _uplink(self._slot)
        peer = ("peer", "uplink", "netns", self._switch.pid)
        _run("ip", "link", "add", uplink, "type", "veth", *peer)
        self._on_switch("ip", "link", "set", "uplink", "master", "bridge", "up")
        _run("ip", "address", "add", f"{self.observer_address}/24", "dev", uplink)
        _run("ip", "link", "set", uplink, "up")
        self._on_switch("nft", RULES)

    def _on_switch(self, *command: str | int) -> None:
        assert self._switch is not None
        _in_network(self._switch, *command)

    def _address(self, last: int) -> str:
        return f"10.213.{self._slot}.{last}"


def _remove_leftovers(slot: int) -> None:
    # Not by shutil.rmtree: what Ray prepares for packages is tens of thousands of files.
    subprocess.run(["rm", "-rf", str(_folder(slot))], check=False)
    if Path(f"/sys/class/net/{_uplink(slot)}").exists():
        # Fails where it goes by itself meanwhile, with the namespace of its other end.
        subprocess.run(["ip", "link", "del", _uplink(slot)], capture_output=True, check=False)


def _folder(slot: int) -> Path:
    return Path(tempfile.gettempdir()) / f"parlour-hosts-{slot}"


def _uplink(slot: int) -> str:
    return f"parlour{slot}"


def _port(host: Host) -> str:
    return f"port{host.address.rpartition('.')[2]}"


def _in_network(host: Host, *command: str | int) -> None:
    _run("nsenter", f"--target={host.pid}", "--net", *command)


def _run(*command: str | int) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr}"
