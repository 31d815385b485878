"""What is deployed: kept in Ray's own key-value store, so that a restarted process finds it.

Only what runs inside the Ray cluster can write there, and that can run any code anyway: this is
how room classes may travel pickled. Nothing of it is ever in Redis.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass

from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put

from .code import Code

_NAMESPACE = b"parlour"
_KEY = b"deployment"
_COUNTER = b"versions"


@dataclass(frozen=True)
class Deployment:
    """Room classes under a number that only grows."""

    version: int
    code: Code


def next_version() -> int:
    """A number that no deployment had, not even one that failed."""
    version = int(_internal_kv_get(_COUNTER, namespace=_NAMESPACE) or b"0") + 1
    _internal_kv_put(_COUNTER, str(version).encode(), namespace=_NAMESPACE)
    return version


def save(deployment: Deployment) -> None:
    """Make this what is deployed."""
    _internal_kv_put(_KEY, pickle.dumps(deployment), namespace=_NAMESPACE)


def load() -> Deployment | None:
    """What is deployed; None on a cluster where nothing was."""
    data = _internal_kv_get(_KEY, namespace=_NAMESPACE)
    if data is None:
        return None
    deployment = pickle.loads(data)
    assert isinstance(deployment, Deployment)
    return deployment
