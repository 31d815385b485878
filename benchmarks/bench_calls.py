"""Room-to-room calls: a client's message is answered with what another room answered.

A Durable Object handles other messages while it waits for a call; a room of Parlour does so with
`interleave = True` alone, so it is asked both ways.
"""

import sys

from benchmarks import harness
from benchmarks.harness import Case, Question

QUESTION = Question(
    name="calls",
    title="Room-to-room calls: each message has its room call another one; answers",
    peers=("workerd", "parlour"),
    cases=(
        Case("call, 1 client", "echo", "relay", sockets=1),
        Case("call, 50 clients", "echo", "relay", sockets=50),
        Case("call, 50, interleaved", "echo", "relayinterleaved", sockets=50),
    ),
)

if __name__ == "__main__":
    sys.exit(harness.main([QUESTION]))
