"""A deploy under load: how long does the client wait that waits longest?

    python -m benchmarks.bench_deploy

Clients echo over rooms while the file of the rooms changes once, and `parlour dev` deploys it:
every live room moves to the new classes, no socket is closed, no message is lost or answered twice
(the load generator checks each). Peers are not asked: a new version of theirs closes every socket.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import harness
from benchmarks.harness import Case, Outcome, Question, Settings
from benchmarks.peers.parlour_server import ROOMS_FILE, ParlourServer
from benchmarks.peers.process import PeerFailed

QUIET_S = 2.0  # of load before the file changes
LEAST_S = 12.0  # of load in all: the deploy has to be over by then
RELOADED = b"Reloaded"

QUESTION = Question(
    name="deploy",
    title="A deploy under load: the longest that a client waits for an answer",
    peers=("parlour",),
    cases=(
        Case("50 clients, 1 room", "echo", "echo", sockets=50, figure="max_us"),
        Case("50 clients, 10 rooms", "echo", "echoshared", sockets=50, rooms=10, figure="max_us"),
    ),
)


class DeployedParlour(ParlourServer):
    """`parlour dev` with a copy of the rooms, so that the copy can change."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.rooms_file = folder / "deploy" / ROOMS_FILE.name

    def start(self, *options: str) -> str:
        """Start with a fresh copy."""
        shutil.rmtree(self.rooms_file.parent, ignore_errors=True)
        self.rooms_file.parent.mkdir(parents=True)
        shutil.copy(ROOMS_FILE, self.rooms_file)
        return super().start(*options)

    def change(self) -> None:
        """Change the file, which deploys it."""
        with self.rooms_file.open("a") as file:
            file.write(f"\n# {time.time_ns()}\n")

    def deploys(self) -> int:
        """How many have ended well."""
        return self._process.log.read_bytes().count(RELOADED)


def deploy_under_load(
    peer: DeployedParlour, url: str, case: Case, settings: Settings, round_number: int
) -> harness.Run:
    """Load, and a deploy in the middle of it.

    Raises:
        PeerFailed: The load failed, or the deploy had not ended when the load did.
    """
    before = peer.deploys()
    timer = threading.Timer(settings.warmup_s + QUIET_S, peer.change)
    timer.start()
    try:
        run = harness.measure(case, url, settings, round_number)
    finally:
        timer.cancel()
    if peer.deploys() != before + 1:
        raise PeerFailed("the deploy had not ended when the load did; give it more --seconds")
    return run


def ask(question: Question, settings: Settings) -> Outcome:
    """All cases in each round, each round with a Parlour of its own."""
    outcome = Outcome(question, settings)
    for number in range(1, settings.rounds + 1):
        harness.say(f"deploy, round {number} of {settings.rounds}")
        peer = DeployedParlour(harness.FOLDER)
        try:
            url = peer.start()
            outcome.versions["parlour"] = peer.versions()
            for case in question.cases:
                measured = deploy_under_load(peer, url, case, settings, number)
                outcome.runs.setdefault((case.name, "parlour"), []).append(measured)
                harness.say(f"  {case.name:<26} longest {measured['max_us'] / 1000:,.1f} ms")
        except PeerFailed as error:
            harness.note_problem(outcome, str(error))
        finally:
            peer.stop()
    return outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """The harness's command line, with this way to run."""
    return harness.main([QUESTION], arguments, ask=ask, seconds_min=LEAST_S)


if __name__ == "__main__":
    sys.exit(main())
