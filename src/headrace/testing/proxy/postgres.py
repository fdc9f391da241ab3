"""What is said on a connection to Postgres: which statements run, and when they are committed.

Both sides send frames: a byte for the kind, four for the length, which counts itself. Before that the client sends
frames without a kind, and gets a single byte for each answer, until one of them is the start-up message.
"""

from collections.abc import Sequence

import msgspec

from headrace.testing.proxy.answers import Answered, Asked, Done, Unreadable

_LONGEST = 1 << 30
"""No frame of Postgres is longer."""
_ENCRYPT = (80877103, 80877104)
"""The codes of SSLRequest and GSSENCRequest."""
_CANCEL = 80877102
"""The code of CancelRequest, after which nothing is said."""


class Frame(msgspec.Struct, frozen=True):
    """One message."""

    kind: bytes
    body: bytes
    end: int
    """Where it ends in the bytes that completed it."""


class Frames:
    """Cuts a stream into frames, wherever its pieces were cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Sequence[Frame]:
        """The frames that these bytes complete."""
        known, at = len(self._buffer), 0
        self._buffer += data
        frames = []
        while len(self._buffer) - at >= 5:
            length = int.from_bytes(self._buffer[at + 1 : at + 5])
            if not 4 <= length <= _LONGEST:
                raise Unreadable
            end = at + 1 + length
            if end > len(self._buffer):
                break
            frames.append(Frame(bytes(self._buffer[at : at + 1]), bytes(self._buffer[at + 5 : end]), end - known))
            at = end
        del self._buffer[:at]
        return frames


class PostgresDialogue:
    """Requests are the statements that are run, by their text, whether sent whole or prepared long before. Answers are
    all up to ReadyForQuery. A statement in a transaction is applied when that commits."""

    quiet: float | None = None

    def __init__(self) -> None:
        self.is_readable = True
        self._client = _Client()
        self._server = _Server()

    def asked(self, data: bytes) -> Sequence[Asked]:
        if not self.is_readable:
            return []
        try:
            return self._client.read(data)
        except ValueError:
            self.is_readable = False
            return []

    def answered(self, data: bytes) -> Sequence[Answered]:
        if self.is_readable:
            try:
                return self._server.read(data, self._client)
            except ValueError:
                self.is_readable = False
        return [Answered(self._server.request, data)]


class _Client:
    """Its half: what it prepared, and what it runs."""

    def __init__(self) -> None:
        self.refusals = 0
        """Single bytes that it gets in answer to requests for encryption."""
        self._has_started = False
        self._opening = b""
        self._frames = Frames()
        self._request = 1
        """The start-up was 0."""
        self.runs = 0
        """The last request in which something is run, and not only prepared."""
        self._statements: dict[bytes, bytes] = {}
        self._portals: dict[bytes, bytes] = {}

    def read(self, data: bytes) -> Sequence[Asked]:
        if not self._has_started:
            data = self._start(data)
        asked = []
        for frame in self._frames.feed(data) if data else ():
            text = self._run_by(frame)
            if text is not None:
                asked.append(Asked(self._request, text))
                self.runs = self._request
            self._request += frame.kind in (b"Q", b"S", b"F")  # the server is ready again after each
        return asked

    def _start(self, data: bytes) -> bytes:
        """What follows the start-up message."""
        self._opening += data
        while len(self._opening) >= 8:
            length, code = int.from_bytes(self._opening[:4]), int.from_bytes(self._opening[4:8])
            is_last = code == _CANCEL or code >> 16 == 3
            if length < 8 or not (is_last or code in _ENCRYPT):
                raise Unreadable
            if len(self._opening) < length:
                break
            self._opening = self._opening[length:]
            if is_last:
                self._has_started = True
                return self._opening
            self.refusals += 1
        return b""

    def _run_by(self, frame: Frame) -> bytes | None:
        match frame.kind:
            case b"P":
                name, text, _ = frame.body.split(b"\0", 2)
                self._statements[name] = text
            case b"B":
                portal, statement, _ = frame.body.split(b"\0", 2)
                self._portals[portal] = self._statements.get(statement, b"")
            case b"E":
                return self._portals.get(frame.body.split(b"\0", 1)[0], b"")
            case b"Q":
                return frame.body.rstrip(b"\0")
            case b"C":
                names = self._statements if frame.body[:1] == b"S" else self._portals
                names.pop(frame.body[1:].rstrip(b"\0"), None)
        return None


class _Server:
    """Its half: which request it answers, and how that goes."""

    def __init__(self) -> None:
        self.request = 0
        self._frames = Frames()
        self._failed, self._tag = False, b""

    def read(self, data: bytes, client: _Client) -> Sequence[Answered]:
        skipped = self._refuse(data, client)
        answered, begin = [], 0
        for frame in self._frames.feed(data[skipped:]):
            done = self._hear(frame)
            if done is not None:
                end = skipped + frame.end
                answered.append(Answered(self.request, data[begin:end], done))
                self.request, begin = self.request + 1, end
        if begin < len(data):
            # A client may prepare first, and wait for the answer before it asks to run: that is no answer to it yet.
            is_run = client.runs >= self.request
            answered.append(Answered(self.request if is_run else self.request - 1, data[begin:]))
        return answered

    def _refuse(self, data: bytes, client: _Client) -> int:
        """How many bytes come before the frames. A server that can't even refuse sends an error, which is a frame."""
        if not client.refusals or data[:1] == b"E":
            client.refusals = 0
            return 0
        if data[:1] != b"N":
            raise Unreadable  # encrypted from here on
        client.refusals -= 1
        return 1

    def _hear(self, frame: Frame) -> Done | None:
        match frame.kind:
            case b"E":
                self._failed = True
            case b"C":
                self._tag = frame.body.rstrip(b"\0")
            case b"Z":
                is_applied = not self._failed and self._tag != b"ROLLBACK"
                self._failed, self._tag = False, b""
                if frame.body != b"I":
                    return Done.OPEN
                return Done.APPLIED if is_applied else Done.NOT_APPLIED
        return None
