"""`ray up` between hosts: one to launch from, three to be launched on over SSH, no package index.

Different from machines of one's own: `~/parlour-venv` is there already, and lends Ray and the
other packages from the environment that runs the tests (Parlour itself it has not); the user has
root's number; the disk and the kernel are shared.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import ray

from ..support.wheel import ROOT, build_wheel
from .host import USER, Host
from .host_init import HOME
from .network import Network
from .valkey_host import ValkeyHost

SSHD = f"""
HostKey {HOME}/host_key
AuthorizedKeysFile {HOME}/.ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
"""
# As the comments in cluster.yaml say, and no port more.
FIREWALL = """
table inet firewall {
    chain input {
        type filter hook input priority 0; policy drop;
        iif lo accept
        ct state established,related accept
        tcp dport { 22, 1999, 6380-6383, 10002-10999, 11000-11999 } accept
    }
}
"""


class Launch:
    """A machine to launch from, and three to be launched on."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.valkey = ValkeyHost(network.add_host("valkey"))
        self.launcher = network.add_host("launcher")
        self.machines = [network.add_host(f"machine-{number}") for number in (1, 2, 3)]
        self.valkey.start()
        key, environment = make_key(folder), make_environment(folder)
        for machine in self.machines:
            let_in(machine, key, environment)
        self._do_what_the_file_asks_for(key, build_wheel(folder))

    @property
    def head(self) -> Host:
        """The one that is filled in as the head."""
        return self.machines[0]

    def ray(self, *command: str, timeout_s: float) -> str:
        """A command of Ray's launcher, in the folder with the file."""
        line = ["sh", "-c", 'cd ~/parlour && exec ray "$@"', "ray", *command]
        return self.launcher.run(*line, timeout_s=timeout_s)

    def execute(self, command: str, timeout_s: float = 60.0) -> str:
        """`ray exec`: a command on the head."""
        return self.ray("exec", "cluster.yaml", command, timeout_s=timeout_s)

    def logs(self) -> str:
        """Of every machine."""
        return "\n".join(host.log_tail() for host in [*self.machines, self.valkey.host])

    def _do_what_the_file_asks_for(self, key: Path, wheel: Path) -> None:
        """Steps 1 to 4 of the comment at its top."""
        home = self.launcher.path(".")
        (home / "parlour" / "dist").mkdir(parents=True)
        (home / "parlour" / "cluster.yaml").write_text(self._filled_in())
        shutil.copy(wheel, home / "parlour" / "dist")
        self.launcher.run("ray", "get-auth-token", "--generate")
        for folder, name, text in (
            (".ssh", "id_ed25519", key.read_text()),
            (".parlour", "redis_url", self.valkey.url + "\n"),
        ):
            (home / folder).mkdir(mode=0o700)
            (home / folder / name).touch(mode=0o600)
            (home / folder / name).write_text(text)
        for machine in self.machines:
            log_in(self.launcher, machine)

    def _filled_in(self) -> str:
        text = (ROOT / "cluster.yaml").read_text()
        for number, machine in enumerate(self.machines):
            assert f"192.0.2.{10 + number}" in text
            text = text.replace(f"192.0.2.{10 + number}", machine.address)
        assert "192.0.2." not in text
        return text.replace("ray[default]==2.60.0", f"ray[default]=={ray.__version__}")


def make_key(folder: Path) -> Path:
    """A key pair without a passphrase; returns the private half."""
    key = folder / "id_ed25519"
    generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(generate, check=True)
    return key


def make_environment(folder: Path) -> Path:
    """A virtual environment to be copied to `~/parlour-venv` of hosts: its scripts name that."""
    venv = folder / "parlour-venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    [site_packages] = venv.glob("lib/python*/site-packages")
    # Links of editable installs are not followed from there, so Parlour has to be installed.
    (site_packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name in ("pip", "ray"):
        lent = Path(sys.executable).with_name(name).read_text()
        script = venv / "bin" / name
        script.write_text(f"#!{HOME}/parlour-venv/bin/python\n" + lent.partition("\n")[2])
        script.chmod(0o755)
    return venv


def let_in(host: Host, key: Path, environment: Path) -> None:
    """Give a host its environment, a firewall and an SSH server that lets in who has `key`."""
    shutil.copytree(environment, host.path("parlour-venv"), symlinks=True)
    ssh = host.path(".ssh")
    ssh.mkdir(mode=0o700)
    shutil.copy(key.with_suffix(".pub"), ssh / "authorized_keys")
    make_key(host.path(".")).rename(host.path("host_key"))
    host.path("sshd_config").write_text(SSHD)
    host.run("mkdir", "/run/sshd")
    host.run("nft", FIREWALL)
    host.spawn("/usr/sbin/sshd", "-D", "-e", "-f", "sshd_config", log="sshd")


def log_in(launcher: Host, host: Host) -> None:
    """Return once `launcher` can log in on `host`."""
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    options += ["-o", "ConnectionAttempts=20", "-o", "ConnectTimeout=5"]
    launcher.run("ssh", *options, f"{USER}@{host.address}", "true")
