"""The messages of HTTP/1.1: where a head ends, and where the body does, wherever the stream is cut into pieces."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from headrace.testing.proxy.answers import Unreadable

_LONGEST_HEAD = 64 * 1024
_END_OF_HEAD = b"\r\n\r\n"
_SWITCHING = 101
"""The status after which something else is spoken."""
_NOT_IN_A_HEAD = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


class Head(msgspec.Struct, frozen=True):
    """The first line of a message and its fields, as they were sent."""

    raw: bytes

    @property
    def words(self) -> Sequence[bytes]:
        """The three of the first line."""
        return self.raw.partition(b"\r\n")[0].split(b" ", 2)

    def field(self, name: str) -> bytes:
        """What a field says, in small letters; nothing where it is missing."""
        found = re.search(rb"\r\n%b:[ \t]*([^\r\n]*?)[ \t]*\r\n" % re.escape(name.encode()), self.raw, re.IGNORECASE)
        return found[1].lower() if found else b""

    def without(self, name: str) -> "Head":
        """The same, but for one field."""
        return Head(re.sub(rb"(?i)\r\n%b:[^\r\n]*(?=\r\n)" % re.escape(name.encode()), b"", self.raw))


class Piece(msgspec.Struct, frozen=True):
    """Some bytes of one message: all of its head, or what has come of its body."""

    data: bytes
    head: Head | None
    is_last: bool


class Body(Protocol):
    """Knows how far a body goes."""

    is_complete: bool

    def take(self, data: bytes) -> int:
        """How many of these bytes belong to it."""
        ...


class Sized:
    """So many bytes; without a number, all until the connection ends."""

    def __init__(self, length: int | None) -> None:
        self._left = length
        self.is_complete = length == 0

    def take(self, data: bytes) -> int:
        if self._left is None:
            return len(data)
        taken = min(self._left, len(data))
        self._left -= taken
        self.is_complete = self._left == 0
        return taken


class Chunked:
    """Chunks, each with its length before it, an empty one, and perhaps some more fields."""

    is_complete = False

    def __init__(self) -> None:
        self._left = 0
        self._line = b""
        self._is_ending = False

    def take(self, data: bytes) -> int:
        at = 0
        while at < len(data) and not self.is_complete:
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            self._line += data[at : at + 1]
            at += 1
            if self._line.endswith(b"\r\n"):
                line, self._line = self._line[:-2], b""
                self._hear(line)
        return at

    def _hear(self, line: bytes) -> None:
        if self._is_ending:
            self.is_complete = not line
            return
        try:
            length = int(line.partition(b";")[0], 16)
        except ValueError:
            raise Unreadable from None
        self._is_ending = length == 0
        self._left = length + 2 if length else 0  # the line break after it


class Messages:
    """Cuts what one side says into pieces."""

    def __init__(self, body_after: Callable[[Head], Body]) -> None:
        """Raises Unreadable where a head makes no sense."""
        self._body_after = body_after
        self._body: Body | None = None
        self.unread = b""
        """What is in no piece: a head that is not complete yet, or all that follows where it makes no sense."""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """All that can be told apart now, one by one."""
        self.unread += data
        while self.unread:
            head, body = None, self._body
            if body is None:
                head = self._read_head()
                if head is None:
                    return
                body = self._body_after(head)
            length = body.take(self.unread) if head is None else len(head.raw)
            said, self.unread = self.unread[:length], self.unread[length:]
            self._body = None if body.is_complete else body
            yield Piece(said, head, body.is_complete)

    def take_unread(self) -> bytes:
        """It is somebody else's to read."""
        unread, self.unread = self.unread, b""
        return unread

    def _read_head(self) -> Head | None:
        end = self.unread.find(_END_OF_HEAD)
        raw = self.unread if end < 0 else self.unread[: end + len(_END_OF_HEAD)]
        if _NOT_IN_A_HEAD.search(raw) or len(raw) > _LONGEST_HEAD:
            raise Unreadable
        return None if end < 0 else Head(raw)


def body_of_request(head: Head) -> Body:
    """None, but where one is announced."""
    if len(head.words) != 3 or not head.words[2].startswith(b"HTTP/1."):
        raise Unreadable
    return _announced(head) or Sized(0)


def body_of_answer(head: Head, method: bytes) -> Body:
    """None after some statuses, and to HEAD; without announcement, all until the connection ends."""
    status = status_of(head)
    if status == _SWITCHING:
        return Sized(None)
    if method == b"HEAD" or status < 200 or status in (204, 304):
        return Sized(0)
    return _announced(head) or Sized(None)


def status_of(head: Head) -> int:
    """The number in an answer's first line."""
    if not head.words[0].startswith(b"HTTP/1.") or not head.words[1:2] or not head.words[1].isdigit():
        raise Unreadable
    return int(head.words[1])


def _announced(head: Head) -> Body | None:
    if head.field("transfer-encoding").endswith(b"chunked"):
        return Chunked()
    length = head.field("content-length")
    if not length:
        return None
    if not length.isdigit():
        raise Unreadable
    return Sized(int(length))
