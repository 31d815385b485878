"""How many files, and so sockets, a process may have open: this one and all that it starts."""

import resource

from benchmarks.peers.process import PeerFailed

OTHER_FILES = 500  # descriptors of a process besides its clients' sockets


def raise_file_limit(wanted: int, at_least: int | None = None) -> None:
    """Allow so many where the system lets us, else as many as it does.

    Raises:
        PeerFailed: If that is fewer than `at_least` (by default: than wanted).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted if at_least is None else at_least
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise PeerFailed(f"{needed} files have to be open, the hard limit is {hard} (ulimit -Hn)")
    most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
