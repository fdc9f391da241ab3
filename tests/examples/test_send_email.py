"""examples/send_email.py against a real SMTP server, which refuses, defers, and is down at first."""

import signal
import socket
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest
from programs import Program, Start

from headrace import Headrace, RetryPolicy, State

SOON = RetryPolicy.fixed(max_attempts=100, delay="200ms", jitter=0)


class Mailbox:
    """What the server does with each message."""

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.deferred: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd calls
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        message = message_from_bytes(envelope.content)
        if message["To"].startswith("spam"):
            return "554 rejected"
        if message["To"].startswith("later") and message["Message-Id"] not in self.deferred:
            self.deferred.add(message["Message-Id"])
            return "451 come back later"
        self.received.append(message)
        return "250 OK"


@pytest.fixture
def place(need: Callable[..., None]) -> Iterator[socket.socket]:
    """A port of our own at which nobody listens yet: connections are refused."""
    need("aiosmtpd")
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        yield place


@pytest.fixture
def open_mailbox(place: socket.socket) -> Iterator[Callable[[], Mailbox]]:
    """Starts the server at that port."""
    from aiosmtpd.controller import Controller

    class AtPlace(Controller):
        def _create_server(self) -> Any:
            return self.loop.create_server(self._factory_invoker, sock=place)

    opened: list[Controller] = []

    def open_mailbox() -> Mailbox:
        mailbox = Mailbox()
        opened.append(AtPlace(mailbox, *place.getsockname()))
        opened[0].start()
        return mailbox

    yield open_mailbox
    for controller in opened:
        controller.stop()


@pytest.fixture
def worker(start_python: Start, place: socket.socket) -> Iterator[Program]:
    worker = start_python("-m", "headrace", "worker", "send_email:app", SMTP_PORT=str(place.getsockname()[1]))
    worker.wait_line("ready: pid")
    yield worker
    assert worker.end(signal.SIGTERM) == 0, worker.output


def enqueue(app: Headrace, to: str, retry: RetryPolicy = SOON) -> str:
    arguments = {"to": to, "subject": "hello", "body": "This is a test.\n"}
    return app.enqueue("send_email.send_email", arguments, queue="email", retry=retry).id


def test_a_server_that_is_down_at_first_gets_each_message_once_it_is_up(
    start: Start, worker: Program, app: Headrace, open_mailbox: Callable[[], Mailbox]
) -> None:
    program = start("send_email.py", "ada@example.com")
    assert program.end() == 0
    ids = [program.output, *(enqueue(app, f"user-{number}@example.com") for number in range(9))]
    for job_id in ids:
        worker.wait_line(f"failed: job {job_id}.*ConnectionRefusedError")
    mailbox = open_mailbox()
    jobs = [app.join(job_id, timeout=20) for job_id in ids]
    assert {job.state for job in jobs} == {State.COMPLETED}
    assert all(job.attempt > 1 for job in jobs)
    assert sorted(message["To"] for message in mailbox.received) == sorted(
        ["ada@example.com", *(f"user-{number}@example.com" for number in range(9))]
    )
    assert sorted(message["Message-Id"] for message in mailbox.received) == sorted(
        f"<{job_id}@headrace.example>" for job_id in ids
    )
    first = next(message for message in mailbox.received if message["To"] == "ada@example.com")
    assert (first["Subject"], first.get_payload().strip()) == ("hello", "This was sent by a job.")


def test_4xx_is_tried_again_and_5xx_is_final(
    worker: Program, app: Headrace, open_mailbox: Callable[[], Mailbox]
) -> None:
    mailbox = open_mailbox()
    later, refused, rejected, broken = (
        enqueue(app, to)
        for to in (
            "later@example.com",
            "nobody@example.com",
            "spam@example.com",
            "ada@example.com\nBcc: all@example.com",
        )
    )
    tried = app.join(later, timeout=20)
    assert (tried.state, tried.attempt) == (State.COMPLETED, 2)
    assert "451" in (tried.last_error or "")
    dead = [app.join(job_id, timeout=20) for job_id in (refused, rejected, broken)]
    assert [(job.state, job.reason, job.attempt) for job in dead] == [
        (State.DEAD, "permanent", 1),
        (State.DEAD, "permanent", 1),
        (State.DEAD, "given_up", 1),
    ]
    assert "550" in (dead[0].last_error or "")
    assert "554" in (dead[1].last_error or "")
    assert [message["To"] for message in mailbox.received] == ["later@example.com"]
