"""The fixture under test, as an application has it."""

from parlour.testing import rooms as rooms
