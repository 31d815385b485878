"""`python -m benchmarks`: every question, one after the other, and RESULTS.md from their answers.

python -m benchmarks                        # the full setting: five rounds of each
python -m benchmarks --quick                # one short round of each, to see that all work
python -m benchmarks --only echo,http       # some of them; the others' results stay
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from benchmarks import (
    bench_calls,
    bench_density,
    bench_deploy,
    bench_echo,
    bench_fanout,
    bench_http,
    bench_rooms,
    bench_storage,
    bench_wake,
    harness,
    results,
    storage_in_process,
)

Ask = Callable[[Sequence[str]], int]  # with the options of its command line; its status


def of_load(question: harness.Question) -> Ask:
    """A question that is answered with the load generator."""
    return lambda options: harness.main([question], options)


# By name: how it is asked, and the options of a quick run.
QUESTIONS: dict[str, tuple[Ask, Sequence[str]]] = {
    "echo": (of_load(bench_echo.QUESTION), ["--quick"]),
    "rooms": (of_load(bench_rooms.QUESTION), ["--quick"]),
    "fanout": (of_load(bench_fanout.QUESTION), ["--quick"]),
    "http": (of_load(bench_http.QUESTION), ["--quick"]),
    "storage": (of_load(bench_storage.QUESTION), ["--quick"]),
    "storage_in_process": (storage_in_process.main, ["--rounds", "1"]),
    "calls": (of_load(bench_calls.QUESTION), ["--quick"]),
    "deploy": (bench_deploy.main, ["--quick"]),
    "wake": (bench_wake.main, ["--rounds", "1", "--rooms", "50"]),
    "density": (bench_density.main, ["--rooms", "500"]),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask all that is wanted: 0 when everything could be measured, whatever the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--only", default=",".join(QUESTIONS), help="default: %(default)s")
    options = parser.parse_args(arguments)
    names = options.only.split(",")
    if unknown := [name for name in names if name not in QUESTIONS]:
        parser.error(f"no question is called {unknown[0]!r}; there are {', '.join(QUESTIONS)}")
    began_s, status = time.monotonic(), 0
    for number, name in enumerate(names, 1):
        minutes = (time.monotonic() - began_s) / 60
        harness.say(f"== {name}: question {number} of {len(names)}, after {minutes:.0f} minutes")
        ask, quick = QUESTIONS[name]
        status |= ask(quick if options.quick else [])
    return status | results.main()


if __name__ == "__main__":
    sys.exit(main())
