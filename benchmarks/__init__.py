"""Benchmarks: one file per question, the peers beside it. See benchmarks/README.md."""
