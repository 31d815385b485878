"""`python -m benchmarks`: every question, one after the other."""

import sys

from benchmarks import bench_echo, bench_fanout, harness

QUESTIONS = [bench_echo.QUESTION, bench_fanout.QUESTION]

if __name__ == "__main__":
    sys.exit(harness.main(QUESTIONS))
