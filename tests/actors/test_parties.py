"""Parties: the names that room classes get."""

from __future__ import annotations

from types import ModuleType

import pytest
from parlour.actors.parties import PartyError, check_names, checked_parties, parties_of
from parlour.actors.room import Room


class Chat(Room):
    """A room class."""


class Main(Room):
    """The one of the short URL."""


class Game(Room):
    """Another one."""


def module(**names: object) -> ModuleType:
    """A module with these names in it."""
    made = ModuleType("app")
    vars(made).update(names)
    return made


def test_a_class_is_deployed_under_its_name_in_lower_case() -> None:
    """Several classes, none of them main."""
    assert parties_of(module(Chat=Chat, Game=Game)) == {"chat": Chat, "game": Game}


def test_the_only_class_is_main_too() -> None:
    """So that the short URL works for the smallest file."""
    assert parties_of(module(Chat=Chat)) == {"chat": Chat, "main": Chat}


def test_a_class_named_main_is_main() -> None:
    """Whatever else there is."""
    assert parties_of(module(Chat=Chat, Main=Main)) == {"chat": Chat, "main": Main}
    assert parties_of(module(Main=Main)) == {"main": Main}


def test_what_is_no_room_class_is_no_party() -> None:
    """`Room` itself, private bases, instances, functions and other classes are left alone."""
    others = {"Room": Room, "_Base": Game, "text": "x", "print": print, "Other": int, "it": Chat()}
    assert parties_of(module(Chat=Chat, **others)) == {"chat": Chat, "main": Chat}


def test_two_classes_with_one_party_are_refused() -> None:
    """Names that differ in case alone; the error names them."""
    with pytest.raises(PartyError, match=r"Game and Chat|Chat and Game.*'chat'"):
        parties_of(module(Chat=Chat, CHAT=Game))


def test_a_module_without_a_room_class_is_refused() -> None:
    """With an example of what is missing."""
    with pytest.raises(PartyError, match=r"class Chat\(parlour\.Room\)"):
        parties_of(module(Room=Room, x=1))


@pytest.mark.parametrize("name", ["café", "a b", "a/b", "", "A", "a%", "a\n"])
def test_a_name_that_a_url_cannot_carry_is_refused(name: str) -> None:
    """Naming the party and what is allowed."""
    with pytest.raises(PartyError, match="lower-case letters, digits"):
        check_names({name: Chat})


def test_names_that_a_url_can_carry_are_fine() -> None:
    """Letters, digits, underscore and hyphen."""
    check_names({"chat": Chat, "chat_2": Chat, "a-b": Chat, "0": Chat})
    check_names({})


def test_classes_are_deployed_under_the_names_they_are_given() -> None:
    """One class under two, none of them added."""
    given = {"lobby": Chat, "arena-2": Game, "hall": Chat}
    assert checked_parties(given) == given
    assert checked_parties({}) == {}


@pytest.mark.parametrize("what", [Chat(), "Chat", int, None, parties_of])
def test_what_is_no_room_class_is_refused(what: object) -> None:
    """An instance is none; the error names the party and shows what a class looks like."""
    with pytest.raises(PartyError, match=r"party 'chat' is .*class Chat\(parlour\.Room\)"):
        checked_parties({"other": Game, "chat": what})


@pytest.mark.parametrize("name", ["Chat", "a b", ""])
def test_a_given_name_that_a_url_cannot_carry_is_refused(name: str) -> None:
    """As one that follows from a class."""
    with pytest.raises(PartyError, match="cannot stand in a URL"):
        checked_parties({name: Chat})


def test_a_class_with_a_wrong_option_is_refused() -> None:
    """Before it is deployed, in the words of the option."""

    class Hasty(Room):
        hibernate_after = -1

    with pytest.raises(PartyError, match=r"Hasty\.hibernate_after = -1 was given"):
        checked_parties({"hasty": Hasty})
