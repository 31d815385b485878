"""Fan-out: one client sends, every socket of the room receives; deliveries a second."""

import sys

from benchmarks import harness
from benchmarks.harness import Case, Question

ASKED = {("parlour", "workerd"): 2.5}

QUESTION = Question(
    name="fanout",
    title="Fan-out in one room: each message of one client reaches every socket; deliveries",
    peers=("bare", "workerd", "workerd-hibernating", "parlour"),
    cases=(
        Case("100 sockets, 1 at a time", "fanout", "fanout", sockets=100),
        Case("100 sockets, 4 in flight", "fanout", "fanout", sockets=100, window=4, asked=ASKED),
    ),
)

if __name__ == "__main__":
    sys.exit(harness.main([QUESTION]))
