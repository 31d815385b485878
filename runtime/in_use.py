"""The version in use, as the controller remembers it, and how it came into use.

The controller alone writes what is deployed (`deployment.py`), so it reads it once, when it is
started: with each look it would be megabytes for a project of some size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from . import deployment
from .deployment import Deployment
from .rollout import Rollout


class InUse:
    """What is deployed now."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells seconds since the epoch: a version goes on under the next controller."""
        self.deployed: Deployment | None = deployment.load()
        self._rollout: Rollout = deployment.rollout()
        self._clock = clock

    def __repr__(self) -> str:
        return f"<InUse {self._rollout}>"

    @property
    def version(self) -> int:
        """Its number; 0 if nothing is deployed."""
        return self.deployed.version if self.deployed is not None else 0

    @property
    def previous(self) -> int:
        """The version to go back to by itself; 0: none."""
        return self._rollout.previous

    @property
    def is_on_probation(self) -> bool:
        """Whether it may still be given up by itself."""
        return self._rollout.is_on_probation(self._clock())

    @property
    def is_patient(self) -> bool:
        """Whether gateways let events wait for rooms that cannot start."""
        return self._rollout.is_patient(self._clock())

    @property
    def left_s(self) -> float | None:
        """What is left of the time for rooms to move to it; see `Rollout`."""
        return self._rollout.left_s(self._clock())

    def begin(self, new: Deployment, within_s: float | None) -> None:
        """Use a new version, which is kept already; it is on probation if there was one before."""
        now_s = self._clock()
        self._use(new, Rollout.of_new(new.version, self.version, within_s, now_s))

    def go_back(self, older: Deployment, within_s: float | None) -> None:
        """Use an earlier version again."""
        self._use(older, self._rollout.back_to(older.version, within_s, self._clock()))

    def halt(self, why: str) -> None:
        """Keep why the version in use is given up; it stays in use until another is."""
        assert self.deployed is not None
        self.deployed = replace(self.deployed, halted=why)
        deployment.save(self.deployed)

    def _use(self, deployed: Deployment, rollout: Rollout) -> None:
        deployment.make_current(rollout)
        self.deployed, self._rollout = deployed, rollout
