"""The room actors of a node, and which of them serves which room. Pure: `manager.py` does the I/O.

A room actor is starting, then a standby, then serving: one room, or up to `rooms_per_actor` rooms
of one party. When its last room has left, it is a standby again. One whose code is older than
what is deployed, or that has to go for another reason, takes no new room and ends when it is
empty. A room actor with resources of Ray's takes only rooms of parties that ask for just these;
how many of those there should be is in `demand.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from ..actors.link import Link
from ..actors.messages import RoomKey, RoomReport
from ..actors.options import RoomOptions
from ..actors.resources import NO_RESOURCES, ActorResources
from .actor_record import ActorRecord, ActorState
from .places import Places

ASSIGNMENT_TIMEOUT_S = 10.0  # for a gateway to attach to the room actor it was given
SILENCE_S = 1.5  # without a report; then its lease is looked at
BLOCKING_GRACE_S = 5.0  # beyond a hook's time limit, for one that blocks its process
STARTING_MAX = 4  # at once: each start costs most of a second of CPU


class Pool:
    """All room actors of a node."""

    def __init__(self, standbys: int, live_rooms_max: int) -> None:
        self.version = 0
        self.options: Mapping[str, RoomOptions] = {}
        self.actors: dict[str, ActorRecord] = {}
        self._standbys = standbys
        self._live_rooms_max = live_rooms_max
        self._by_room: dict[RoomKey, ActorRecord] = {}
        # All that may have a place, and some that have none, as `_place_for` finds out: what takes
        # a place away need not say so, what gives one back must.
        self._open: dict[str, ActorRecord] = {}

    def __repr__(self) -> str:
        counts = {state: self.count(state) for state in ActorState}
        return f"<Pool {', '.join(f'{n} {state.value}' for state, n in counts.items())}>"

    def count(self, state: ActorState) -> int:
        """How many room actors are in a state."""
        return sum(record.state is state for record in self.actors.values())

    def rooms(self) -> Iterator[tuple[ActorRecord, RoomReport]]:
        """Every room that was last reported, and where it is."""
        for record in self.actors.values():
            for room in record.rooms.values():
                yield record, room

    def ready_standbys(self, resources: ActorResources = NO_RESOURCES) -> int:
        """Standbys that take a room of a party with these resources."""
        return sum(
            record.state is ActorState.STANDBY
            and not record.retiring
            and record.resources == resources
            for record in self.actors.values()
        )

    def places(self) -> Places:
        """The places in room actors that are started already."""
        shared: Counter[str] = Counter()
        standbys: Counter[ActorResources] = Counter()
        for record in self.actors.values():
            if record.retiring:
                continue
            if record.state is ActorState.STANDBY:
                standbys[record.resources] += 1
            elif record.state is ActorState.SERVING:
                left = self.rooms_per_actor(record.party) - record.room_count
                shared[record.party] += max(0, left)
        return Places(self.rooms_per_actor, self.resources_of, shared, standbys)

    def rooms_per_actor(self, party: str) -> int:
        """How many rooms of a party share a room actor; one that is not deployed has its own."""
        options = self.options.get(party)
        return options.rooms_per_actor if options is not None else 1

    def resources_of(self, party: str) -> ActorResources:
        """What a party asks Ray for."""
        options = self.options.get(party)
        return options.resources if options is not None else NO_RESOURCES

    def keeps_standbys(self, party: str) -> bool:
        """Whether room actors are started ahead of time for rooms of a party."""
        return self._standbys_wanted > 0 and not self.resources_of(party)

    @property
    def room_count(self) -> int:
        """Rooms that are live, or about to be."""
        return len(self._by_room)

    @property
    def free_places(self) -> int:
        """Rooms that could still become live; a room that is idle keeps its place."""
        return max(0, self._live_rooms_max - self.room_count)

    @property
    def full(self) -> bool:
        """Whether as many rooms are live as may be."""
        return not self.free_places

    # Room actors come and go

    def deploy(self, version: int, options: Mapping[str, RoomOptions]) -> None:
        """A new version: room actors of any other take no new room."""
        self.version = version
        self.options = options
        for record in self.actors.values():
            record.retiring = record.version != version
        self._open = dict(self.actors)

    def retire_all(self) -> None:
        """No room actor takes a new room any more."""
        for record in self.actors.values():
            record.retiring = True

    def add(
        self, actor_id: str, version: int, resources: ActorResources = NO_RESOURCES
    ) -> ActorRecord:
        """A room actor is being started, or one that was there before has been found."""
        retiring = version != self.version
        record = self.actors[actor_id] = ActorRecord(
            actor_id, version, resources=resources, retiring=retiring
        )
        return record

    def started(self, record: ActorRecord, link: Link, address: str, now_s: float) -> None:
        """A room actor is ready."""
        record.link, record.address, record.state = link, address, ActorState.STANDBY
        record.reported_s = record.standby_since_s = now_s
        self._open[record.id] = record

    def remove(self, record: ActorRecord) -> set[RoomKey]:
        """A room actor is gone; returns the rooms it had."""
        self.actors.pop(record.id, None)
        self._open.pop(record.id, None)
        keys = record.keys
        for key in keys:
            self._forget(key, record)
        return keys

    def _forget(self, key: RoomKey, record: ActorRecord) -> None:
        if self._by_room.get(key) is record:
            del self._by_room[key]

    # Rooms come and go

    def find(self, key: RoomKey) -> ActorRecord | None:
        """The room actor that has a room."""
        return self._by_room.get(key)

    def assign(self, key: RoomKey, now_s: float) -> ActorRecord | None:
        """The room actor for a room; None if there is none now.

        The one that has it; else the one with the fewest rooms of its party that has a place left
        (so the rooms of one that died are spread); else a standby. A room of a party that is not
        deployed is nobody's: who is asked for it refuses it, and the next version may have it.
        """
        record = self._by_room.get(key)
        if record is None or record.state is ActorState.ENDING:
            record = None if self.full else self._place_for(key.party)
            if record is None or key.party not in self.options:
                return record
            record.state, record.party = ActorState.SERVING, key.party
            self._by_room[key] = record
            record.room_count += 1
        record.assigned[key] = now_s
        return record

    def _place_for(self, party: str) -> ActorRecord | None:
        resources = self.resources_of(party)
        shared: ActorRecord | None = None
        standby: ActorRecord | None = None
        without: list[str] = []
        for record in self._open.values():
            if record.retiring or record.state not in (ActorState.STANDBY, ActorState.SERVING):
                without.append(record.id)
            elif record.state is ActorState.STANDBY:
                if standby is None and record.resources == resources:
                    standby = record
            elif record.room_count >= self.rooms_per_actor(record.party):
                without.append(record.id)
            elif record.party == party and (
                shared is None or record.room_count < shared.room_count
            ):
                shared = record
        for actor_id in without:
            del self._open[actor_id]
        return shared or standby

    def report(
        self,
        record: ActorRecord,
        rooms: list[RoomReport],
        memory_bytes: int,
        now_s: float,
        failed: Collection[RoomKey] = (),
    ) -> None:
        """Take in what a room actor says of its rooms; one without rooms is a standby again.

        Rooms that `failed` to start there are not about to be there any more.
        """
        record.memory_bytes, record.reported_s = memory_bytes, now_s
        if not record.empty_bytes:
            record.empty_bytes = memory_bytes
        before = record.keys
        record.rooms = {room.key: room for room in rooms}
        record.assigned = {
            key: since_s
            for key, since_s in record.assigned.items()
            if key not in record.rooms
            and key not in failed
            and now_s - since_s < ASSIGNMENT_TIMEOUT_S
        }
        keys = record.keys
        record.room_count = len(keys)
        for key in before - keys:
            self._forget(key, record)
        for key in record.rooms:
            self._by_room[key] = record
            record.party = key.party  # unknown of one that an earlier manager has started
        if record.state in (ActorState.STANDBY, ActorState.SERVING):
            if record.state is ActorState.SERVING and not keys:
                record.standby_since_s = now_s
            record.state = ActorState.SERVING if keys else ActorState.STANDBY
            if len(keys) < self.rooms_per_actor(record.party):
                self._open[record.id] = record

    def silent(self, now_s: float) -> list[ActorRecord]:
        """Those that serve rooms and have not reported for long; each is named once a while."""
        found = [
            record
            for record in self.actors.values()
            if record.room_count
            and record.link is not None
            and now_s - max(record.reported_s, record.looked_s) >= SILENCE_S
        ]
        for record in found:
            record.looked_s = now_s
        return found

    def stuck(self, now_s: float, start_s_max: float) -> list[ActorRecord]:
        """Those that have been starting for too long, or whose hook blocks them for too long.

        A hook that does not await cannot be cancelled from inside; only its process can be ended.
        """
        return [
            record
            for record in self.actors.values()
            if (
                now_s - record.started_s > start_s_max
                if record.state is ActorState.STARTING and record.started_s
                else record.room_count
                and record.link is not None
                and now_s - record.reported_s > self._silence_s_max(record.party)
            )
        ]

    def _silence_s_max(self, party: str) -> float:
        options = self.options.get(party)
        return BLOCKING_GRACE_S + (options.handler_s_max if options is not None else 0.0)

    # How many there should be

    @property
    def _standbys_wanted(self) -> int:
        # Where every party asks for resources, nobody has a use for them.
        in_use = not self.options or not all(each.resources for each in self.options.values())
        return self._standbys if in_use else 0

    def surplus(self) -> list[ActorRecord]:
        """Standbys that are to end: those that retire, and more than there should be."""
        standbys = [r for r in self.actors.values() if r.state is ActorState.STANDBY]
        retiring = [r for r in standbys if r.retiring]
        plain = [r for r in standbys if not r.retiring and not r.resources]
        return retiring + plain[self._standbys_wanted :]

    def missing(self, waiting: int) -> int:
        """How many room actors to start now, when `waiting` rooms wait for one.

        Without resources, and of parties that ask for none.
        """
        starting = sum(
            record.state is ActorState.STARTING and not record.resources
            for record in self.actors.values()
        )
        ready = self.ready_standbys()
        serving = self.count(ActorState.SERVING)
        places_left = self._live_rooms_max + self._standbys - serving - starting - ready
        wanted = self._standbys_wanted + waiting - starting - ready
        return max(0, min(wanted, places_left, STARTING_MAX - starting))
