"""examples/webhooks.py against a local receiver that fails a third of all requests, with a worker that is killed."""

import base64
import hashlib
import hmac
import json
import os
import random
import signal
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
from programs import PATIENCE, Program, Start

from headrace import Headrace, RetryPolicy, State

SEED = 11
WEBHOOKS = 120
SECRET = b"a secret of the test"
ONLY_ONCE = (400, 404, 410)
FAILURES = (500, 502, 503, 408, 429)
SOON = RetryPolicy.fixed(max_attempts=15, delay="20ms", jitter=0)


class Request(NamedTuple):
    at: float
    number: int
    status: int


class Receiver(ThreadingHTTPServer):
    """Its answers follow from the seed, the webhook and the try alone, whatever order they come in."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.lock = threading.Lock()
        self.requests: dict[str, list[Request]] = defaultdict(list)
        self.problems: list[str] = []
        self.half_taken = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def answer(self, webhook_id: str, number: int) -> int:
        with self.lock:
            tries = self.requests[webhook_id]
            chance = random.Random(f"{SEED}:{number}:{len(tries)}")
            fails = chance.random() < 1 / 3
            status = ONLY_ONCE[number] if number < len(ONLY_ONCE) else chance.choice(FAILURES) if fails else 204
            tries.append(Request(time.monotonic(), number, status))
            if len(self.taken()) >= WEBHOOKS / 2:
                self.half_taken.set()
            return status

    def taken(self) -> list[str]:
        return [name for name, tries in self.requests.items() if any(one.status == 204 for one in tries)]


class Answering(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # its sender was killed in the middle of it
            self.close_connection = True
            return
        webhook_id, moment = self.headers["Webhook-Id"], self.headers["Webhook-Timestamp"]
        signed = hmac.new(SECRET, f"{webhook_id}.{moment}.".encode() + body, hashlib.sha256).digest()
        if self.headers["Webhook-Signature"] != f"v1,{base64.b64encode(signed).decode()}":
            self.server.problems.append(f"signature of {webhook_id}")
        if abs(time.time() - int(moment)) > 60:
            self.server.problems.append(f"moment of {webhook_id}")
        status = self.server.answer(webhook_id, json.loads(body)["number"])
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as the overridden one calls it
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        serving = threading.Thread(target=receiver.serve_forever)
        serving.start()
        yield receiver
        receiver.shutdown()
        serving.join()


@pytest.fixture
def worker(start_python: Start, need: Callable[..., None]) -> Iterator[Program]:
    need("httpx")
    secret = f"whsec_{base64.b64encode(SECRET).decode()}"
    worker = start_python("-m", "headrace", "worker", "webhooks:app", WEBHOOK_SECRET=secret)
    worker.wait_line("ready: pid")
    yield worker
    assert worker.end(signal.SIGTERM) == 0, worker.output


def test_each_webhook_arrives_whatever_fails(receiver: Receiver, worker: Program, app: Headrace) -> None:
    receipts = [
        app.enqueue(
            "webhooks.deliver",
            {"url": receiver.url, "event": {"number": number, "text": "ünïcödé"}},
            queue="webhooks",
            retry=SOON,
        )
        for number in range(WEBHOOKS)
    ]
    assert receiver.half_taken.wait(PATIENCE), worker.output
    os.kill(int(worker.wait_line(r"ready: pid (\d+)")[1]), signal.SIGKILL)
    worker.wait_line("ready: pid", count=2)
    jobs = [app.join(receipt, timeout=60) for receipt in receipts]

    assert receiver.problems == []
    assert set(receiver.requests) == {receipt.id for receipt in receipts}
    assert [job.state for job in jobs] == [State.DEAD] * 3 + [State.COMPLETED] * (WEBHOOKS - 3)
    assert {job.reason for job in jobs[:3]} == {"permanent"}
    assert sorted(receiver.taken()) == sorted(receipt.id for receipt in receipts[3:])
    for job in jobs:
        tries = receiver.requests[job.id]
        assert {one.number for one in tries} == {jobs.index(job)}
        if not job.crashes:  # else an answer was on its way to a worker that was gone
            assert job.attempt == sum(one.status != 429 for one in tries)
            assert [one.status in (204, *ONLY_ONCE) for one in tries] == [False] * (len(tries) - 1) + [True]
    sent = [one for tries in receiver.requests.values() for one in tries]
    assert sum(one.status in FAILURES for one in sent) > len(sent) / 5, "a third fails"


def test_429_is_heeded_and_burns_no_attempt(receiver: Receiver, worker: Program, app: Headrace) -> None:
    number = next(
        number
        for number in range(len(ONLY_ONCE), 1000)
        if (chance := random.Random(f"{SEED}:{number}:0")).random() < 1 / 3 and chance.choice(FAILURES) == 429
    )
    receipt = app.enqueue(
        "webhooks.deliver", {"url": receiver.url, "event": {"number": number}}, queue="webhooks", retry=SOON
    )
    job = app.join(receipt, timeout=30)
    first, second, *_ = receiver.requests[receipt.id]
    assert first.status == 429
    assert second.at - first.at >= 1
    assert job.history[0].outcome == "throttled"
    assert job.attempt == sum(one.status != 429 for one in receiver.requests[receipt.id])


def test_a_receiver_that_is_down_is_tried_again_and_a_bad_url_is_not(worker: Program, app: Headrace) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and doesn't listen
        urls = [f"http://127.0.0.1:{nobody.getsockname()[1]}/hook", "ftp://example.com"]
        receipts = [
            app.enqueue("webhooks.deliver", {"url": url, "event": {}}, queue="webhooks", retry=SOON, max_attempts=2)
            for url in urls
        ]
        jobs = [app.join(receipt, timeout=30) for receipt in receipts]
    assert [(job.reason, job.attempt) for job in jobs] == [("exhausted", 2), ("given_up", 1)]
