"""runtime of Parlour."""
