"""The fixture that rooms are tested with."""

from parlour.testing import rooms as rooms
