"""Echo in one room: how many messages, and how long does one take?"""

import sys

from benchmarks import harness
from benchmarks.harness import Case, Question

QUESTION = Question(
    name="echo",
    title="Echo in one room: each client has one message in flight",
    peers=("bare", "workerd", "workerd-hibernating", "parlour"),
    cases=(
        Case("1 client, 64 B", "echo", "echo", sockets=1),
        Case("50 clients, 64 B", "echo", "echo", sockets=50, asked={("parlour", "workerd"): 2.0}),
    ),
)

if __name__ == "__main__":
    sys.exit(harness.main([QUESTION]))
