"""Live cursors: everybody on a page sees where the others point. All messages are binary.

Run it with `parlour dev examples/cursors/cursors.py` and open the address in two windows.

    a client says   x, y                     its pointer: 0 to 65535 of the page's width, height
    the room says   0, number                who you are
                    1, number, x, y          that one is there
                    2, number                that one has left

Numbers are little endian, `number`, `x` and `y` of 16 bits, the first of 8. A position is worth
nothing a moment later, so none is stored: a room that has slept knows them again as they move.
"""

import struct

from parlour import Connection, Request, Room

POINT = struct.Struct("<HH")
YOU_ARE, IS_AT, HAS_LEFT = 0, 1, 2
PEOPLE_MAX = 500


class Cursors(Room):
    rooms_per_actor = 50  # small, and all alike

    def on_start(self) -> None:
        self.points: dict[int, bytes] = {}

    def on_connect(self, connection: Connection, request: Request) -> None:
        taken = {other.state for other in self.connections()}
        number = next(n for n in range(len(taken) + 1) if n not in taken)
        if number >= PEOPLE_MAX:
            connection.close(4000, f"{PEOPLE_MAX} people are here, which is enough")
            return
        connection.set_state(number)  # stays with the connection while the room sleeps
        connection.send(struct.pack("<BH", YOU_ARE, number))
        for other, point in self.points.items():
            connection.send(struct.pack("<BH", IS_AT, other) + point)

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        if not isinstance(message, bytes) or len(message) != POINT.size:
            connection.close(1003, "a pointer is two numbers of 16 bits")
            return
        number = connection.state
        self.points[number] = message
        self.broadcast(struct.pack("<BH", IS_AT, number) + message, without=[connection.id])

    def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
        number = connection.state
        if number is not None:
            self.points.pop(number, None)
            self.broadcast(struct.pack("<BH", HAS_LEFT, number))
