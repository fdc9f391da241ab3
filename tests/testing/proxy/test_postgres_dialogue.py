"""What the proxy understands of a connection to Postgres, wherever its bytes are cut."""

import pytest
from postgres_frames import CANCEL_REQUEST, FAILED, OPENED, SSL_REQUEST, START_UP, done, frame, prepare, query, run

from headrace.testing.proxy import PostgresDialogue
from headrace.testing.proxy.answers import Asked, Done

INSERT, UPDATE = b"INSERT INTO jobs VALUES ($1)", b"UPDATE jobs SET x = $1"

SAID = [
    (SSL_REQUEST, b"N"),
    (START_UP, OPENED),
    (frame(b"p", b"password\0"), b""),
    (prepare(b"s1", INSERT), frame(b"1") + frame(b"n")),
    (run(b"s1"), frame(b"2") + frame(b"D", b"ZIZZ" * 9) + done(b"INSERT 0 1")),
    (query(b"BEGIN"), done(b"BEGIN", b"T")),
    (prepare(b"s2", UPDATE) + run(b"s2"), frame(b"1") + frame(b"2") + frame(b"A", b"notice") + done(b"UPDATE 1", b"T")),
    (run(b"s1"), FAILED + done(b"", b"E")),
    (query(b"COMMIT"), done(b"ROLLBACK")),
    (run(b"s1") + query(b"SELECT 1"), FAILED + done(b"") + done(b"SELECT 1")),
    (frame(b"C", b"Ss1\0") + frame(b"S"), frame(b"3") + done(b"")),
]
"""What the client says, and what the server says then."""

ASKED = [
    Asked(1, INSERT),
    Asked(2, b"BEGIN"),
    Asked(3, UPDATE),
    Asked(4, INSERT),
    Asked(5, b"COMMIT"),
    Asked(6, INSERT),
    Asked(7, b"SELECT 1"),
]
ENDS = {
    0: Done.APPLIED,
    1: Done.APPLIED,
    2: Done.OPEN,
    3: Done.OPEN,
    4: Done.OPEN,
    5: Done.NOT_APPLIED,
    6: Done.NOT_APPLIED,
    7: Done.APPLIED,
    8: Done.APPLIED,
}


def pieces(data: bytes, cut: int) -> list[bytes]:
    """Of ``cut`` bytes each; all at once where that is 0."""
    return [data[at : at + cut] for at in range(0, len(data), cut)] if cut else [data]


@pytest.mark.parametrize("cut", [0, *range(1, 60)])
def test_requests_and_their_ends_are_found_in_pieces_of_any_size(cut: int) -> None:
    dialogue = PostgresDialogue()
    asked, ends, passed = [], {}, b""
    for client, server in SAID:
        for piece in pieces(client, cut):
            asked += dialogue.asked(piece)
        for piece in pieces(server, cut):
            parts = dialogue.answered(piece)
            assert b"".join(part.data for part in parts) == piece
            passed += piece
            ends |= {part.request: (part.done, len(passed)) for part in parts if part.done is not None}
    assert asked == ASKED
    assert {request: done for request, (done, _) in ends.items()} == ENDS
    assert dialogue.is_readable


def test_an_answer_ends_at_its_last_byte_wherever_the_stream_is_cut_in_two() -> None:
    first, second = done(b"INSERT 0 1"), done(b"SELECT 1")
    stream = first + second
    for cut in range(len(stream) + 1):
        dialogue = PostgresDialogue()
        dialogue.asked(START_UP + query(b"a") + query(b"b"))
        dialogue.answered(OPENED)
        of = {1: b"", 2: b""}
        for piece in (stream[:cut], stream[cut:]):
            for part in dialogue.answered(piece):
                of[part.request] += part.data
        assert of == {1: first, 2: second}


def test_a_statement_is_known_by_the_text_its_name_has_now() -> None:
    dialogue = PostgresDialogue()
    dialogue.asked(START_UP)
    texts = [asked.text for asked in dialogue.asked(prepare(b"", b"one") + run(b"") + prepare(b"", b"two") + run(b""))]
    assert texts == [b"one", b"two"]


@pytest.mark.parametrize("answer", [b"S", b"G"])
def test_an_encrypted_connection_is_passed_on_and_known_to_be_unreadable(answer: bytes) -> None:
    dialogue = PostgresDialogue()
    dialogue.asked(SSL_REQUEST)
    assert [part.data for part in dialogue.answered(answer)] == [answer]
    assert not dialogue.is_readable
    assert dialogue.asked(query(b"INSERT")) == []
    assert [(part.data, part.done) for part in dialogue.answered(done(b"x"))] == [(done(b"x"), None)]


def test_a_server_too_full_to_refuse_encryption_sends_an_error() -> None:
    dialogue = PostgresDialogue()
    dialogue.asked(SSL_REQUEST)
    assert [part.data for part in dialogue.answered(FAILED)] == [FAILED]
    assert dialogue.is_readable


def test_a_cancel_request_is_no_conversation() -> None:
    dialogue = PostgresDialogue()
    assert dialogue.asked(CANCEL_REQUEST) == []
    assert dialogue.is_readable


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"\0" * 8,
        START_UP + frame(b"P", b"no ends"),
        START_UP + b"Q\0\0\0\3",
        START_UP + b"Q\xff\xff\xff\xff",
    ],
)
def test_what_is_no_postgres_is_unreadable(junk: bytes) -> None:
    dialogue = PostgresDialogue()
    assert dialogue.asked(junk) == []
    assert not dialogue.is_readable
