"""`python -m parlour` is `parlour`."""

from .cli import main

main()
