"""An answer that comes word by word: server-sent events from a model, as chat assistants do it.

Run it with `parlour dev examples/stream/stream.py` and open the address. The model is a fake that
knows no answers, but takes its time; put a real one into `words_of`. A room is one conversation:
`GET /?prompt=...` streams the answer to a prompt, `GET /` tells the conversation so far. A room
takes `PROMPTS_MAX` prompts in `WINDOW_S` seconds; then it answers 429 and says when to come back.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator

from parlour import Request, Response, Room, ServerSentEvent

PROMPTS_MAX = 5
WINDOW_S = 60.0
PROMPT_CHARS_MAX = 500
TURNS_MAX = 100  # that a conversation remembers
WORD_S = 0.05


class Stream(Room):
    async def on_start(self) -> None:
        self.turns: list[dict[str, str]] = await self.storage.get("turns", [])
        self.asked_at: list[float] = await self.storage.get("asked at", [])

    def on_request(self, request: Request) -> Response:
        prompt = request.query.get("prompt", "").strip()[:PROMPT_CHARS_MAX]
        if not prompt:
            return Response.json({"turns": self.turns})
        wait_s = self.wait_s(time.time())
        if wait_s > 0:
            text = f"too many prompts; try again in {wait_s:.0f} s\n"
            return Response(text, 429, {"retry-after": str(math.ceil(wait_s))})
        return Response.events(self.answer(prompt))

    def wait_s(self, now: float) -> float:
        """How long to wait for the next prompt; one that need not wait counts from here on."""
        self.asked_at = [at for at in self.asked_at if at > now - WINDOW_S]
        if len(self.asked_at) >= PROMPTS_MAX:
            return self.asked_at[0] + WINDOW_S - now
        self.asked_at.append(now)
        self.storage.put("asked at", self.asked_at)  # a room that sleeps forgets no prompt
        return 0.0

    async def answer(self, prompt: str) -> AsyncIterator[ServerSentEvent | str]:
        """The answer, word by word; it is kept when it is whole."""
        words = []
        async for word in words_of(prompt):
            words.append(word)
            yield ServerSentEvent(word, event="word")
        turn = {"prompt": prompt, "answer": " ".join(words)}
        self.turns = [*self.turns, turn][-TURNS_MAX:]
        self.storage.put("turns", self.turns)
        yield ServerSentEvent("", event="done")  # leaves once the turn is stored


async def words_of(prompt: str) -> AsyncIterator[str]:
    """A model that has nothing to say and says it at length."""
    for (
        word
    ) in f"You said “{prompt}”. I am only an example, so that is all I can tell you.".split():
        await asyncio.sleep(WORD_S)
        yield word
