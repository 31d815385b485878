"""What an application imports from Parlour."""
