"""What a room actor asks of Ray: as Ray wants to hear it, and in words."""

from __future__ import annotations

from parlour.actors.resources import NO_RESOURCES, ActorResources

MANY = ActorResources(0.5, 1.0, 2**30, (("tpu", 2.0),))


def test_ray_is_asked_for_what_there_is() -> None:
    """And for no processor, which an actor would have by default."""
    assert NO_RESOURCES.ray_options() == {"num_cpus": 0.0, "resources": {}}
    assert MANY.ray_options() == {
        "num_cpus": 0.5,
        "num_gpus": 1.0,
        "memory": 2**30,
        "resources": {"tpu": 2.0},
    }


def test_in_words_it_is_as_the_class_says_it() -> None:
    """For logs and the status."""
    assert str(MANY) == "num_cpus=0.5, num_gpus=1, memory=1073741824, tpu=2"
    assert str(NO_RESOURCES) == "nothing"


def test_asking_for_nothing_is_told_from_asking() -> None:
    """Whatever it is."""
    assert not NO_RESOURCES
    assert ActorResources(memory_bytes=1)
    assert sorted(MANY.names) == ["memory", "num_cpus", "num_gpus", "tpu"]
    assert not NO_RESOURCES.names
