"""The errors of a claim and of storage that has ended, a branch of the tree in errors.py.

StorageError
 +-- StorageClosed         storage used after its room hibernated
 +-- StorageReset          storage used after a failed flush; the room starts over
 |    +-- NotOwner         the claim went to another owner
 |    +-- FlushMissing     the server has lost flushes that it had acknowledged
 +-- ClaimHeld             a claim refused because somebody holds it
"""

from __future__ import annotations

from .errors import StorageError


class StorageClosed(StorageError):
    """Storage was closed: its room hibernates."""

    def __init__(self, space: str) -> None:
        super().__init__(space)
        self.space = space

    def __str__(self) -> str:
        return (
            f"storage of {self.space!r} is closed, its room hibernates; "
            "finish the work of background tasks before the handler returns"
        )


class StorageReset(StorageError):
    """A flush failed for good: what was not durable is lost and the room starts over.

    Attributes:
        space: Whose storage.
        problem: Why, as a sentence.
    """

    def __init__(self, space: str, problem: str) -> None:
        super().__init__(space, problem)
        self.space = space
        self.problem = problem

    def __str__(self) -> str:
        return f"storage of {self.space!r} was reset: {self.problem}"


class NotOwner(StorageReset):
    """The claim on this space went to somebody else; nothing of this owner's lands any more.

    Attributes:
        last_flush: The last one applied, by whomever; None if that is not known.
    """

    def __init__(
        self, space: str, epoch: int, epoch_now: int, last_flush: int | None = None
    ) -> None:
        reason = "another owner has taken over"
        if epoch_now < epoch:
            reason = "the server has lost the claim, as a fail-over to a late replica does"
        super().__init__(
            space,
            f"it was claimed with epoch {epoch} and the epoch is {epoch_now} now; {reason}",
        )
        self.args = (space, epoch, epoch_now, last_flush)
        self.last_flush = last_flush
        self.epoch = epoch
        self.epoch_now = epoch_now


class FlushMissing(StorageReset):
    """The server has lost flushes that it had acknowledged; what came after them cannot land.

    Attributes:
        flush_number: Of the flush that was refused.
        last_flush: The newest one that the server has.
    """

    def __init__(self, space: str, flush_number: int, last_flush: int) -> None:
        super().__init__(
            space,
            f"flush {flush_number} cannot follow flush {last_flush}, the last one that the server "
            f"has: it lost {flush_number - 1 - last_flush} acknowledged before, as a fail-over to "
            "a late replica does, or a crash of a server that does not fsync always; the room "
            "goes on from what is there",
        )
        self.args = (space, flush_number, last_flush)
        self.flush_number = flush_number
        self.last_flush = last_flush


class ClaimHeld(StorageError):
    """A claim was refused: somebody else holds the space.

    Attributes:
        owner: Who, as recorded.
        address: Where that owner is reached.
        epoch: The epoch of its claim, to be given as `takeover_epoch` once its lease is gone.
    """

    def __init__(self, owner: str, address: str, epoch: int) -> None:
        super().__init__(owner, address, epoch)
        self.owner = owner
        self.address = address
        self.epoch = epoch

    def __str__(self) -> str:
        return f"the claim is held by {self.owner!r} at {self.address!r} with epoch {self.epoch}"
