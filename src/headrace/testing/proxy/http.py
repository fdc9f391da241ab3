"""What is said on a connection of HTTP/1.1, and what goes wrong there beyond what the network does.

``faults = HttpFaults()``, ``FaultProxy(host, port, speaks=faults.dialogue)``: one for all connections of a proxy. Tell
it what to do in the thread of the proxy.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from headrace.model.errors import InvalidOption
from headrace.testing.dice import Dice
from headrace.testing.proxy.answers import Answered, Asked, Done, Match, Meddled, Unreadable
from headrace.testing.proxy.http_messages import Body, Head, Messages, Piece, body_of_answer, body_of_request, status_of

CONDITIONS = ("If-None-Match", "If-Match")
"""The fields of a request that make it conditional."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_FINAL, _FAILED = 200, 400
"""The first status that is an answer, and the first of a failure."""


class Refusal(msgspec.Struct, frozen=True):
    """An error of S3."""

    status: int
    reason: str
    code: str
    message: str

    def answer(self, method: bytes) -> bytes:
        """All of it, but for the body where HEAD was asked."""
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
        ).encode()
        fields = f"Content-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
        return f"HTTP/1.1 {self.status} {self.reason}\r\n{fields}\r\n".encode() + (b"" if method == b"HEAD" else body)


SLOW_DOWN = Refusal(503, "Slow Down", "SlowDown", "Please reduce your request rate.")


class HttpFaults:
    """What the connections of one proxy have in common: what goes wrong in HTTP, and what was asked."""

    def __init__(self, seed: int | str = 0) -> None:
        """Chances come from the seed."""
        self.requests: Counter[str] = Counter()
        """How many there were of each method, refused ones too. S3 lists by GET: such a request is a LIST here."""
        self.refused = 0
        """How many never came to the server."""
        self._dice = Dice(seed)
        self.heal()

    def dialogue(self) -> "HttpDialogue":
        """For one connection."""
        return HttpDialogue(self)

    def heal(self) -> None:
        """Refuse nothing and leave all fields. The proxy's own ``heal`` doesn't know of these."""
        self._refusal = SLOW_DOWN
        self._match: Match | None = None
        self._share, self._every, self._seen = 0.0, 0, 0
        self._taken_out: Sequence[str] = ()

    def refuse(
        self, refusal: Refusal = SLOW_DOWN, *, share: float = 0.0, every: int = 0, match: Match | None = None
    ) -> None:
        """Answer some of the requests that match in place of the server, which never hears of them: a ``share``, by
        chance, or every n-th. A request that comes before the last one is answered is spared. A new order replaces the
        last one."""
        if not 0 <= share <= 1:
            raise InvalidOption("share", share, "from 0 to 1")
        if every < 0 or bool(every) == bool(share):
            raise InvalidOption("every", every, "at least 1, or a share instead")
        self._refusal, self._share, self._every, self._match, self._seen = refusal, share, every, match, 0

    def take_out(self, *fields: str) -> None:
        """Let these fields of requests never arrive: without CONDITIONS a store overwrites what is there. Signatures of
        them are wrong then."""
        self._taken_out = fields

    def hear(self, head: Head, may_refuse: bool) -> tuple[Head, Refusal | None]:
        """What arrives of the head of a request, and how it is refused."""
        method, target = head.words[0].decode(errors="replace"), head.words[1]
        self.requests["LIST" if method == "GET" and b"list-type=" in target else method] += 1
        if may_refuse and self._chooses(head):
            self.refused += 1
            return head, self._refusal
        for name in self._taken_out:
            head = head.without(name)
        return head, None

    def _chooses(self, head: Head) -> bool:
        if not (self._share or self._every) or (self._match is not None and not self._match(head.raw)):
            return False
        self._seen += 1
        return self._seen % self._every == 0 if self._every else self._dice.chance(self._share)


class HttpDialogue:
    """Requests are known by their heads. One is applied when it is answered by a status below 400. An answer that ends
    only with its connection is never complete, and so never dropped."""

    quiet: float | None = None

    def __init__(self, faults: HttpFaults | None = None) -> None:
        self.is_readable = True
        self._faults = HttpFaults() if faults is None else faults
        self._said, self._arrives = Messages(body_of_request), Messages(body_of_request)
        self._answers = Messages(self._body_of_answer)
        self._refusal = b""
        """The answer to the request that is being refused."""
        self._methods: list[bytes] = []
        """Of the requests without an answer."""
        self._request = 0
        """Which one is answered."""
        self._status = 0

    def meddle(self, data: bytes) -> Meddled:
        if not self.is_readable:
            return Meddled(self._said.take_unread() + data)
        to_server, to_client = b"", b""
        try:
            for piece in self._said.feed(data):
                passed, answer = self._pass_on(piece)
                to_server, to_client = to_server + passed, to_client + answer
        except Unreadable:
            self.is_readable = False
            to_server += self._said.take_unread()
        return Meddled(to_server, to_client)

    def asked(self, data: bytes) -> Sequence[Asked]:
        asked = []
        for piece in self._arrives.feed(data) if self.is_readable else ():
            if piece.head is not None:
                asked.append(Asked(self._request + len(self._methods), piece.data))
                self._methods.append(piece.head.words[0])
        return asked

    def answered(self, data: bytes) -> Sequence[Answered]:
        if not self.is_readable:
            return [Answered(self._request, self._answers.take_unread() + data)]
        answered: list[Answered] = []
        try:
            answered.extend(map(self._hear, self._answers.feed(data)))
        except Unreadable:
            self.is_readable = False
            answered.append(Answered(self._request, self._answers.take_unread()))
        return answered

    def _pass_on(self, piece: Piece) -> tuple[bytes, bytes]:
        """What arrives of it, and what is answered in place of the server."""
        arrives, answer = piece.data, b""
        if piece.head is not None:
            # while the server owes an answer, ours would come before it
            head, refusal = self._faults.hear(piece.head, may_refuse=not self._methods)
            arrives = head.raw
            self._refusal = b"" if refusal is None else refusal.answer(head.words[0])
            if refusal is not None and head.field("expect") == b"100-continue":
                answer = _CONTINUE
        if self._refusal:
            return b"", answer + (self._refusal if piece.is_last else b"")
        return arrives, b""

    def _hear(self, piece: Piece) -> Answered:
        if piece.head is not None:
            self._status = status_of(piece.head)
        if self._status < _FINAL:  # no answer yet: a client that waits for it must get it
            return Answered(self._request - 1, piece.data)
        request, done = self._request, None
        if piece.is_last:
            done = Done.APPLIED if self._status < _FAILED else Done.NOT_APPLIED
            self._request += len(self._methods[:1])
            del self._methods[:1]
        return Answered(request, piece.data, done)

    def _body_of_answer(self, head: Head) -> Body:
        return body_of_answer(head, self._methods[0] if self._methods else b"")
