"""Answers that get lost: what was asked is done, the answer to it never arrives, and the connection is gone."""

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol, runtime_checkable

import msgspec

from headrace.model.errors import InvalidOption

Match = Callable[[bytes], bool]
"""Looks at the text of a request."""


class Unreadable(ValueError):
    """These bytes are of no protocol that a dialogue understands."""


class Asked(msgspec.Struct, frozen=True):
    """A client asks for something."""

    request: int
    """Which one of its connection: answers come in that order."""
    text: bytes


class Done(Enum):
    """What became of a request whose answer is complete."""

    APPLIED = "applied"
    OPEN = "open"
    """It is part of a transaction that goes on."""
    NOT_APPLIED = "not applied"


class Answered(msgspec.Struct, frozen=True):
    """Some bytes of an answer; its last ones where it is ``done``."""

    request: int
    data: bytes
    done: Done | None = None


class Dialogue(Protocol):
    """Understands what is said on one connection. It sees all of it, from the start, in pieces of any size."""

    quiet: float | None
    """An answer is complete when the server says nothing more for so many seconds; None: ``answered`` knows when."""
    is_readable: bool
    """False once the bytes are of no protocol that this one understands."""

    def asked(self, data: bytes) -> Sequence[Asked]:
        """What these bytes of the client ask for."""
        ...

    def answered(self, data: bytes) -> Sequence[Answered]:
        """These bytes of the server, all of them and in order, cut where answers end. What can't be told apart yet may
        wait for the bytes that follow."""
        ...


class Meddled(msgspec.Struct, frozen=True):
    """What becomes of some bytes of a client."""

    to_server: bytes
    to_client: bytes = b""
    """An answer that no server gave."""


@runtime_checkable
class Meddling(Dialogue, Protocol):
    """Changes what is asked before it is heard by anybody else, or answers in place of the server."""

    def meddle(self, data: bytes) -> Meddled:
        """What becomes of all that the client has said and that was not given back yet."""
        ...


class QuietDialogue:
    """Knows no protocol: a request is all that the client says before the server does, and an answer is complete once
    the server is quiet. For requests that a client sends one at a time, and servers that answer without long pauses."""

    is_readable = True

    def __init__(self, quiet: float = 0.1) -> None:
        self.quiet: float | None = quiet
        self._text = b""

    def asked(self, data: bytes) -> Sequence[Asked]:
        """The request as far as it has come: what is looked for may be spread over many pieces."""
        self._text = (self._text + data)[:_LONGEST]
        return [Asked(0, self._text)]

    def answered(self, data: bytes) -> Sequence[Answered]:
        self._text = b""
        return [Answered(0, data)]


_LONGEST = 64 * 1024
"""Bytes of a request that are looked at; bodies may be very large."""


class Order:
    """An order to drop some answers, on whichever connections they come, or to hold them up."""

    def __init__(self, match: Match | None, times: int, held_up: float | None = None) -> None:
        """``held_up`` for so many seconds; None: dropped."""
        if times < 1:
            raise InvalidOption("times", times, "at least one answer")
        if held_up is not None and held_up < 0:
            raise InvalidOption("seconds", held_up, "seconds, at least 0")
        self._match, self._left = match, times
        self.held_up = held_up

    def take(self, text: bytes) -> bool:
        """Whether the answer to this is one of them. It is given back if the request was not applied."""
        taken = self._left > 0 and (self._match is None or self._match(text))
        self._left -= taken
        return taken

    def give_back(self) -> None:
        self._left += 1


class Withholder:
    """Of one connection: passes answers on, but for one that is to be dropped."""

    def __init__(
        self,
        dialogue: Dialogue,
        pass_on: Callable[[bytes], None],
        drop: Callable[[], None],
        hold_up: Callable[[float], None],
    ) -> None:
        """``drop`` is called once an answer was held back in full, ``hold_up`` before one is passed on that is late."""
        self._dialogue, self._pass_on, self._drop, self._hold_up = dialogue, pass_on, drop, hold_up
        self._order: Order | None = None
        self._request = 0
        self._held = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._has_dropped = False

    def asked(self, data: bytes, order: Order | None) -> None:
        """Hear the client, before the server does: its answer can't come first."""
        for asked in self._dialogue.asked(data):
            if self._order is None and order is not None and order.take(asked.text):
                self._order, self._request = order, asked.request

    def answered(self, data: bytes) -> None:
        """Hear the server, and pass on what may be."""
        for answered in self._dialogue.answered(data):
            self._hear(answered)

    def ended(self) -> None:
        """The server says no more. Where silence completes an answer, so does this."""
        if self._held and self._dialogue.quiet is not None:
            self._complete()
        else:
            self.release()

    def release(self) -> None:
        """Hold nothing back any more."""
        if self._order is not None and not self._has_dropped:
            self._order.give_back()
            self._order = None
            self._let_go()
        self._stop_timer()

    def _hear(self, answered: Answered) -> None:
        if self._has_dropped:
            return
        if self._order is None or answered.request < self._request:
            self._pass_on(answered.data)
            return
        if self._order.held_up is not None:
            self._hold_up(self._order.held_up)
            self._order = None
            self._pass_on(answered.data)
            return
        self._held += answered.data
        match answered.done:
            case None if self._dialogue.quiet is not None:
                self._stop_timer()
                self._timer = asyncio.get_running_loop().call_later(self._dialogue.quiet, self._complete)
            case None:
                pass
            case Done.APPLIED:
                self._complete()
            case Done.OPEN:  # nothing is applied yet: the answer to drop is that to the commit
                self._request = answered.request + 1
                self._let_go()
            case Done.NOT_APPLIED:
                self.release()

    def _let_go(self) -> None:
        if self._held:
            self._pass_on(bytes(self._held))
            self._held.clear()

    def _complete(self) -> None:
        self._stop_timer()
        self._has_dropped = True
        self._held.clear()
        self._drop()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
