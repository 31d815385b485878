"""Places for rooms in room actors that are started already."""

from __future__ import annotations

from collections import Counter

from parlour.actors.resources import NO_RESOURCES, ActorResources
from parlour.runtime.places import Places

GPU = ActorResources(num_gpus=1)
PER_ACTOR = {"dense": 3}


def places(shared: dict[str, int], plain: int, gpu: int = 0) -> Places:
    """Places beside others, and standbys without and with a GPU."""
    return Places(
        lambda party: PER_ACTOR.get(party, 1),
        lambda party: GPU if party == "model" else NO_RESOURCES,
        Counter(shared),
        Counter({NO_RESOURCES: plain, GPU: gpu}),
    )


def test_a_standby_is_taken_by_one_party_alone() -> None:
    """What is told of another party then counts it no more."""
    some = places({}, plain=2)
    assert (some.of("chat"), some.of("dense")) == (2, 6)
    assert some.take("chat")
    assert (some.of("chat"), some.of("dense")) == (1, 3)
    assert some.take("dense")
    assert (some.of("chat"), some.of("dense")) == (0, 2)
    assert not some.take("chat")


def test_a_place_beside_others_is_taken_before_a_standby() -> None:
    """As the pool gives them: a standby is begun once those that serve are full."""
    some = places({"dense": 1}, plain=1)
    assert some.of("dense") == 4
    assert some.take("dense")
    assert some.of("chat") == 1
    assert some.take("dense")
    assert (some.of("chat"), some.of("dense")) == (0, 2)


def test_a_party_with_resources_takes_only_what_has_them() -> None:
    """And others leave that alone."""
    some = places({}, plain=1, gpu=1)
    assert some.take("model")
    assert not some.take("model")
    assert some.take("chat")
    assert not some.take("chat")
