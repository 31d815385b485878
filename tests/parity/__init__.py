"""Beside PartyKit: rows.toml, the tests that show each of its rows, and docs/partykit.md."""
