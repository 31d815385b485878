"""Parties: which room classes a deployment has and under which names.

A class is deployed under its own name in lower case; one named `Main`, or the only one, is also
`main`, the party of the short URL `/party/<room>`. Classes travel by value with cloudpickle, from
whoever deploys to the room actors, through Ray; never from a client or the database.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from types import ModuleType

from .edge_hooks import OF_MAIN_ALONE, edge_hooks_of
from .options import InvalidOption, options_of
from .room import Room

MAIN = "main"
PARTY_NAME = re.compile(r"[a-z0-9_-]+")


class PartyError(Exception):
    """Room classes that cannot be deployed as they are."""


def parties_of(module: ModuleType) -> dict[str, type[Room]]:
    """The parties of a module: every room class that it defines or imports.

    Raises:
        PartyError: If there is none, or two have the same party.
    """
    parties: dict[str, type[Room]] = {}
    for name, value in vars(module).items():
        if (
            inspect.isclass(value)
            and issubclass(value, Room)
            and value is not Room
            and not name.startswith("_")
        ):
            party = name.lower()
            if parties.setdefault(party, value) is not value:
                raise PartyError(
                    f"{value.__name__} and {parties[party].__name__} would both be "
                    f"party {party!r}; rename one of them"
                )
    if not parties:
        raise PartyError("it has no room class; define one, as in `class Chat(parlour.Room): ...`")
    if len(parties) == 1:
        parties.setdefault(MAIN, next(iter(parties.values())))
    return checked_parties(parties)


def checked_parties(classes: Mapping[str, object]) -> dict[str, type[Room]]:
    """Room classes by party, once it is known that they can be deployed under these names.

    Raises:
        PartyError: If one is no room class, a URL cannot carry its name, or an option is wrong.
    """
    parties: dict[str, type[Room]] = {}
    for party, room_class in classes.items():
        if not inspect.isclass(room_class) or not issubclass(room_class, Room):
            # An instance that no room actor has made cannot say what it is.
            given = f"a {type(room_class).__name__}" if isinstance(room_class, Room) else room_class
            raise PartyError(
                f"party {party!r} is {given!r}; it must be a class, as in "
                "`class Chat(parlour.Room): ...`"
            )
        parties[party] = room_class
    check_names(parties)
    for room_class in parties.values():
        try:
            options_of(room_class)
        except InvalidOption as error:
            raise PartyError(str(error)) from error
    _check_main_hooks(parties)
    return parties


def _check_main_hooks(parties: Mapping[str, type[Room]]) -> None:
    of_main = edge_hooks_of(parties[MAIN]) if MAIN in parties else frozenset()
    for party, room_class in parties.items():
        in_vain = sorted(edge_hooks_of(room_class) & OF_MAIN_ALONE - of_main)
        if in_vain:
            raise PartyError(
                f"{room_class.__name__}.{in_vain[0]} would never run: that hook is {MAIN!r}'s, and "
                f"this class is {party!r}; name the class Main, or deploy it as {MAIN!r}"
            )


def check_names(parties: Mapping[str, type[Room]]) -> None:
    """Refuse names that a URL cannot carry.

    Raises:
        PartyError: Naming the party.
    """
    for name in parties:
        if not PARTY_NAME.fullmatch(name):
            raise PartyError(
                f"party {name!r} cannot stand in a URL; "
                "use lower-case letters, digits, `_` and `-` in the name of its class"
            )
