"""What is deployed: kept in Ray's own key-value store, so that a restarted process finds it.

Only what runs inside the Ray cluster can write there, and that can run any code anyway: this is
how room classes may travel pickled, and where the secret is that the nodes prove themselves with.
Nothing of it is ever in Redis. One process writes: the controller.
"""

from __future__ import annotations

import hmac
import json
import pickle
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ray.experimental.internal_kv import (
    _internal_kv_del,
    _internal_kv_get,
    _internal_kv_list,
    _internal_kv_put,
)

from .code import Code
from .release import Assets, Limits
from .rollout import Rollout

VERSIONS_KEPT = 20
SECRET_BYTES = 32
_NAMESPACE = b"parlour"
_CURRENT = b"current"
_ROLLOUT = b"rollout"
_COUNTER = b"versions"
_SECRET = b"secret"
_PACK = b"pack:"  # + its name
_CRON_TIMES = b"cron times"
_VERSION = b"version:"  # + its number


@dataclass(frozen=True)
class Deployment:
    """Room classes under a number that only grows.

    Attributes:
        deployed_at_s: Seconds since the epoch.
        runtime_env: What Ray prepares for the room actors: packages, variables, files.
        halted: Why this version was given up; empty if it was not.
        env, crons, assets, limits: See `Release`.
    """

    version: int
    code: Code
    name: str = ""
    deployed_at_s: float = 0.0
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    halted: str = ""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    crons: Mapping[str, str] = field(default_factory=dict)
    assets: Assets = field(default_factory=Assets)
    limits: Limits = field(default_factory=Limits)


def next_version() -> int:
    """A number that no deployment had, not even one that failed."""
    version = int(_get(_COUNTER) or b"0") + 1
    _put(_COUNTER, str(version).encode())
    return version


def save(deployment: Deployment) -> None:
    """Keep a version, new or changed; the oldest beyond `VERSIONS_KEPT` are forgotten."""
    _put(_VERSION + b"%d" % deployment.version, pickle.dumps(deployment))
    current = current_version()
    for version in versions()[:-VERSIONS_KEPT]:
        if version != current:
            _internal_kv_del(_VERSION + b"%d" % version, namespace=_NAMESPACE)
    _forget_packs()


def make_current(rollout: Rollout) -> None:
    """Make a version that is kept what is deployed, and keep how."""
    _put(_ROLLOUT, json.dumps(asdict(rollout)).encode())
    _put(_CURRENT, b"%d" % rollout.version)


def rollout() -> Rollout:
    """How what is deployed came into use."""
    version = current_version()
    kept = Rollout(**json.loads(_get(_ROLLOUT) or b"{}"))
    return kept if kept.version == version else Rollout(version)


def load(version: int | None = None) -> Deployment | None:
    """A version, by default what is deployed; None if it is not kept, or nothing was deployed."""
    number = _get(_CURRENT) if version is None else b"%d" % version
    data = None if number is None else _get(_VERSION + number)
    if data is None:
        return None
    deployment = pickle.loads(data)
    assert isinstance(deployment, Deployment)
    return deployment


def current_version() -> int:
    """The number of what is deployed; 0 if nothing is."""
    return int(_get(_CURRENT) or b"0")


def save_cron_times(last_ms: Mapping[str, int]) -> None:
    """Keep when each cron was run last."""
    _put(_CRON_TIMES, json.dumps(dict(last_ms)).encode())


def cron_times() -> dict[str, int]:
    """What `save_cron_times` has kept."""
    times: dict[str, int] = json.loads(_get(_CRON_TIMES) or b"{}")
    return times


def save_pack(name: str, data: bytes) -> None:
    """Keep a pack of static files, as long as a version that is kept has it."""
    _put(_PACK + name.encode(), data)


def load_pack(name: str) -> bytes | None:
    """A pack; None if it is not kept."""
    return _get(_PACK + name.encode())


def _forget_packs() -> None:
    names = _internal_kv_list(_PACK, namespace=_NAMESPACE)
    if names:
        kept = [each for number in versions() if (each := load(number)) is not None]
        wanted = {_PACK + each.assets.pack.encode() for each in kept}
        for name in names:
            if name not in wanted:
                _internal_kv_del(name, namespace=_NAMESPACE)


def versions() -> list[int]:
    """The numbers of those that are kept, oldest first."""
    names = _internal_kv_list(_VERSION, namespace=_NAMESPACE)
    return sorted(int(name.removeprefix(_VERSION)) for name in names)


def cluster_secret() -> bytes:
    """What the processes of this cluster prove themselves with; made when it is first asked for."""
    _internal_kv_put(
        _SECRET, secrets.token_bytes(SECRET_BYTES), overwrite=False, namespace=_NAMESPACE
    )
    secret = _get(_SECRET)
    assert secret is not None
    return secret


def admin_token() -> str:
    """What the admin ports of this cluster want to be shown; it tells nothing of the secret."""
    return hmac.new(cluster_secret(), b"parlour admin port", "sha256").hexdigest()


def _get(key: bytes) -> bytes | None:
    value: bytes | None = _internal_kv_get(key, namespace=_NAMESPACE)
    return value


def _put(key: bytes, value: bytes) -> None:
    _internal_kv_put(key, value, namespace=_NAMESPACE)
