"""The cluster around the rooms.

A reading order: `node.py` starts everything, `gateway.py` holds the clients, `router.py` takes
their events to rooms, `manager.py` gives rooms their room actors and takes them away.
"""
