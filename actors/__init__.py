"""actors of Parlour."""
