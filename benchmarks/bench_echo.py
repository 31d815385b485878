"""Echo in one room: how many messages, and how long does one take?"""

import sys

from benchmarks import harness
from benchmarks.harness import Case, Question
from benchmarks.peers.registry import PYTHON_PEERS

SERVERS = ("bare", "workerd", "workerd-hibernating", "partykit", *PYTHON_PEERS, "parlour")
PYTHON = {("parlour", peer): 5.0 for peer in PYTHON_PEERS}
WORKERD = ("parlour", "workerd")

QUESTION = Question(
    name="echo",
    title="Echo in one room: each client has one message in flight",
    peers=("ray", *SERVERS),  # Ray: to see why no message travels as a call
    cases=(
        Case("1 client, 64 B", "echo", "echo", sockets=1, asked_p50={WORKERD: 1.2}),
        Case("10 clients, 64 B", "echo", "echo", sockets=10, peers=SERVERS),
        Case(
            "50 clients, 64 B",
            "echo",
            "echo",
            sockets=50,
            asked={WORKERD: 3.0, ("parlour", "bare"): 0.6, **PYTHON},
        ),
        Case("500 clients, 64 B", "echo", "echo", sockets=500, peers=SERVERS),
        Case("50 clients, 1 KiB", "echo", "echo", sockets=50, size_bytes=1024, peers=SERVERS),
        Case("50 clients, 16 KiB", "echo", "echo", sockets=50, size_bytes=16 * 1024, peers=SERVERS),
    ),
)

if __name__ == "__main__":
    sys.exit(harness.main([QUESTION]))
