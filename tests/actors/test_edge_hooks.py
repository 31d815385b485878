"""Which edge hooks a class has, and which classes cannot be deployed for theirs."""

from __future__ import annotations

from typing import Any

import pytest
from parlour.actors.asgi import asgi
from parlour.actors.edge_hooks import BEFORE_CONNECT, CRON, FETCH, edge_hooks_of
from parlour.actors.options import options_of
from parlour.actors.parties import PartyError, checked_parties
from parlour.actors.room import Room


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers nothing."""


class Plain(Room):
    """Has none."""


class Site(Room):
    """Has one of each form."""

    on_fetch = asgi(app)

    @staticmethod
    def on_before_connect(request: Any, lobby: Any) -> None: ...

    @classmethod
    async def on_cron(cls, cron: Any, lobby: Any) -> None: ...


class Child(Site):
    """Has its parent's."""


def test_a_class_without_edge_hooks_has_none() -> None:
    """So nobody is asked about its requests."""
    assert options_of(Plain).edge_hooks == frozenset()


@pytest.mark.parametrize("room_class", [Site, Child])
def test_static_and_class_methods_and_applications_are_found(room_class: type[Room]) -> None:
    """Inherited ones too."""
    assert edge_hooks_of(room_class) == {FETCH, BEFORE_CONNECT, CRON}
    assert options_of(room_class).edge_hooks == {FETCH, BEFORE_CONNECT, CRON}


@pytest.mark.parametrize("value", [lambda self, request, lobby: None, 17, app])
def test_a_hook_that_would_need_a_room_is_refused(value: Any) -> None:
    """There is none yet; the error says what it must be."""
    wrong = type("Wrong", (Room,), {"on_before_request": value})
    with pytest.raises(PartyError, match=r"Wrong\.on_before_request .* a @staticmethod or"):
        checked_parties({"wrong": wrong})


@pytest.mark.parametrize("hook", ["on_fetch", "on_cron"])
def test_a_hook_of_main_on_another_class_is_refused(hook: str) -> None:
    """It would never run, and its author would wonder why."""
    chat = type("Chat", (Room,), {hook: staticmethod(lambda *_: None)})
    with pytest.raises(PartyError, match=rf"Chat\.{hook} would never run.*'chat'"):
        checked_parties({"chat": chat, "main": Plain})
    assert checked_parties({"chat": chat, "main": chat})


def test_what_main_has_others_may_inherit() -> None:
    """A base of all classes is no mistake."""
    assert checked_parties({"main": Site, "child": Child})
