"""Storage: what a client waits for, and (storage_in_process.py) what a room pays itself."""

import sys

from benchmarks import harness, storage_in_process
from benchmarks.harness import Case, Question

ASKED = {
    ("parlour", "workerd"): 1.5,
    ("parlour-everysec", "workerd"): 3.0,
    ("parlour-everysec", "fastapi"): 5.0,
}
PYTHON = {("parlour", "fastapi"): 5.0}
ROOM_SERVERS = ("workerd", "parlour", "parlour-everysec")
LIMITS = ("redis", "redis-everysec")
ALL = (*LIMITS, "workerd", "fastapi", "parlour", "parlour-everysec")
GETS = ("workerd", "fastapi", "parlour")

QUESTION = Question(
    name="storage",
    title="Storage: a client's message is answered once the work is done, and durable; answers",
    peers=ALL,
    cases=(
        Case("put, 1 client", "echo", "put", sockets=1, peers=ALL),
        Case("put, 50 clients", "echo", "put", sockets=50, asked=ASKED, peers=ALL),
        Case("SET, 50 in a pipeline", "echo", "pipelined", sockets=1, peers=LIMITS),
        Case("put, 100 rooms", "echo", "putshared", sockets=100, rooms=100, peers=ROOM_SERVERS),
        Case("get, 1,000 keys", "echo", "get", sockets=50, asked=PYTHON, peers=GETS),
        Case("get, 20,000 x 1 KiB", "echo", "getmany", sockets=50, asked=PYTHON, peers=GETS),
        Case("list 100, 10 clients", "echo", "list100", sockets=10, peers=ROOM_SERVERS),
        Case("list 10,000, 1 client", "echo", "list10000", sockets=1, peers=ROOM_SERVERS),
    ),
)

if __name__ == "__main__":
    sys.exit(harness.main([QUESTION]) | storage_in_process.main([]))
