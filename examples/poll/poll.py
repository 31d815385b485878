"""A poll: one question, some answers, a vote for each who comes, and an alarm that closes it.

Run it with `parlour dev examples/poll/poll.py` and open the address. Clients send JSON,
{"ask": ..., "answers": [...], "seconds": 60} to open the poll and {"vote": 0} to vote in it, and
get its state as JSON whenever that changes. `GET` answers with the same.

A vote belongs to the `?voter=` of its connection, which clients choose: enough for a show of hands,
not for an election. It is not the connection's id (`_pk`): a second page of one person may come.
"""

import json
import time

from parlour import AlarmInfo, Connection, Request, Room

TEXT_CHARS_MAX = 200
ANSWERS_MAX = 8
SECONDS_MAX = 24 * 3600


class Poll(Room):
    async def on_start(self) -> None:
        # None before anybody has asked something.
        self.poll = await self.storage.get("poll")

    async def on_connect(self, connection: Connection, request: Request) -> None:
        connection.set_state(request.query.get("voter", connection.id)[:TEXT_CHARS_MAX])
        connection.send(self.state_as_json())

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        try:
            sent = json.loads(message)
        except ValueError:
            return
        if not isinstance(sent, dict):
            return
        if "ask" in sent and self.poll is None:
            self.open(sent)
        elif "vote" in sent:
            await self.vote(connection.state, sent["vote"])

    def on_alarm(self, info: AlarmInfo) -> None:
        if self.poll is not None:
            self.poll["open"] = False
            self.save()

    def on_request(self, request: Request) -> dict[str, object]:
        return self.state()

    def open(self, sent: dict[str, object]) -> None:
        given, seconds = sent.get("answers"), sent.get("seconds", 60)
        if not isinstance(given, list) or not isinstance(seconds, int | float):
            return
        answers = [str(answer).strip()[:TEXT_CHARS_MAX] for answer in given[:ANSWERS_MAX]]
        if len(answers) < 2 or not 0 < seconds <= SECONDS_MAX:
            return
        closes_at = time.time() + seconds
        self.poll = {
            "question": str(sent["ask"]).strip()[:TEXT_CHARS_MAX],
            "answers": answers,
            "votes": [0] * len(answers),
            "closes_at": closes_at,
            "open": True,
        }
        self.storage.set_alarm(closes_at)  # written with the poll, or not at all
        self.save()

    async def vote(self, voter: str, answer: object) -> None:
        earlier = await self.storage.get(f"vote:{voter}")
        poll = self.poll
        if poll is None or not poll["open"] or type(answer) is not int:
            return
        if answer == earlier or not 0 <= answer < len(poll["answers"]):
            return
        if earlier is not None:
            poll["votes"][earlier] -= 1
        poll["votes"][answer] += 1
        self.storage.put(f"vote:{voter}", answer)
        self.save()

    def save(self) -> None:
        """Store the poll, and tell everybody once it is stored."""
        self.storage.put("poll", self.poll)
        self.broadcast(self.state_as_json())

    def state(self) -> dict[str, object]:
        return {"poll": self.poll, "now": time.time()}

    def state_as_json(self) -> str:
        return json.dumps(self.state())
