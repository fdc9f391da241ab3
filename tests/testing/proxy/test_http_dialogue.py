"""What the proxy understands of a connection of HTTP/1.1, wherever its bytes are cut."""

import pytest
from http_server import answer, chunks, get, in_chunks, put

from headrace.testing.proxy import HttpDialogue, HttpFaults
from headrace.testing.proxy.answers import Done

CHUNKED = b"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(b"0123456789")
EXPECTING = b"PUT /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

SAID = [
    (put("/a", b"body"), answer("200 OK")),
    (get("/a"), answer("200 OK", b"body")),
    (get("/a", "HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
    (get("/a?chunked"), in_chunks(b"0123456789")),
    (CHUNKED, answer("412 Precondition Failed", b"it is there")),
    (EXPECTING, CONTINUE),
    (b"body", answer("200 OK")),
    (get("/a", "DELETE"), b"HTTP/1.1 204 No Content\r\n\r\n"),
    (get("/a"), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"),
    (get("/x") + get("/a"), answer("404 Not Found", b"no") + answer("200 OK", b"two at once")),
    (get("/last"), b"HTTP/1.1 200 OK\r\n\r\nall until the connection ends"),
]
"""What the client says, and what the server says then."""

STARTS = [b"PUT /a ", b"GET /a ", b"HEAD /a", b"GET /a?", b"PUT /c ", b"PUT /e ", b"DELETE ", b"GET /a "]
STARTS += [b"GET /x ", b"GET /a ", b"GET /la"]
APPLIED, FAILED = Done.APPLIED, Done.NOT_APPLIED
ENDS = [APPLIED, APPLIED, APPLIED, APPLIED, FAILED, APPLIED, APPLIED, APPLIED, FAILED, APPLIED]


def pieces(data: bytes, cut: int) -> list[bytes]:
    """Of ``cut`` bytes each; all at once where that is 0."""
    return [data[at : at + cut] for at in range(0, len(data), cut)] if cut else [data]


@pytest.mark.parametrize("cut", [0, *range(1, 40), 64, 100])
def test_requests_and_their_ends_are_found_in_pieces_of_any_size(cut: int) -> None:
    faults = HttpFaults()
    dialogue = faults.dialogue()
    asked, ends, answers = [], [], dict[int, bytes]()
    for client, server in SAID:
        arrived = b""
        for piece in pieces(client, cut):
            meddled = dialogue.meddle(piece)
            assert meddled.to_client == b""
            arrived += meddled.to_server
            asked += dialogue.asked(meddled.to_server)
        assert arrived == client
        passed = b""
        for piece in pieces(server, cut):
            for part in dialogue.answered(piece):
                passed += part.data
                answers[part.request] = answers.get(part.request, b"") + part.data
                ends += [(part.request, part.done)] if part.done is not None else []
        assert passed == server
    assert [(one.request, one.text[:7]) for one in asked] == list(enumerate(STARTS))
    assert ends == list(enumerate(ENDS))
    assert answers[8] == answer("404 Not Found", b"no")
    assert answers[4] == answer("412 Precondition Failed", b"it is there") + CONTINUE  # that it may go on is no answer
    assert dialogue.is_readable
    assert faults.requests == {"GET": 6, "PUT": 3, "HEAD": 1, "DELETE": 1}


def test_a_list_is_told_from_other_reads() -> None:
    faults = HttpFaults()
    faults.dialogue().meddle(get("/bucket?list-type=2&prefix=a") + get("/bucket/key"))
    assert faults.requests == {"LIST": 1, "GET": 1}


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_fields_are_taken_out_however_they_are_written(cut: int) -> None:
    faults = HttpFaults()
    faults.take_out("If-None-Match", "If-Match")
    dialogue = faults.dialogue()
    request = b'PUT /a HTTP/1.1\r\nif-none-match: *\r\nX-If-Match: stays\r\nIF-MATCH:"1"\r\nContent-Length: 20\r\n\r\n'
    body = b"\r\nif-none-match: *\r\n"
    arrived = b"".join(dialogue.meddle(piece).to_server for piece in pieces(request + body, cut))
    assert arrived == b"PUT /a HTTP/1.1\r\nX-If-Match: stays\r\nContent-Length: 20\r\n\r\n" + body


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_a_refused_request_never_arrives_with_its_body_and_the_next_one_does(cut: int) -> None:
    faults = HttpFaults()
    faults.refuse(every=2)
    dialogue = faults.dialogue()
    arrived, answered = b"", b""
    for request in (put("/a", b"one"), CHUNKED, get("/b", "HEAD"), get("/c", "HEAD"), put("/d", b"two")):
        for piece in pieces(request, cut):
            meddled = dialogue.meddle(piece)
            arrived, answered = arrived + meddled.to_server, answered + meddled.to_client
            dialogue.asked(meddled.to_server)
        dialogue.answered(answer("200 OK") if request in (put("/a", b"one"), put("/d", b"two")) else b"")
        if request == get("/b", "HEAD"):
            dialogue.answered(b"HTTP/1.1 200 OK\r\n\r\n")
    assert arrived == put("/a", b"one") + get("/b", "HEAD") + put("/d", b"two")
    first, second = answered.split(b"</Error>")
    assert first.startswith(b"HTTP/1.1 503 Slow Down\r\n")
    assert b"<Code>SlowDown</Code>" in first
    assert int(first.partition(b"Content-Length: ")[2].split()[0]) == len(first.partition(b"\r\n\r\n")[2] + b"</Error>")
    assert second.startswith(b"HTTP/1.1 503 Slow Down\r\n")
    assert second.endswith(b"\r\n\r\n")
    assert faults.refused == 2


def test_one_that_waits_to_be_asked_for_its_body_is_asked_and_refused() -> None:
    faults = HttpFaults()
    faults.refuse(share=1.0)
    dialogue = faults.dialogue()
    assert dialogue.meddle(EXPECTING) == dialogue.meddle(b"").__class__(b"", CONTINUE)
    assert dialogue.meddle(b"body").to_client.startswith(b"HTTP/1.1 503 ")


def test_none_is_refused_while_the_server_owes_an_answer() -> None:
    faults = HttpFaults()
    dialogue = faults.dialogue()
    dialogue.asked(dialogue.meddle(get("/a")).to_server)
    faults.refuse(share=1.0)
    assert dialogue.meddle(get("/b")).to_server == get("/b")


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"hello\r\n\r\n",
        b"a" * 70_000,
        b"PUT / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        get("/a") + b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n",
    ],
)
def test_what_is_no_http_is_unreadable_and_arrives(junk: bytes) -> None:
    dialogue = HttpDialogue()
    assert dialogue.meddle(junk).to_server == junk
    assert not dialogue.is_readable
    assert dialogue.asked(junk) == []
    assert dialogue.meddle(b"more").to_server == b"more"


@pytest.mark.parametrize(
    "junk",
    [b"\x15\x03\x01", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1\r\n\r\n", answer("200 OK") + b"\0\1"],
)
@pytest.mark.parametrize("cut", [0, 1])
def test_an_answer_that_is_no_http_is_unreadable_and_passed_on(junk: bytes, cut: int) -> None:
    dialogue = HttpDialogue()
    dialogue.asked(get("/a"))
    parts = [part for piece in pieces(junk, cut) for part in dialogue.answered(piece)]
    assert b"".join(part.data for part in parts) == junk
    assert not dialogue.is_readable


def test_what_was_begun_arrives_when_the_other_side_becomes_unreadable() -> None:
    dialogue = HttpDialogue()
    assert dialogue.meddle(b"GET /a HT").to_server == b""
    dialogue.answered(b"\0")
    assert dialogue.meddle(b"TP/1.1").to_server == b"GET /a HTTP/1.1"
    assert dialogue.meddle(b"\r\n\r\n").to_server == b"\r\n\r\n"


def test_what_follows_a_change_of_protocol_is_passed_on() -> None:
    dialogue = HttpDialogue()
    dialogue.asked(get("/a"))
    switched = b"HTTP/1.1 101 Switching Protocols\r\n\r\n\0bytes"
    assert b"".join(part.data for part in dialogue.answered(switched)) == switched
    assert dialogue.meddle(b"\0bytes").to_server == b"\0bytes"
    assert not dialogue.is_readable
