"""Echo over many rooms: does it matter that clients are not in one?

Parlour's rooms share two processes, as a class with many of them would have it; those of workerd
and of the others share one.
"""

import sys

from benchmarks import harness
from benchmarks.harness import Case, Question
from benchmarks.peers.registry import PYTHON_PEERS

QUESTION = Question(
    name="rooms",
    title="Echo over 100 rooms: each client has one message in flight",
    peers=("bare", "workerd", "workerd-hibernating", "partykit", *PYTHON_PEERS, "parlour"),
    cases=(
        Case(
            "100 clients, 100 rooms",
            "echo",
            "echoshared",
            sockets=100,
            rooms=100,
            asked={("parlour", peer): 5.0 for peer in PYTHON_PEERS},
        ),
    ),
)

if __name__ == "__main__":
    sys.exit(harness.main([QUESTION]))
