"""HTTP requests to a room: a POST with a body, answered with that body."""

import sys

from benchmarks import harness
from benchmarks.harness import Case, Question

QUESTION = Question(
    name="http",
    title="HTTP requests to one room, over connections that are kept alive; answers",
    peers=("workerd", "fastapi", "parlour"),
    cases=(
        Case("1 connection, 64 B", "http", "request", sockets=1),
        Case(
            "50 connections, 64 B",
            "http",
            "request",
            sockets=50,
            asked={("parlour", "workerd"): 1.5, ("parlour", "fastapi"): 5.0},
        ),
    ),
)

if __name__ == "__main__":
    sys.exit(harness.main([QUESTION]))
