"""The Ray actor around a room actor. Ray starts it, places it and ends it; no message of a room
ever travels as a Ray call.
"""

from __future__ import annotations

import gc
import logging

import cloudpickle
import ray

from .room_actor import RoomActor, RoomActorSettings

LOG_FORMAT = "%(levelname)s %(message)s"


class RayRoomActor:
    """A detached Ray actor, one per room by default."""

    async def run(self, settings: RoomActorSettings, code: bytes) -> None:
        """Load the deployed classes and run rooms until the manager says that it is enough.

        Raises:
            Exception: Whatever loading the classes raised; StorageError and OSError as
                `RoomActor.start` does.
        """
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
        # From whoever deployed, by way of Ray: the one place where code is loaded.
        actor = RoomActor(settings, cloudpickle.loads(code))
        await actor.start()
        # What is loaded by now lives as long as the process: the collector need not look at it.
        gc.freeze()
        await actor.ended.wait()
        # Detached, so nobody else may be left to end it: a manager that died had started it.
        ray.actor.exit_actor()  # type: ignore[no-untyped-call]
