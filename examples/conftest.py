"""The fixture of the examples' tests; a project of your own says `pytest_plugins` instead."""

from parlour.testing import rooms as rooms
