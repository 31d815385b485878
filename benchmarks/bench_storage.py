"""Storage: what a client waits for, and (storage_in_process.py) what a room pays itself."""

import sys

from benchmarks import harness, storage_in_process
from benchmarks.harness import Case, Question

ASKED = {("parlour", "workerd"): 1.0, ("parlour-everysec", "workerd"): 2.0}

QUESTION = Question(
    name="storage",
    title="Storage: a client's message is answered once the work is done, and durable; answers",
    peers=("workerd", "parlour", "parlour-everysec"),
    cases=(
        Case("put, 1 client", "echo", "put", sockets=1),
        Case("put, 50 clients", "echo", "put", sockets=50, asked=ASKED),
        Case("put, 100 rooms", "echo", "putshared", sockets=100, rooms=100),
        Case("get, 50 clients", "echo", "get", sockets=50),
        Case("list 100, 10 clients", "echo", "list100", sockets=10),
        Case("list 10,000, 1 client", "echo", "list10000", sockets=1),
    ),
)

if __name__ == "__main__":
    sys.exit(harness.main([QUESTION]) | storage_in_process.main([]))
