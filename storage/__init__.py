"""storage of Parlour."""
