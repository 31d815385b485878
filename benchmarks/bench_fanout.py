"""Fan-out: one client sends, every socket of the room receives; deliveries a second."""

import sys

from benchmarks import harness
from benchmarks.harness import Case, Question
from benchmarks.peers.registry import PYTHON_PEERS

# Those that let ten thousand clients in within a minute or so; of the Python peers, the fastest.
MANY = ("bare", "workerd", "workerd-hibernating", "fastapi", "parlour")
ASKED = {("parlour", "workerd"): 4.0, **{("parlour", peer): 5.0 for peer in PYTHON_PEERS}}

QUESTION = Question(
    name="fanout",
    title="Fan-out in one room: each message of one client reaches every socket; deliveries",
    peers=("bare", "workerd", "workerd-hibernating", "partykit", *PYTHON_PEERS, "parlour"),
    cases=(
        Case("100 sockets, 1 at a time", "fanout", "fanout", sockets=100),
        Case("100 sockets, 4 in flight", "fanout", "fanout", sockets=100, window=4, asked=ASKED),
        Case("1,000 sockets, 4 in flight", "fanout", "fanout", 1000, window=4, asked=ASKED),
        Case("10,000 sockets, 1 at a time", "fanout", "fanout", sockets=10_000, peers=MANY),
    ),
)

if __name__ == "__main__":
    sys.exit(harness.main([QUESTION]))
