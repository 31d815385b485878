"""The line of a room actor to the gateway of its node, over which its rooms reach other rooms.

Opened with the first question, and again after it was lost. The gateway takes each question to
its room as it takes what clients say: it wakes that room, keeps the question until it is done, and
sends it again to a new process if the one that had it dies. With the gateway goes what it alone
held: then whoever asked is told that the answer is lost.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Callable, Collection
from contextvars import Context
from functools import partial

from . import messages
from .call_errors import AnswerLost
from .calls import Question
from .close_codes import ABNORMAL
from .frames import Head, Kind, pack, pack_parts, unpack_close
from .link import Link, connect
from .messages import Hello
from .outgoing_socket import OutgoingSocket

log = logging.getLogger(__name__)

RETRY_S = 0.1  # for a gateway that is being restarted; each question has its own time limit


def calls_address(folder: str) -> str:
    """Where the gateway of a node listens for what rooms ask of each other."""
    return os.path.join(folder, "calls.sock")


class CallLine:
    """One per room actor, for all of its rooms."""

    def __init__(
        self,
        folder: str,
        process_id: str,
        parties: Collection[str],
        may_leave: Callable[[], bool] | None = None,
    ) -> None:
        """`folder` is that of the node's sockets, `may_leave` asked before anything leaves."""
        self.parties = parties
        self._address = calls_address(folder)
        self._hello = Hello("caller", process_id, os.getpid())
        self._may_leave = may_leave
        self._link: Link | None = None
        self._numbers = itertools.count(1)
        self._questions: dict[int, Question] = {}
        self._sockets: dict[int, OutgoingSocket] = {}
        self._unsent: dict[int, bytes] = {}  # while there is no link; bounded as questions are
        self._connecting: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<CallLine, {len(self._questions)} unanswered, {len(self._sockets)} sockets>"

    @property
    def paused(self) -> bool:
        """Whether the gateway does not read what it is sent."""
        return self._link is not None and self._link.paused

    def ask(self, question: Question) -> None:
        """Take a question to its room."""
        number = next(self._numbers)
        self._questions[number] = question
        question.answer.add_done_callback(partial(self._answered, number))
        if question.socket is not None:
            self._sockets[number] = question.socket
            question.socket.belongs_to(self, number)
        payload = pack_parts(messages.encode(question.key), question.payload)
        frame = pack(question.kind, number=number, payload=payload)
        if self._link is not None:
            self._link.write(frame)
            return
        self._unsent[number] = frame
        if self._connecting is None or self._connecting.done():
            loop = asyncio.get_running_loop()
            # In a context of its own: the line is no part of the hook that happened to open it.
            self._connecting = loop.create_task(self._connect(), context=Context())

    def write(self, frame: bytes) -> None:
        """Send a frame of a socket."""
        if self._link is not None:
            self._link.write(frame)

    def forget_socket(self, number: int) -> None:
        """Nothing that comes for it is wanted any more."""
        self._sockets.pop(number, None)

    def resume(self) -> None:
        """The process may speak again: send what was held, but for rooms that are lost."""
        if self._link is not None:
            self._link.drop(self._is_forgotten)
            self._link.flush()

    def _is_forgotten(self, head: Head) -> bool:
        if head.kind in (Kind.HELLO, Kind.CLOSED):
            return False
        return head.number not in self._questions and head.number not in self._sockets

    def close(self) -> None:
        """Send what is left, then end the line."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._link is not None:
            self._link.close()

    def _answered(self, number: int, answer: asyncio.Future[object]) -> None:
        self._unsent.pop(number, None)
        self._questions.pop(number, None)

    async def _connect(self) -> None:
        while self._unsent:
            try:
                link = await connect(
                    self._address,
                    self._hello,
                    self._on_frame,
                    self._on_lost,
                    may_leave=self._may_leave,
                )
            except (OSError, TimeoutError) as error:
                log.info("the gateway does not take calls yet: %s", error)
                await asyncio.sleep(RETRY_S)
                continue
            if link.lost:
                continue
            self._link = link
            for frame in self._unsent.values():
                link.write(frame)
            self._unsent.clear()

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.RETURN or kind == Kind.ACCEPT:
            question = self._questions.get(number)
            if question is not None:
                question.answered(payload)
            return
        socket = self._sockets.get(number)
        if socket is None:
            return
        if kind == Kind.SEND_TEXT:
            socket.received(payload.decode())
        elif kind == Kind.SEND_BINARY:
            socket.received(payload)
        elif kind == Kind.CLOSE:
            socket.ended(*unpack_close(payload))
            socket.let_go()

    def _on_lost(self, link: Link) -> None:
        if self._link is not link:
            return
        self._link = None
        lost = AnswerLost(
            "the gateway of this node was lost before the answer came; what was asked may have "
            "been done"
        )
        for question in list(self._questions.values()):
            question.failed(lost)
        for socket in list(self._sockets.values()):
            socket.ended(ABNORMAL, "the gateway of this node was lost")
            socket.let_go()
