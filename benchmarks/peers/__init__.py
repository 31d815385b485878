"""What the benchmarks compare: one file per peer, each short enough to judge."""
