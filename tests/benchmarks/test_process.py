"""Nothing that a peer started outlives its measurement."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A peer that leaves a process in a session of its own behind and ignores the request to stop.
HARNESS = """
import json, sys
from pathlib import Path
from benchmarks.peers import process
process.STOP_TIMEOUT_S = 0.2
server = process.ServerProcess("stubborn", Path(sys.argv[1]))
server.start(["sh", "-c", "trap '' TERM; setsid sleep 300 & echo up $! $$; while :; do wait; done"])
server.wait_for_line("up ")
pids = [int(pid) for pid in server.log.read_text().split()[1:]]
left = server.stop()
print(json.dumps({"pids": pids, "left": left, "data": server.data.exists()}))
"""


def test_daemons_of_a_peer_are_killed_with_it(tmp_path: Path) -> None:
    """A stop ends the process group and what left it, says how much, and removes the data."""
    done = subprocess.run(
        [sys.executable, "-c", HARNESS, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    told = json.loads(done.stdout)
    assert (told["left"], told["data"]) == (1, False)
    assert [pid for pid in told["pids"] if Path(f"/proc/{pid}").exists()] == []


# A peer whose daemon has ended by the time that its parent does, which never asked how.
LEAVES_A_CORPSE = """
import sys
from pathlib import Path
from benchmarks.peers import process
server = process.ServerProcess("careless", Path(sys.argv[1]))
daemon = "import os; print('up', flush=True); os.setsid(); os._exit(0)"
parent = (
    "import subprocess, sys, os, time; "
    f"daemon = subprocess.Popen([sys.executable, '-c', {daemon!r}]); "
    "os.waitid(os.P_PID, daemon.pid, os.WEXITED | os.WNOWAIT); print('ended', flush=True); "
    "time.sleep(300)"
)
server.start([sys.executable, "-c", parent])
server.wait_for_line("ended")
print(server.stop())
"""


def test_what_had_ended_was_not_left_behind(tmp_path: Path) -> None:
    """An ended process that nobody has waited for is cleared away and not held against the peer."""
    done = subprocess.run(
        [sys.executable, "-c", LEAVES_A_CORPSE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["0"]
