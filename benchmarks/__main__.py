"""`python -m benchmarks`: every question, one after the other."""

import sys

from benchmarks import bench_echo, bench_fanout, bench_storage, harness, storage_in_process

QUESTIONS = [bench_echo.QUESTION, bench_fanout.QUESTION, bench_storage.QUESTION]

if __name__ == "__main__":
    sys.exit(harness.main(QUESTIONS) | storage_in_process.main([]))
