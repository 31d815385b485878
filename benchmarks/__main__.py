"""`python -m benchmarks`: every question, one after the other."""

import sys

from benchmarks import (
    bench_density,
    bench_echo,
    bench_fanout,
    bench_storage,
    bench_wake,
    harness,
    storage_in_process,
)

QUESTIONS = [bench_echo.QUESTION, bench_fanout.QUESTION, bench_storage.QUESTION]

if __name__ == "__main__":
    status = harness.main(QUESTIONS)
    status |= storage_in_process.main([])
    status |= bench_wake.main([])
    sys.exit(status | bench_density.main([]))
